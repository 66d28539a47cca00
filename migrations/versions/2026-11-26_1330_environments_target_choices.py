"""Tenants choose where their environments go, and so does what begins by itself."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate

revision = "environments_target_choices"
down_revision = "assets_reach"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "environment_target_choices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String()),
        sa.Column("chosen_by", sa.String(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    for statement in isolate("environment_target_choices"):
        op.execute(statement)
    op.add_column("environment_automations", sa.Column("target", sa.String()))


def downgrade() -> None:
    op.drop_column("environment_automations", "target")
    op.drop_table("environment_target_choices")
