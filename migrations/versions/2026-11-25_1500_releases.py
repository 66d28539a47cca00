"""What tenants ship, and its releases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "releases_services"
down_revision = "publishers_proofs"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "services",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_services"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_services_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_services_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_services_tenant_id_name"),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.Uuid()),
        sa.Column("pipeline", sa.String()),
        sa.Column("artifacts", postgresql.JSONB(), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.Column("verdict", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_releases_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "service_id"],
            ["services.tenant_id", "services.id"],
            name="fk_releases_tenant_id_service_id_services",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_releases_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "service_id", "version", name="uq_releases_tenant_id_service_id_version"),
    )
    op.create_index("ix_releases_tenant_id_created_at", "releases", ["tenant_id", "created_at"])
    op.create_index("ix_releases_artifacts", "releases", ["artifacts"], postgresql_using="gin")
    for table in ("services", "releases"):
        for statement in isolate(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("releases")
    op.drop_table("services")
