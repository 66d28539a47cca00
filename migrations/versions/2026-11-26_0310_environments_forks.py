"""Environments remember which commit of a fork waits for an approval, and which one has it."""

import sqlalchemy as sa
from alembic import op

revision = "environments_forks"
down_revision = "environments_life"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environments", sa.Column("waiting_sha", sa.String()))
    op.add_column("environments", sa.Column("approved_sha", sa.String()))


def downgrade() -> None:
    op.drop_column("environments", "approved_sha")
    op.drop_column("environments", "waiting_sha")
