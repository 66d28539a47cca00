"""Environments that ended with their pull requests, and come back with them."""

import sqlalchemy as sa
from alembic import op

revision = "environments_comes_back"
down_revision = "environments_strangers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Why those ended that are gone already, nobody knows: they stay gone.
    op.add_column("environments", sa.Column("comes_back", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("environments", "comes_back", server_default=None)
    where = sa.text("comes_back")
    op.create_index("ix_environments_coming_back", "environments", ["tenant_id", "repository"], postgresql_where=where)
    op.execute("GRANT SELECT (comes_back, destroyed_at) ON environments TO slipway_system")


def downgrade() -> None:
    op.drop_index("ix_environments_coming_back", "environments")
    op.drop_column("environments", "comes_back")
    op.execute("REVOKE SELECT (destroyed_at) ON environments FROM slipway_system")
