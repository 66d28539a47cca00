"""Overlays: what tenants narrow of an asset's inputs, every change of it, and what was found of versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

from catalog.row_security import isolate, open_to_system

revision = "overlays_rules"
down_revision = "analysis_runs"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "overlays",
        *_keys("overlays"),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "asset_id", name="pk_overlays"),
    )
    op.create_index("ix_overlays_asset_id", "overlays", ["asset_id"])
    op.create_table(
        "overlay_changes",
        *_keys("overlay_changes"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "asset_id", "revision", name="pk_overlay_changes"),
    )
    op.create_table(
        "overlay_checks",
        *_keys("overlay_checks"),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("misfits", postgresql.JSONB(), nullable=False),
        sa.Column("checked_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version_id", "revision", name="pk_overlay_checks"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["asset_versions.id"],
            name="fk_overlay_checks_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    for table in ("overlays", "overlay_changes", "overlay_checks"):
        for statement in isolate(table):
            op.execute(statement)
    # What was decided stays as it was.
    op.execute("REVOKE UPDATE, DELETE ON overlay_changes FROM slipway_app")
    for statement in open_to_system("overlays", "SELECT (tenant_id, asset_id)"):
        op.execute(statement)


def _keys(table: str) -> list[SchemaItem]:
    return [
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=f"fk_{table}_asset_id_assets", ondelete="CASCADE"),
    ]


def downgrade() -> None:
    op.drop_table("overlay_checks")
    op.drop_table("overlay_changes")
    op.drop_table("overlays")
