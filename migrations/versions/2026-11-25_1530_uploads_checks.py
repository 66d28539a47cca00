"""Uploads that wait for sandboxed checks, and what the checks derive from a version."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate, open_to_system

revision = "uploads_checks"
down_revision = "distributions"
branch_labels = None
depends_on = None

# Whether anybody needs a blob is asked across tenants before it is taken away; nothing but that can be read.
USES = {"version_artifacts": "blob_digest", "uploads": "blob_digest, state"}
OF_VISIBLE_VERSION = "EXISTS (SELECT 1 FROM asset_versions AS v WHERE v.id = version_id)"


def upgrade() -> None:
    op.create_table(
        "version_artifacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("blob_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version_artifacts"),
        sa.UniqueConstraint("tenant_id", "version_id", "name", name="uq_version_artifacts_tenant_id_version_id_name"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_version_artifacts_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["asset_versions.tenant_id", "asset_versions.id"],
            name="fk_version_artifacts_tenant_id_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_version_artifacts_version_id", "version_artifacts", ["version_id"])
    op.create_index("ix_version_artifacts_blob_digest", "version_artifacts", ["blob_digest"])
    for statement in isolate("version_artifacts", read=OF_VISIBLE_VERSION):
        op.execute(statement)
    op.add_column("uploads", sa.Column("operation_id", sa.Uuid()))
    op.add_column("uploads", sa.Column("actor", sa.String(), nullable=False, server_default="system"))
    op.alter_column("uploads", "actor", server_default=None)
    op.create_index(
        "ix_uploads_unfinished",
        "uploads",
        ["tenant_id", "namespace", "name", "version"],
        unique=True,
        postgresql_where=sa.text("state IN ('received', 'checked')"),
    )
    op.create_index("ix_uploads_blob_digest", "uploads", ["blob_digest"])
    for table, columns in USES.items():
        for statement in open_to_system(table, f"SELECT ({columns})"):
            op.execute(statement)
    op.execute("GRANT SELECT (blob_digest) ON asset_versions TO slipway_system")


def downgrade() -> None:
    op.drop_table("version_artifacts")
    op.execute("REVOKE SELECT (blob_digest) ON asset_versions FROM slipway_system")
    op.execute("REVOKE SELECT (blob_digest, state) ON uploads FROM slipway_system")
    op.execute("DROP POLICY uploads_system ON uploads")
    op.drop_index("ix_uploads_blob_digest", "uploads")
    op.drop_index("ix_uploads_unfinished", "uploads")
    op.drop_column("uploads", "actor")
    op.drop_column("uploads", "operation_id")
