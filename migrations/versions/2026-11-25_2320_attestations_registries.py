"""Registries elsewhere: where artifacts of releases are fetched from, and told what they are made of."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate

revision = "attestations_registries"
down_revision = "attestations_ageing"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "artifact_registries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("username", sa.String(length=200), nullable=False),
        sa.Column("sealed_secret", sa.String(), nullable=False),
        sa.Column("may_push", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("used_at", WHEN),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_artifact_registries"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_artifact_registries_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "kind", "host", name="uq_artifact_registries_tenant_id_kind_host"),
    )
    for statement in isolate("artifact_registries"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("artifact_registries")
