"""Overrides say just what they cover and which member answers for them, evaluations what their verdict was made of.

An override from before names neither digest nor commit, and so covers nothing any more: it has to be given again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "policies_grounds"
down_revision = "environments_room"
branch_labels = None
depends_on = None


def upgrade() -> None:
    nothing = sa.text("'{}'::jsonb")
    op.add_column("policy_overrides", sa.Column("covers", postgresql.JSONB(), nullable=False, server_default=nothing))
    op.add_column("policy_overrides", sa.Column("member_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_policy_overrides_tenant_id_member_id_members",
        "policy_overrides",
        "members",
        ["tenant_id", "member_id"],
        ["tenant_id", "id"],
    )
    version = sa.Column("engine_version", sa.String(length=200), nullable=False, server_default="")
    op.add_column("policy_evaluations", version)
    op.add_column(
        "policy_evaluations", sa.Column("grounds", postgresql.JSONB(), nullable=False, server_default=nothing)
    )
    op.alter_column("policy_overrides", "covers", server_default=None)
    for name in ("engine_version", "grounds"):
        op.alter_column("policy_evaluations", name, server_default=None)


def downgrade() -> None:
    op.drop_column("policy_evaluations", "grounds")
    op.drop_column("policy_evaluations", "engine_version")
    op.drop_constraint("fk_policy_overrides_tenant_id_member_id_members", "policy_overrides", type_="foreignkey")
    op.drop_column("policy_overrides", "member_id")
    op.drop_column("policy_overrides", "covers")
