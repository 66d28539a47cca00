"""Environments may be made again when the branch moves that their pull request goes to."""

import sqlalchemy as sa
from alembic import op

revision = "environments_tracks_base"
down_revision = "attestations_revocations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environments", sa.Column("seen_base_sha", sa.String()))


def downgrade() -> None:
    op.drop_column("environments", "seen_base_sha")
