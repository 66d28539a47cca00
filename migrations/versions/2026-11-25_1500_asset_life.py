"""The life of a version, who uses it, and what builds on it."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import CURRENT_TENANT, OWN_ROWS, isolate, open_to_system

revision = "assets_life"
down_revision = "0007_idempotency"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
SEEN = (
    f"{OWN_ROWS} OR (state NOT IN ('draft', 'in_review') AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id AND assets.visibility = 'public'))"
)
SEEN_BEFORE = (
    f"{OWN_ROWS} OR (state <> 'draft' AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id AND assets.visibility = 'public'))"
)
# Whoever may see a version may see what belongs to it: the subquery is under the policy of asset_versions.
OF_SEEN_VERSION = f"{OWN_ROWS} OR EXISTS (SELECT 1 FROM asset_versions v WHERE v.id = version_id)"  # noqa: S608
OTHER_TENANTS = f"""
    CREATE FUNCTION other_tenants_using(wanted uuid) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT (count(DISTINCT u.tenant_id) / 5 * 5)::integer
        FROM asset_versions AS v JOIN asset_uses AS u ON u.version_id = v.id
        WHERE v.id = wanted AND v.tenant_id = {CURRENT_TENANT}
            AND u.tenant_id <> v.tenant_id AND u.until IS NULL
    $$
"""  # noqa: S608  (constants only)
TABLES = ("asset_version_moves", "asset_dependencies", "asset_outcomes", "asset_uses")
# The function above runs as the tables' owner; FORCE ROW LEVEL SECURITY holds for it too unless it is let through.
LOOKED_UP = ("asset_uses", "asset_versions")


def upgrade() -> None:
    op.add_column("asset_versions", sa.Column("end_of_life", sa.Date()))
    op.add_column("asset_versions", sa.Column("state_link", sa.String()))
    op.create_unique_constraint("uq_asset_versions_tenant_id_id", "asset_versions", ["tenant_id", "id"])
    due = sa.text("state = 'deprecated'")
    op.create_index("ix_asset_versions_end_of_life", "asset_versions", ["end_of_life"], postgresql_where=due)
    op.execute(f"ALTER POLICY asset_versions_read ON asset_versions USING ({SEEN})")
    _create_tables()
    for statement in (
        *isolate("asset_uses"),
        *isolate("asset_outcomes"),
        *isolate("asset_dependencies", read=OF_SEEN_VERSION),
        *isolate("asset_version_moves", read=OF_SEEN_VERSION),
        *open_to_system("asset_uses", "SELECT (tenant_id, version_id, until)"),
        *open_to_system("asset_versions", "SELECT (id, tenant_id, state, end_of_life)"),
    ):
        op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON asset_version_moves FROM slipway_app")
    for table in LOOKED_UP:
        op.execute(f"CREATE POLICY {table}_lookup ON {table} FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(OTHER_TENANTS)
    op.execute("REVOKE ALL ON FUNCTION other_tenants_using(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION other_tenants_using(uuid) TO slipway_app")
    _fill()


def _create_tables() -> None:
    op.create_table(
        "asset_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("since", WHEN, nullable=False),
        sa.Column("until", WHEN),
        sa.Column("told", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name="pk_asset_uses"),
        sa.UniqueConstraint("tenant_id", "subject", "version_id", name="uq_asset_uses_tenant_id_subject_version_id"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["asset_versions.id"], name="fk_asset_uses_version_id_asset_versions", ondelete="CASCADE"
        ),
    )
    in_use = sa.text("until IS NULL")
    op.create_index("ix_asset_uses_version_id", "asset_uses", ["version_id"], postgresql_where=in_use)
    op.create_index("ix_asset_uses_tenant_id_asset_id", "asset_uses", ["tenant_id", "asset_id"])
    op.create_table(
        "asset_outcomes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset_outcomes"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["asset_versions.id"],
            name="fk_asset_outcomes_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_asset_outcomes_asset_id_at", "asset_outcomes", ["asset_id", "at"])
    op.create_table(
        "asset_dependencies",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("needs_namespace", sa.String(length=63), nullable=False),
        sa.Column("needs_name", sa.String(length=63), nullable=False),
        sa.Column("needs_version", sa.String(length=200), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("is_optional", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "version_id", "needs_namespace", "needs_name", "needs_version", name="pk_asset_dependencies"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["asset_versions.tenant_id", "asset_versions.id"],
            name="fk_asset_dependencies_tenant_id_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_asset_dependencies_needs", "asset_dependencies", ["needs_namespace", "needs_name"])
    op.create_table(
        "asset_version_moves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("before", sa.String(length=32), nullable=False),
        sa.Column("after", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset_version_moves"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["asset_versions.tenant_id", "asset_versions.id"],
            name="fk_asset_version_moves_tenant_id_version_id_asset_versions",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_asset_version_moves_version_id_at", "asset_version_moves", ["version_id", "at"])


def _fill() -> None:
    """Record what is there already: dependencies of published versions, and what environments run."""
    # The owner sees no rows of the tables whose rows nobody looks up across tenants, so it is let in for this once.
    tables = ("asset_dependencies", "asset_uses", "asset_versions", "environments")
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO asset_dependencies (version_id, needs_namespace, needs_name, needs_version, tenant_id,"
        " is_optional) SELECT v.id, split_part(d ->> 'asset', '/', 1), split_part(d ->> 'asset', '/', 2),"
        " d ->> 'version', v.tenant_id, coalesce((d ->> 'optional')::boolean, false)"
        " FROM asset_versions v, jsonb_array_elements(coalesce(v.manifest -> 'dependencies', '[]')) AS d"
        " ON CONFLICT DO NOTHING"
    )
    op.execute(
        "INSERT INTO asset_uses (id, tenant_id, asset_id, version_id, subject, label, since)"
        " SELECT gen_random_uuid(), e.tenant_id, v.asset_id, v.id, 'environments/' || e.id, e.name, e.created_at"
        " FROM environments e JOIN asset_versions v ON v.namespace || '/' || v.name = e.blueprint"
        " AND v.version = e.blueprint_version WHERE e.phase <> 'destroyed' ON CONFLICT DO NOTHING"
    )
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DROP FUNCTION other_tenants_using(uuid)")
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP POLICY asset_versions_lookup ON asset_versions")
    op.execute("DROP POLICY asset_versions_system ON asset_versions")
    op.execute("REVOKE ALL ON asset_versions FROM slipway_system")
    op.execute(f"ALTER POLICY asset_versions_read ON asset_versions USING ({SEEN_BEFORE})")
    op.drop_index("ix_asset_versions_end_of_life", "asset_versions")
    op.drop_constraint("uq_asset_versions_tenant_id_id", "asset_versions")
    op.drop_column("asset_versions", "state_link")
    op.drop_column("asset_versions", "end_of_life")
