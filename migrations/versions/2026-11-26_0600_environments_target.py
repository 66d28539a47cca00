"""Environments say at which target they run; until now there was one."""

import sqlalchemy as sa
from alembic import op

revision = "environments_target"
down_revision = "environments_due"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environments", sa.Column("target", sa.String(), nullable=False, server_default="local"))
    op.alter_column("environments", "target", server_default=None)
    op.execute("GRANT SELECT (target) ON environments TO slipway_system")


def downgrade() -> None:
    op.drop_column("environments", "target")
