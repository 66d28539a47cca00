"""Trials of policies that are being written."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "policies_trials"
down_revision = "assets_lookalikes"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "policy_trials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("query", sa.String(length=200), nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", postgresql.JSONB()),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_policy_trials"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_policy_trials_tenant_id_tenants"),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name="fk_policy_trials_operation_id_operations"),
    )
    op.create_index("ix_policy_trials_tenant_id_created_at", "policy_trials", ["tenant_id", "created_at"])
    for statement in isolate("policy_trials"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("policy_trials")
