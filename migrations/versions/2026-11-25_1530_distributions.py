"""Project names and the wheels of component packages."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import OWN_ROWS, isolate

revision = "distributions"
down_revision = "releases_services"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
# The subqueries are under the policies of assets and asset_versions: whoever may see those may see what is of them.
OF_SEEN_ASSET = f"{OWN_ROWS} OR EXISTS (SELECT 1 FROM assets a WHERE a.id = asset_id)"  # noqa: S608  (constants only)
OF_SEEN_VERSION = f"{OWN_ROWS} OR EXISTS (SELECT 1 FROM asset_versions v WHERE v.id = version_id)"  # noqa: S608
# Kept here, because an asset becomes public in more than one place, and a name must never change hands unseen.
PUBLIC_SINCE = """
    CREATE FUNCTION distribution_projects_public_since() RETURNS trigger
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE distribution_projects
        SET public_since = CASE WHEN NEW.visibility = 'public' THEN now() END
        WHERE tenant_id = NEW.tenant_id AND asset_id = NEW.id;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "distribution_projects",
        sa.Column("project", sa.String(length=100), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", WHEN, nullable=False),
        sa.Column("public_since", WHEN),
        sa.PrimaryKeyConstraint("project", "tenant_id", name="pk_distribution_projects"),
        sa.UniqueConstraint(
            "tenant_id", "asset_id", "project", name="uq_distribution_projects_tenant_id_asset_id_project"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_distribution_projects_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_distribution_projects_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )
    _create_distributions()
    for statement in (
        *isolate("distribution_projects", read=OF_SEEN_ASSET),
        *isolate("distributions", read=OF_SEEN_VERSION),
    ):
        op.execute(statement)
    op.execute(PUBLIC_SINCE)
    op.execute(
        "CREATE TRIGGER distribution_projects_public_since AFTER UPDATE OF visibility ON assets FOR EACH ROW "
        "WHEN (OLD.visibility IS DISTINCT FROM NEW.visibility) EXECUTE FUNCTION distribution_projects_public_since()"
    )


def _create_distributions() -> None:
    op.create_table(
        "distributions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(length=100), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.String(length=204), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("requires_python", sa.String(), nullable=False),
        sa.Column("blob_digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("core", sa.LargeBinary(), nullable=False),
        sa.Column("core_digest", sa.String(length=64), nullable=False),
        sa.Column("uploaded_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_distributions"),
        sa.UniqueConstraint("tenant_id", "version_id", name="uq_distributions_tenant_id_version_id"),
        sa.UniqueConstraint("tenant_id", "filename", name="uq_distributions_tenant_id_filename"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_distributions_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project"],
            ["distribution_projects.tenant_id", "distribution_projects.project"],
            name="fk_distributions_tenant_id_project_distribution_projects",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["asset_versions.tenant_id", "asset_versions.id"],
            name="fk_distributions_tenant_id_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_distributions_tenant_id_project", "distributions", ["tenant_id", "project"])
    op.create_index("ix_distributions_blob_digest", "distributions", ["blob_digest"])


def downgrade() -> None:
    op.execute("DROP TRIGGER distribution_projects_public_since ON assets")
    op.execute("DROP FUNCTION distribution_projects_public_since()")
    op.drop_table("distributions")
    op.drop_table("distribution_projects")
