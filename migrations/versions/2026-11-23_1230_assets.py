"""Namespaces, assets and their versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import OWN_ROWS, isolate

revision = "0004_assets"
down_revision = "0003_operations"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
SEARCH_VECTOR = (
    "setweight(to_tsvector('simple', name), 'A') || setweight(to_tsvector('simple', display_name), 'B') || "
    "setweight(to_tsvector('simple', namespace), 'B') || setweight(to_tsvector('simple', keywords), 'C') || "
    "setweight(to_tsvector('simple', summary), 'D')"
)
OWN_OR_PUBLIC = f"{OWN_ROWS} OR visibility = 'public'"
OWN_OR_OF_PUBLIC_ASSET = (
    f"{OWN_ROWS} OR (state <> 'draft' AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id AND assets.visibility = 'public'))"
)


def upgrade() -> None:
    op.create_table(
        "namespaces",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_namespaces"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_namespaces_tenant_id_name"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_namespaces_tenant_id_tenants"),
    )
    _create_assets()
    _create_versions()
    for statement in (
        *isolate("namespaces"),
        *isolate("assets", read=OWN_OR_PUBLIC),
        *isolate("asset_versions", read=OWN_OR_OF_PUBLIC_ASSET),
    ):
        op.execute(statement)


def _create_assets() -> None:
    op.create_table(
        "assets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("visibility", sa.String(length=32), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("license", sa.String(), nullable=False),
        sa.Column("keywords", postgresql.JSONB(), nullable=False),
        sa.Column("archetypes", postgresql.JSONB(), nullable=False),
        sa.Column("latest_version", sa.String()),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("updated_at", WHEN, nullable=False),
        sa.Column("search", postgresql.TSVECTOR(), sa.Computed(SEARCH_VECTOR, persisted=True)),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_assets_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "namespace", "name", name="uq_assets_tenant_id_namespace_name"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_assets_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "namespace"],
            ["namespaces.tenant_id", "namespaces.name"],
            name="fk_assets_tenant_id_namespace_namespaces",
        ),
    )
    op.create_index("ix_assets_namespace_name", "assets", ["namespace", "name"])
    op.create_index("ix_assets_search", "assets", ["search"], postgresql_using="gin")


def _create_versions() -> None:
    numbers = ("major", "minor", "patch", "stage", "stage_number")
    op.create_table(
        "asset_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("semver", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("state_reason", sa.String()),
        sa.Column("replacement", sa.String()),
        sa.Column("state_changed_at", WHEN, nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("input_schema", postgresql.JSONB(), nullable=False),
        sa.Column("input_hints", postgresql.JSONB(), nullable=False),
        sa.Column("output_schema", postgresql.JSONB(), nullable=False),
        sa.Column("readme", sa.String(), nullable=False),
        sa.Column("changelog", sa.String(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.Column("blob_digest", sa.String(length=64), nullable=False),
        sa.Column("tree_digest", sa.String(length=64), nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("packed_size", sa.Integer(), nullable=False),
        sa.Column("published_at", WHEN),
        sa.Column("published_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset_versions"),
        sa.UniqueConstraint("tenant_id", "asset_id", "version", name="uq_asset_versions_tenant_id_asset_id_version"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_asset_versions_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_asset_versions_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_asset_versions_order", "asset_versions", ["asset_id", *numbers])
    op.create_index("ix_asset_versions_blob_digest", "asset_versions", ["blob_digest"])


def downgrade() -> None:
    op.drop_table("asset_versions")
    op.drop_table("assets")
    op.drop_table("namespaces")
