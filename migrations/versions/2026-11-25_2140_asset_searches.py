"""Saved searches, the order of a search, and totals of use across tenants that name nobody."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import CURRENT_TENANT, isolate

revision = "assets_searches"
down_revision = "scm_connections"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
OF_SEEN_ASSET = "EXISTS (SELECT 1 FROM assets a WHERE a.id = asset_id)"

# Nothing is shown that fewer than five tenants make up, and then only which of these steps is reached.
STEPS = """
    CREATE FUNCTION anonymous_count(n bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
        SELECT max(step) FROM unnest(ARRAY[5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000,
            100000, 200000, 500000, 1000000]) AS step WHERE step <= n
    $$
"""
MOMENT = """
    CREATE FUNCTION asset_moment(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
        SELECT (extract(epoch FROM at) * 1000000)::bigint
    $$
"""
INSTALLS = """
    CREATE FUNCTION asset_installs(wanted uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT coalesce((SELECT installs FROM asset_totals WHERE asset_id = wanted), 0)::bigint
    $$
"""
# Run by the system on a schedule, never by who installs, so that the time of a change tells nothing. A tenant counts
# once in a rate and in a lag, so that a large one does not stand for all; an asset's own tenant counts nowhere.
MEASURE = """
    CREATE FUNCTION measure_assets(moment timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE shown integer;
    BEGIN
        WITH running AS (
            SELECT u.asset_id, u.tenant_id, u.version_id FROM asset_uses AS u JOIN assets AS a ON a.id = u.asset_id
            WHERE u.until IS NULL AND u.tenant_id <> a.tenant_id
        ), counted AS (
            SELECT asset_id, count(DISTINCT tenant_id) AS tenants, count(*) AS installs
            FROM running GROUP BY asset_id HAVING count(DISTINCT tenant_id) >= 5
        ), rates AS (
            SELECT asset_id, floor(avg(rate) * 20)::integer * 5 AS percent FROM (
                SELECT o.asset_id, o.tenant_id, avg(o.succeeded::integer) AS rate
                FROM asset_outcomes AS o JOIN assets AS a ON a.id = o.asset_id
                WHERE o.at > moment - interval '90 days' AND o.tenant_id <> a.tenant_id
                GROUP BY o.asset_id, o.tenant_id
            ) AS each_tenant GROUP BY asset_id HAVING count(*) >= 5
        ), lags AS (
            SELECT asset_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY days)::integer AS days FROM (
                SELECT r.asset_id, r.tenant_id,
                    max(coalesce(extract(epoch FROM moment - newer.since) / 86400, 0)) AS days
                FROM (SELECT DISTINCT asset_id, tenant_id, version_id FROM running) AS r
                JOIN asset_versions AS v ON v.id = r.version_id
                LEFT JOIN LATERAL (
                    SELECT min(w.published_at) AS since FROM asset_versions AS w
                    WHERE w.asset_id = v.asset_id AND w.state IN ('published', 'deprecated') AND w.stage = 3
                        AND (w.major, w.minor, w.patch, w.stage, w.stage_number)
                            > (v.major, v.minor, v.patch, v.stage, v.stage_number)
                ) AS newer ON true
                WHERE r.asset_id IN (SELECT asset_id FROM counted)
                GROUP BY r.asset_id, r.tenant_id
            ) AS each_tenant GROUP BY asset_id
        ), measured AS (
            SELECT a.tenant_id, c.asset_id, anonymous_count(c.tenants) AS tenants,
                anonymous_count(c.installs) AS installs, r.percent, l.days
            FROM counted AS c JOIN assets AS a ON a.id = c.asset_id
            LEFT JOIN rates AS r ON r.asset_id = c.asset_id LEFT JOIN lags AS l ON l.asset_id = c.asset_id
        ), gone AS (
            DELETE FROM asset_totals AS t WHERE NOT EXISTS (SELECT 1 FROM measured AS m WHERE m.asset_id = t.asset_id)
        ), kept AS (
            INSERT INTO asset_totals (tenant_id, asset_id, tenants, installs, success_percent, lag_days, measured_at)
            SELECT m.tenant_id, m.asset_id, m.tenants, m.installs, m.percent, m.days, moment FROM measured AS m
            ON CONFLICT (asset_id) DO UPDATE SET tenants = excluded.tenants, installs = excluded.installs,
                success_percent = excluded.success_percent, lag_days = excluded.lag_days,
                measured_at = excluded.measured_at
            RETURNING 1
        )
        SELECT count(*) INTO shown FROM kept;
        RETURN shown;
    END
    $$
"""
SEARCH = f"""
    CREATE FUNCTION search_assets(words text[], asked text, filters jsonb, sorted_by text, after_score bigint,
        after_name text, after_namespace text, most integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off SET work_mem = '16MB' AS $$
    DECLARE
        me uuid := {CURRENT_TENANT};
        scope text := asset_scope(me);
        query tsquery;
        name_query tsquery;
        mine uuid[];
        granted uuid[];
        hidden uuid[];
        adopted uuid[];
        curated boolean;
        answer jsonb;
        after_moment timestamptz := CASE WHEN sorted_by = 'newest' AND after_score < 9000000000000000
            THEN timestamptz 'epoch' + after_score * interval '1 microsecond' ELSE 'infinity' END;
    BEGIN
        SELECT string_agg(format('(%s:* | %s:*)', quote_literal('p:' || w), quote_literal(scope || ':' || w)), ' & '),
            string_agg(format('(%s:* | %s:*)', quote_literal('pn:' || w), quote_literal(scope || 'n:' || w)), ' & ')
            INTO query, name_query FROM unnest(words) AS w;
        SELECT coalesce(array_agg(DISTINCT asset_id), '{{}}') INTO mine
            FROM asset_uses WHERE tenant_id = me AND until IS NULL;
        SELECT coalesce(array_agg(asset_id), '{{}}') INTO granted FROM asset_grants WHERE grantee_id = me;
        SELECT coalesce(array_agg(asset_id) FILTER (WHERE hidden_at IS NOT NULL), '{{}}'),
            coalesce(array_agg(asset_id) FILTER (WHERE hidden_at IS NULL), '{{}}')
            INTO hidden, adopted FROM catalog_entries WHERE tenant_id = me;
        curated := EXISTS (SELECT 1 FROM tenant_catalogs WHERE tenant_id = me AND is_curated);
        WITH found AS MATERIALIZED (
            SELECT a.id, a.name, a.namespace, a.kind, a.license, a.trust, a.latest_state AS state, a.archetypes,
                a.clouds, a.id = ANY (mine) AS installed,
                CASE sorted_by WHEN 'newest' THEN asset_moment(a.updated_at) WHEN 'installs' THEN asset_installs(a.id)
                    WHEN 'name' THEN 0 ELSE CASE WHEN a.name = asked OR a.namespace || '/' || a.name = asked THEN 3
                    WHEN starts_with(a.name, asked) THEN 2 WHEN a.terms @@ name_query THEN 1 ELSE 0 END END
                    AS score
            FROM assets AS a
            WHERE query IS NOT NULL AND a.terms @@ query AND a.latest_version IS NOT NULL
                AND (a.tenant_id = me OR a.visibility = 'public' OR (a.visibility = 'shared' AND a.id = ANY (granted)))
                AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted))
        ), special AS MATERIALIZED (
            SELECT a.*, a.id = ANY (mine) AS installed,
                a.tenant_id = me OR (a.visibility = 'public' AND NOT curated) AS counted,
                (a.tenant_id = me OR a.visibility = 'public' OR (a.visibility = 'shared' AND a.id = ANY (granted)))
                    AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted)) AS visible
            FROM assets AS a
            WHERE query IS NULL AND a.latest_version IS NOT NULL AND a.id = ANY (mine || granted || hidden || adopted)
        ), base AS (
            SELECT kind, namespace, license, trust, state, archetypes, clouds, installed, 1 AS weight FROM found
            UNION ALL
            SELECT kind, namespace, license, trust, state, archetypes, clouds, false, count FROM asset_groups
            WHERE query IS NULL AND (tenant_id = me OR (is_public AND NOT curated))
            UNION ALL
            SELECT kind, namespace, license, trust, latest_state, archetypes, clouds, false, -1
            FROM special WHERE counted
            UNION ALL
            SELECT kind, namespace, license, trust, latest_state, archetypes, clouds, installed, 1
            FROM special WHERE visible
        ), marked AS MATERIALIZED (
            SELECT *,
                asset_misses(filters, kind, namespace, license, trust, state, archetypes, clouds, installed) AS misses
            FROM base
        ), grouped AS MATERIALIZED (
            -- What fails two filters counts nowhere: no facet leaves out more than its own.
            SELECT * FROM marked WHERE misses & (misses - 1) = 0
        ), counts AS (
            SELECT 'kind' AS facet, kind AS value, sum(weight) AS count FROM grouped WHERE misses & ~1 = 0 GROUP BY 2
            UNION ALL SELECT 'namespace', namespace, sum(weight) FROM grouped WHERE misses & ~2 = 0 GROUP BY 2
            UNION ALL SELECT 'license', license, sum(weight) FROM grouped WHERE misses & ~4 = 0 GROUP BY 2
            UNION ALL SELECT 'trust', trust, sum(weight) FROM grouped WHERE misses & ~8 = 0 GROUP BY 2
            UNION ALL SELECT 'state', state, sum(weight) FROM grouped WHERE misses & ~16 = 0 GROUP BY 2
            UNION ALL SELECT 'archetype', v, sum(weight) FROM grouped, jsonb_array_elements_text(archetypes) AS v
                WHERE misses & ~32 = 0 GROUP BY 2
            UNION ALL SELECT 'cloud', v, sum(weight) FROM grouped, jsonb_array_elements_text(clouds) AS v
                WHERE misses & ~64 = 0 GROUP BY 2
            UNION ALL SELECT 'installed', 'yes', sum(weight) FROM grouped WHERE misses & ~128 = 0 AND installed
        ), without AS (
            SELECT coalesce(sum(weight) FILTER (WHERE misses = 0), 0) AS total,
                coalesce(sum(weight) FILTER (WHERE misses & ~1 = 0), 0) AS kind,
                coalesce(sum(weight) FILTER (WHERE misses & ~2 = 0), 0) AS namespace,
                coalesce(sum(weight) FILTER (WHERE misses & ~4 = 0), 0) AS license,
                coalesce(sum(weight) FILTER (WHERE misses & ~8 = 0), 0) AS trust,
                coalesce(sum(weight) FILTER (WHERE misses & ~16 = 0), 0) AS state,
                coalesce(sum(weight) FILTER (WHERE misses & ~32 = 0), 0) AS archetype,
                coalesce(sum(weight) FILTER (WHERE misses & ~64 = 0), 0) AS cloud,
                coalesce(sum(weight) FILTER (WHERE misses & ~128 = 0), 0) AS installed
            FROM grouped
        ), listed AS (
            (SELECT id, score, name, namespace FROM found
            WHERE asset_misses(filters, kind, namespace, license, trust, state, archetypes, clouds, installed) = 0
                AND (-score, name, namespace) > (-after_score, after_name, after_namespace))
            UNION ALL
            -- By name: an index has this order. What is installed elsewhere is few, and listed below by its count.
            (SELECT a.id, 0, a.name, a.namespace FROM assets AS a
            WHERE query IS NULL AND sorted_by <> 'newest' AND a.visibility = 'public' AND a.latest_version IS NOT NULL
                AND (after_score > 0 OR (a.name, a.namespace) > (after_name, after_namespace))
                AND (sorted_by <> 'installs' OR NOT EXISTS (SELECT 1 FROM asset_totals AS t WHERE t.asset_id = a.id))
                AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted))
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0
            ORDER BY a.name, a.namespace LIMIT most)
            UNION ALL
            (SELECT a.id, asset_moment(a.updated_at), a.name, a.namespace FROM assets AS a
            WHERE query IS NULL AND sorted_by = 'newest' AND a.visibility = 'public' AND a.latest_version IS NOT NULL
                AND a.updated_at <= after_moment
                AND (a.updated_at < after_moment OR (a.name, a.namespace) > (after_name, after_namespace))
                AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted))
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0
            ORDER BY a.updated_at DESC, a.name, a.namespace LIMIT most)
            UNION ALL
            (SELECT a.id, t.installs, a.name, a.namespace FROM asset_totals AS t JOIN assets AS a ON a.id = t.asset_id
            WHERE query IS NULL AND sorted_by = 'installs' AND a.visibility = 'public' AND a.latest_version IS NOT NULL
                AND (-t.installs, a.name, a.namespace) > (-after_score, after_name, after_namespace)
                AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted))
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0)
            UNION ALL
            (SELECT a.id, 0, a.name, a.namespace FROM assets AS a
            WHERE query IS NULL AND sorted_by NOT IN ('newest', 'installs') AND a.tenant_id = me
                AND a.visibility <> 'public' AND a.latest_version IS NOT NULL
                AND (after_score > 0 OR (a.name, a.namespace) > (after_name, after_namespace)) AND a.id <> ALL (hidden)
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0
            ORDER BY a.name, a.namespace LIMIT most)
            UNION ALL
            (SELECT o.id, o.score, o.name, o.namespace FROM (
                SELECT a.id, a.name, a.namespace, a.kind, a.license, a.trust, a.latest_state, a.archetypes, a.clouds,
                    CASE sorted_by WHEN 'newest' THEN asset_moment(a.updated_at) WHEN 'installs'
                        THEN asset_installs(a.id) ELSE 0 END AS score
                FROM assets AS a
                WHERE a.id IN (
                    SELECT p.id FROM assets AS p
                    WHERE query IS NULL AND sorted_by IN ('newest', 'installs') AND p.tenant_id = me
                        AND p.visibility <> 'public' AND p.latest_version IS NOT NULL AND p.id <> ALL (hidden)
                    UNION ALL
                    SELECT s.id FROM special AS s WHERE s.visible AND s.tenant_id <> me AND s.visibility = 'shared')
            ) AS o
            WHERE (-o.score, o.name, o.namespace) > (-after_score, after_name, after_namespace)
                AND asset_misses(filters, o.kind, o.namespace, o.license, o.trust, o.latest_state, o.archetypes,
                    o.clouds, o.id = ANY (mine)) = 0
            ORDER BY o.score DESC, o.name, o.namespace LIMIT most)
        ), page AS (SELECT id, score, name, namespace FROM listed ORDER BY score DESC, name, namespace LIMIT most)
        SELECT jsonb_build_object(
            'items', (SELECT coalesce(
                jsonb_agg(jsonb_build_array(id, score) ORDER BY score DESC, name, namespace), '[]') FROM page),
            'counts', (SELECT coalesce(jsonb_agg(jsonb_build_array(facet, value, count)), '[]') FROM (
                SELECT facet, value, count, row_number() OVER (PARTITION BY facet ORDER BY
                    value IS NOT DISTINCT FROM filters ->> facet DESC, count DESC, value) AS place
                FROM counts WHERE count > 0) AS top WHERE place <= 40),
            'without', (SELECT to_jsonb(without) FROM without)
        ) INTO answer;
        RETURN answer;
    END
    $$
"""  # noqa: S608  (constants only)
BEFORE = "search_assets(text[], text, jsonb, integer, text, text, integer)"
NOW = "search_assets(text[], text, jsonb, text, bigint, text, text, integer)"
FUNCTIONS = {
    "anonymous_count(bigint)": STEPS,
    "asset_moment(timestamptz)": MOMENT,
    "asset_installs(uuid)": INSTALLS,
    "measure_assets(timestamptz)": MEASURE,
    NOW: SEARCH,
}


def upgrade() -> None:
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("query", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("seen_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_searches"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_saved_searches_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "owner", "name", name="uq_saved_searches_tenant_id_owner_name"),
    )
    op.create_table(
        "asset_totals",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("tenants", sa.Integer(), nullable=False),
        sa.Column("installs", sa.Integer(), nullable=False),
        sa.Column("success_percent", sa.Integer()),
        sa.Column("lag_days", sa.Integer()),
        sa.Column("measured_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name="pk_asset_totals"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_asset_totals_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )
    for statement in (*isolate("saved_searches"), *isolate("asset_totals", read=OF_SEEN_ASSET)):
        op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON asset_totals FROM slipway_app")
    op.execute(
        "CREATE POLICY asset_totals_lookup ON asset_totals FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true)"
    )
    op.execute("CREATE POLICY asset_outcomes_lookup ON asset_outcomes FOR SELECT TO CURRENT_USER USING (true)")
    op.create_index("ix_asset_version_moves_at", "asset_version_moves", ["at"])
    listed = sa.text("visibility = 'public' AND latest_version IS NOT NULL")
    newest = [sa.text("updated_at DESC"), sa.text("name"), sa.text("namespace")]
    op.create_index("ix_assets_newest", "assets", newest, postgresql_where=listed)
    # It stays for who goes back, under a name that nobody calls.
    op.execute(f"ALTER FUNCTION {BEFORE} RENAME TO search_assets_by_name")
    for signature, function in FUNCTIONS.items():
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {NOW} TO slipway_app")
    op.execute("GRANT EXECUTE ON FUNCTION measure_assets(timestamptz) TO slipway_system")


def downgrade() -> None:
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(f"ALTER FUNCTION {BEFORE.replace('search_assets', 'search_assets_by_name')} RENAME TO search_assets")
    op.drop_index("ix_assets_newest", "assets")
    op.drop_index("ix_asset_version_moves_at", "asset_version_moves")
    op.execute("DROP POLICY asset_outcomes_lookup ON asset_outcomes")
    op.drop_table("asset_totals")
    op.drop_table("saved_searches")
