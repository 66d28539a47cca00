"""Approvals of install plans: which plans take one, who asked, and who wants a plan applied then."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "installs_approvals"
down_revision = "overlays_rules"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB()
RULES = "install_approval_rules"


def upgrade() -> None:
    op.create_table(
        RULES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("actions", JSON, nullable=False),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("asset", sa.String(length=200), nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("policy_rule", sa.String(length=200), nullable=False),
        sa.Column("need", JSON, nullable=False),
        sa.Column("expires_in_hours", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{RULES}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{RULES}_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "id", name=f"uq_{RULES}_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "name", name=f"uq_{RULES}_tenant_id_name"),
    )
    for statement in isolate(RULES):
        op.execute(statement)
    op.add_column("install_plans", sa.Column("member_id", sa.Uuid()))
    op.add_column("install_plans", sa.Column("wanted", JSON))
    op.create_index("ix_install_plans_tenant_id_digest", "install_plans", ["tenant_id", "digest"])


def downgrade() -> None:
    op.drop_index("ix_install_plans_tenant_id_digest", table_name="install_plans")
    op.drop_column("install_plans", "wanted")
    op.drop_column("install_plans", "member_id")
    op.drop_table(RULES)
