"""What is said of versions reaches those whom it concerns, and nobody else: comments, suggestions, and later states."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import CURRENT_TENANT, OWN_ROWS

revision = "assets_reach"
down_revision = "environments_tracks_base"
branch_labels = None
depends_on = None

OF_SEEN_VERSION = f"{OWN_ROWS} OR EXISTS (SELECT 1 FROM asset_versions v WHERE v.id = version_id)"  # noqa: S608
# What came before a version was out, with the comments of a review, stays with its own tenant.
OUT = "before NOT IN ('draft', 'in_review') AND after NOT IN ('draft', 'in_review')"
OF_SEEN_VERSION_THAT_WAS_OUT = (
    f"{OWN_ROWS} OR ({OUT} AND EXISTS (SELECT 1 FROM asset_versions v WHERE v.id = version_id))"  # noqa: S608
)
CURATED = """
                AND (a.tenant_id = me
                    OR NOT EXISTS (SELECT 1 FROM tenant_catalogs AS c WHERE c.tenant_id = me AND c.is_curated)
                    OR EXISTS (SELECT 1 FROM catalog_entries AS e
                        WHERE e.tenant_id = me AND e.asset_id = a.id AND e.hidden_at IS NULL))"""
# Whoever runs a version is told of its fate, also where its publisher shares it no more.
IN_USE = f"""
    CREATE FUNCTION versions_in_use(wanted text) RETURNS TABLE (namespace text, name text, version text, state text,
        state_reason text, replacement text, end_of_life date, state_link text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT v.namespace, v.name, v.version, v.state, v.state_reason, v.replacement, v.end_of_life, v.state_link
        FROM asset_uses AS u JOIN asset_versions AS v ON v.id = u.version_id
        WHERE u.tenant_id = {CURRENT_TENANT} AND u.subject = wanted AND u.until IS NULL
    $$
"""  # noqa: S608  (constants only)
MOVES_IN_USE = f"""
    CREATE FUNCTION moves_in_use(most integer) RETURNS TABLE (move_id uuid, after text, reason text,
        at timestamptz, namespace text, name text, version text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT m.id, m.after, m.reason, m.at, v.namespace, v.name, v.version
        FROM asset_version_moves AS m JOIN asset_versions AS v ON v.id = m.version_id
        WHERE {OUT.replace("before", "m.before").replace("after", "m.after")} AND EXISTS (
            SELECT 1 FROM asset_uses AS u
            WHERE u.tenant_id = {CURRENT_TENANT} AND u.version_id = m.version_id AND u.until IS NULL)
        ORDER BY m.at DESC, m.id LIMIT most
    $$
"""  # noqa: S608  (constants only)
SIGNATURES = ("versions_in_use(text)", "moves_in_use(integer)")


def similar(more: str) -> str:
    """Return the function that suggests names, with one more condition on an asset."""
    return f"""
    CREATE OR REPLACE FUNCTION similar_asset_names(query text, most integer) RETURNS TABLE (namespace text, name text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $$
    DECLARE
        me uuid := {CURRENT_TENANT};
    BEGIN
        RETURN QUERY SELECT a.namespace::text, a.name::text FROM assets AS a
            WHERE a.terms @@ replace(query, '?', asset_scope(me))::tsquery AND a.latest_version IS NOT NULL
                AND (a.tenant_id = me OR a.visibility = 'public' OR (a.visibility = 'shared' AND EXISTS
                    (SELECT 1 FROM asset_grants AS g WHERE g.asset_id = a.id AND g.grantee_id = me)))
                AND NOT EXISTS (SELECT 1 FROM catalog_entries AS e
                    WHERE e.tenant_id = me AND e.asset_id = a.id AND e.hidden_at IS NOT NULL){more}
            LIMIT most;
    END
    $$
    """  # noqa: S608  (constants only)


def upgrade() -> None:
    op.add_column("asset_version_moves", sa.Column("said", postgresql.JSONB()))
    op.execute(f"ALTER POLICY asset_version_moves_read ON asset_version_moves USING ({OF_SEEN_VERSION_THAT_WAS_OUT})")
    op.execute(
        "CREATE POLICY asset_version_moves_lookup ON asset_version_moves FOR SELECT TO CURRENT_USER USING (true)"
    )
    op.execute(similar(CURATED))
    for function in (IN_USE, MOVES_IN_USE):
        op.execute(function)
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO slipway_app")


def downgrade() -> None:
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(similar(""))
    op.execute("DROP POLICY asset_version_moves_lookup ON asset_version_moves")
    op.execute(f"ALTER POLICY asset_version_moves_read ON asset_version_moves USING ({OF_SEEN_VERSION})")
    op.drop_column("asset_version_moves", "said")
