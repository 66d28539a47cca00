"""The dependencies of a version beside its manifest, so that resolving reads no manifest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "assets_dependencies"
down_revision = "uploads_checks"
branch_labels = None
depends_on = None

DEPENDENCIES = "coalesce(manifest -> 'dependencies', '[]'::jsonb)"


def upgrade() -> None:
    op.add_column(
        "asset_versions", sa.Column("dependencies", postgresql.JSONB(), sa.Computed(DEPENDENCIES, persisted=True))
    )
    op.create_index("ix_asset_versions_namespace_name", "asset_versions", ["namespace", "name"])


def downgrade() -> None:
    op.drop_index("ix_asset_versions_namespace_name", "asset_versions")
    op.drop_column("asset_versions", "dependencies")
