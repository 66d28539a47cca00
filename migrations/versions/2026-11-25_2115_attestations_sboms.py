"""Bills of materials, the index of the packages in them, and what came of making them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import OWN_ROWS, isolate

revision = "attestations_sboms"
down_revision = "installs_ledger"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
# Whoever may see an asset may see what it is made of: the policies of assets decide.
OF_VISIBLE_ASSET = (
    f"{OWN_ROWS} OR (asset_id IS NOT NULL AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id))"
)


def upgrade() -> None:
    _create_sboms()
    _create_packages()
    _create_makings()
    for table in ("sboms", "sbom_packages", "sbom_makings"):
        for statement in isolate(table, read=OF_VISIBLE_ASSET):
            op.execute(statement)


def downgrade() -> None:
    for table in ("sbom_makings", "sbom_packages", "sboms"):
        op.drop_table(table)


def _of_asset(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "asset_id"],
        ["assets.tenant_id", "assets.id"],
        name=f"fk_{table}_tenant_id_asset_id_assets",
        ondelete="CASCADE",
    )


def _create_sboms() -> None:
    op.create_table(
        "sboms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("attestation_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("document_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("spec_version", sa.String(length=32), nullable=False),
        sa.Column("serial", sa.String(length=500), nullable=False),
        sa.Column("about", sa.String(length=500), nullable=False),
        sa.Column("made_by", sa.String(length=500), nullable=False),
        sa.Column("components", sa.Integer(), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("indexed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sboms"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_sboms_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "attestation_id"],
            ["attestations.tenant_id", "attestations.id"],
            name="fk_sboms_tenant_id_attestation_id_attestations",
            ondelete="CASCADE",
        ),
        _of_asset("sboms"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_sboms_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "attestation_id", name="uq_sboms_tenant_id_attestation_id"),
    )
    op.create_index("ix_sboms_tenant_id_indexed_at", "sboms", ["tenant_id", "indexed_at"])
    for column in ("attestation_id", "asset_id", "document_digest"):
        op.create_index(f"ix_sboms_{column}", "sboms", [column])


def _create_packages() -> None:
    op.create_table(
        "sbom_packages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sbom_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("package", sa.String(length=500), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("purl", sa.String(length=1000), nullable=False),
        sa.Column("licenses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sbom_packages"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sbom_id"],
            ["sboms.tenant_id", "sboms.id"],
            name="fk_sbom_packages_tenant_id_sbom_id_sboms",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_sbom_packages_package_version", "sbom_packages", ["package", "version"])
    op.create_index("ix_sbom_packages_sbom_id_id", "sbom_packages", ["sbom_id", "id"])


def _create_makings() -> None:
    op.create_table(
        "sbom_makings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("thing", sa.String(length=100), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=1000), nullable=False),
        sa.Column("generator", sa.String(length=200), nullable=False),
        sa.Column("documents", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("subjects", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("made_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sbom_makings"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_sbom_makings_tenant_id_tenants"),
        _of_asset("sbom_makings"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_sbom_makings_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "thing", "digest", name="uq_sbom_makings_tenant_id_thing_digest"),
    )
    op.create_index("ix_sbom_makings_asset_id", "sbom_makings", ["asset_id"])
