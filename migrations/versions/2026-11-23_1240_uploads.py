"""Uploads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "0005_uploads"
down_revision = "0004_assets"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("visibility", sa.String(length=32)),
        sa.Column("blob_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("findings", postgresql.JSONB(), nullable=False),
        sa.Column("version_id", sa.Uuid()),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_uploads_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["asset_versions.id"], name="fk_uploads_version_id_asset_versions", ondelete="SET NULL"
        ),
    )
    op.create_index("ix_uploads_tenant_id_created_at", "uploads", ["tenant_id", "created_at"])
    for statement in isolate("uploads"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("uploads")
