"""Commands of comments that were obeyed, so that each is obeyed once."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate

revision = "scm_commands"
down_revision = "environments_target_choices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scm_commands",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("pull_request", sa.Integer(), nullable=False),
        sa.Column("comment_id", sa.String(length=200), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("is_replied", sa.Boolean(), nullable=False),
        sa.Column("obeyed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "repository", "pull_request", "comment_id", name="pk_scm_commands"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_scm_commands_tenant_id_tenants"),
    )
    op.create_index("ix_scm_commands_obeyed_at", "scm_commands", ["tenant_id", "obeyed_at"])
    for statement in isolate("scm_commands"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("scm_commands")
