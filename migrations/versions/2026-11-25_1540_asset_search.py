"""Sharing with named tenants, a tenant's own choice of assets, and a search that asks only for what may be seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import CURRENT_TENANT, OWN_ROWS, isolate

revision = "assets_search"
down_revision = "uploads_drafts"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
GRANTED = (
    "EXISTS (SELECT 1 FROM asset_grants g WHERE g.asset_id = assets.id "  # noqa: S608  (constants only)
    f"AND g.grantee_id = {CURRENT_TENANT})"
)
SEEN_ASSET = f"{OWN_ROWS} OR visibility = 'public' OR (visibility = 'shared' AND {GRANTED})"
# Whoever sees an asset sees its versions that are out: the subquery is under the policy of assets.
SEEN_VERSION = (
    f"{OWN_ROWS} OR (state NOT IN ('draft', 'in_review') AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id))"
)
SEEN_ASSET_BEFORE = f"{OWN_ROWS} OR visibility = 'public'"
SEEN_VERSION_BEFORE = (
    f"{OWN_ROWS} OR (state NOT IN ('draft', 'in_review') AND EXISTS "  # noqa: S608  (constants only)
    "(SELECT 1 FROM assets WHERE assets.id = asset_id AND assets.visibility = 'public'))"
)
SEARCH_VECTOR_BEFORE = (
    "setweight(to_tsvector('simple', name), 'A') || setweight(to_tsvector('simple', display_name), 'B') || "
    "setweight(to_tsvector('simple', namespace), 'B') || setweight(to_tsvector('simple', keywords), 'C') || "
    "setweight(to_tsvector('simple', summary), 'D')"
)

# Each word is kept under the scope of those who may see it: p for everybody, t<tenant> for one. A search asks for the
# words of its own scopes alone, so neither what it costs nor what it finds depends on what others hide.
TERMS = """
    CREATE FUNCTION asset_terms(scopes text[], name text, names text, texts text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
        SELECT array_to_tsvector(array(
            SELECT DISTINCT scope || term FROM unnest(scopes) AS scope, (
                SELECT ':' || left(word, 200) AS term
                FROM regexp_split_to_table(lower(names || ' ' || texts), '[^[:alnum:]]+') AS word WHERE word <> ''
                UNION SELECT 'n:' || left(word, 200)
                FROM regexp_split_to_table(lower(name), '[^[:alnum:]]+') AS word WHERE word <> ''
                UNION SELECT '3:' || substr('  ' || name || ' ', place, 3)
                FROM generate_series(1, length(name) + 1) AS place
            ) AS terms
        ))
    $$
"""
SCOPE = """
    CREATE FUNCTION asset_scope(tenant uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT 't' || coalesce(left(replace(tenant::text, '-', ''), 12), '')
    $$
"""
SET_TERMS = """
    CREATE FUNCTION set_asset_terms() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE scopes text[];
    BEGIN
        IF NEW.visibility = 'public' THEN
            scopes := ARRAY['p'];
        ELSE
            scopes := ARRAY[asset_scope(NEW.tenant_id)];
            IF NEW.visibility = 'shared' THEN
                scopes := scopes || array(
                    SELECT DISTINCT asset_scope(g.grantee_id) FROM asset_grants AS g
                    WHERE g.asset_id = NEW.id AND g.grantee_id IS NOT NULL
                );
            END IF;
        END IF;
        NEW.terms := asset_terms(
            scopes, NEW.name, NEW.name || ' ' || NEW.namespace || ' ' || NEW.display_name,
            NEW.summary || ' ' || (SELECT coalesce(string_agg(word, ' '), '')
                FROM jsonb_array_elements_text(NEW.keywords) AS word)
        );
        NEW.trust := CASE WHEN NEW.namespace = 'slipway' THEN 'curated'
            WHEN NEW.verified_publisher IS NOT NULL THEN 'verified' ELSE 'unverified' END;
        RETURN NEW;
    END
    $$
"""
COUNT_GROUPS = """
    CREATE FUNCTION count_asset_groups() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        was text;
        is_now text;
    BEGIN
        IF TG_OP <> 'INSERT' AND OLD.latest_version IS NOT NULL THEN
            was := asset_group_key(OLD);
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.latest_version IS NOT NULL THEN
            is_now := asset_group_key(NEW);
        END IF;
        IF was IS NOT DISTINCT FROM is_now THEN
            RETURN NULL;
        END IF;
        -- In one order always, so that two publishers never wait for each other in a ring.
        IF is_now IS NOT NULL AND (was IS NULL OR is_now < was) THEN
            PERFORM add_to_asset_group(NEW, is_now);
        END IF;
        IF was IS NOT NULL THEN
            UPDATE asset_groups SET count = count - 1 WHERE tenant_id = OLD.tenant_id AND key = was;
            DELETE FROM asset_groups WHERE tenant_id = OLD.tenant_id AND key = was AND count <= 0;
        END IF;
        IF is_now IS NOT NULL AND was IS NOT NULL AND is_now >= was THEN
            PERFORM add_to_asset_group(NEW, is_now);
        END IF;
        RETURN NULL;
    END
    $$
"""
GROUP_KEY = """
    CREATE FUNCTION asset_group_key(a assets) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT md5(jsonb_build_array(a.visibility = 'public', a.namespace, a.kind, a.license, a.trust, a.latest_state,
            a.archetypes, a.clouds)::text)
    $$
"""
ADD_TO_GROUP = """
    CREATE FUNCTION add_to_asset_group(a assets, wanted text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        INSERT INTO asset_groups
            (tenant_id, key, is_public, namespace, kind, license, trust, state, archetypes, clouds, count)
        VALUES (a.tenant_id, wanted, a.visibility = 'public', a.namespace, a.kind, a.license, a.trust, a.latest_state,
            a.archetypes, a.clouds, 1)
        ON CONFLICT (tenant_id, key) DO UPDATE SET count = asset_groups.count + 1
    $$
"""
NAME_GRANTEE = """
    CREATE FUNCTION name_grantee() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        -- A name that nobody has is kept like any other, so that nobody learns which tenants there are.
        NEW.grantee_id := (SELECT t.id FROM tenants AS t WHERE t.name = NEW.grantee);
        RETURN NEW;
    END
    $$
"""
GRANTS_CHANGED = """
    CREATE FUNCTION grants_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE assets SET summary = summary
        WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.asset_id ELSE NEW.asset_id END AND visibility = 'shared';
        RETURN NULL;
    END
    $$
"""
# One bit for each filter that a row does not pass.
MISSES = """
    CREATE FUNCTION asset_misses(filters jsonb, kind text, namespace text, license text, trust text, state text,
        archetypes jsonb, clouds jsonb, installed boolean) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN filters ->> 'kind' IS NULL OR kind = filters ->> 'kind' THEN 0 ELSE 1 END
            | CASE WHEN filters ->> 'namespace' IS NULL OR namespace = filters ->> 'namespace' THEN 0 ELSE 2 END
            | CASE WHEN filters ->> 'license' IS NULL OR license = filters ->> 'license' THEN 0 ELSE 4 END
            | CASE WHEN filters ->> 'trust' IS NULL OR trust = filters ->> 'trust' THEN 0 ELSE 8 END
            | CASE WHEN filters ->> 'state' IS NULL OR state = filters ->> 'state' THEN 0 ELSE 16 END
            | CASE WHEN filters ->> 'archetype' IS NULL OR archetypes ? (filters ->> 'archetype') THEN 0 ELSE 32 END
            | CASE WHEN filters ->> 'cloud' IS NULL OR clouds ? (filters ->> 'cloud') THEN 0 ELSE 64 END
            | CASE WHEN filters ->> 'installed' IS NULL OR installed = (filters ->> 'installed' = 'yes') THEN 0
                ELSE 128 END
    $$
"""
# Runs as the tables' owner, because no policy lets a text index be used; it applies the rule of the policies itself,
# for the tenant of the transaction and no other, and returns ids that the caller then reads under the policies.
SEARCH = f"""
    CREATE FUNCTION search_assets(words text[], asked text, filters jsonb, after_rank integer, after_name text,
        after_namespace text, most integer) RETURNS jsonb
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
                CASE WHEN a.name = asked OR a.namespace || '/' || a.name = asked THEN 3
                    WHEN starts_with(a.name, asked) THEN 2 WHEN a.terms @@ name_query THEN 1 ELSE 0 END AS rank
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
            (SELECT id, rank, name, namespace FROM found
            WHERE asset_misses(filters, kind, namespace, license, trust, state, archetypes, clouds, installed) = 0
                AND (-rank, name, namespace) > (-after_rank, after_name, after_namespace))
            UNION ALL
            (SELECT a.id, 0, a.name, a.namespace FROM assets AS a
            WHERE query IS NULL AND a.visibility = 'public' AND a.latest_version IS NOT NULL
                AND (a.name, a.namespace) > (after_name, after_namespace)
                AND a.id <> ALL (hidden) AND (NOT curated OR a.tenant_id = me OR a.id = ANY (adopted))
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0
            ORDER BY a.name, a.namespace LIMIT most)
            UNION ALL
            (SELECT a.id, 0, a.name, a.namespace FROM assets AS a
            WHERE query IS NULL AND a.tenant_id = me AND a.visibility <> 'public' AND a.latest_version IS NOT NULL
                AND (a.name, a.namespace) > (after_name, after_namespace) AND a.id <> ALL (hidden)
                AND asset_misses(filters, a.kind, a.namespace, a.license, a.trust, a.latest_state, a.archetypes,
                    a.clouds, a.id = ANY (mine)) = 0
            ORDER BY a.name, a.namespace LIMIT most)
            UNION ALL
            (SELECT s.id, 0, s.name, s.namespace FROM special AS s
            WHERE s.visible AND s.tenant_id <> me AND s.visibility = 'shared'
                AND (s.name, s.namespace) > (after_name, after_namespace)
                AND asset_misses(filters, s.kind, s.namespace, s.license, s.trust, s.latest_state, s.archetypes,
                    s.clouds, s.installed) = 0)
        ), page AS (SELECT id, rank, name, namespace FROM listed ORDER BY rank DESC, name, namespace LIMIT most)
        SELECT jsonb_build_object(
            'items', (SELECT coalesce(jsonb_agg(jsonb_build_array(id, rank) ORDER BY rank DESC, name, namespace), '[]')
                FROM page),
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
SUGGEST = f"""
    CREATE FUNCTION similar_asset_names(query text, most integer) RETURNS TABLE (namespace text, name text)
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
                    WHERE e.tenant_id = me AND e.asset_id = a.id AND e.hidden_at IS NOT NULL)
            LIMIT most;
    END
    $$
"""  # noqa: S608  (constants only)
FUNCTIONS = {
    "asset_scope(uuid)": SCOPE,
    "asset_terms(text[], text, text, text)": TERMS,
    "asset_group_key(assets)": GROUP_KEY,
    "add_to_asset_group(assets, text)": ADD_TO_GROUP,
    "set_asset_terms()": SET_TERMS,
    "count_asset_groups()": COUNT_GROUPS,
    "name_grantee()": NAME_GRANTEE,
    "grants_changed()": GRANTS_CHANGED,
    "asset_misses(jsonb, text, text, text, text, text, jsonb, jsonb, boolean)": MISSES,
    "search_assets(text[], text, jsonb, integer, text, text, integer)": SEARCH,
    "similar_asset_names(text, integer)": SUGGEST,
}
CALLED = ("search_assets(text[], text, jsonb, integer, text, text, integer)", "similar_asset_names(text, integer)")
LOOKED_UP = ("assets", "asset_grants", "asset_groups", "catalog_entries", "tenant_catalogs")
TRIGGERS = (
    "CREATE TRIGGER asset_terms BEFORE INSERT OR UPDATE ON assets FOR EACH ROW EXECUTE FUNCTION set_asset_terms()",
    (
        "CREATE TRIGGER asset_groups AFTER INSERT OR UPDATE OR DELETE ON assets FOR EACH ROW "
        "EXECUTE FUNCTION count_asset_groups()"
    ),
    "CREATE TRIGGER grantee BEFORE INSERT OR UPDATE ON asset_grants FOR EACH ROW EXECUTE FUNCTION name_grantee()",
    "CREATE TRIGGER terms AFTER INSERT OR DELETE ON asset_grants FOR EACH ROW EXECUTE FUNCTION grants_changed()",
)


def upgrade() -> None:
    op.drop_index("ix_assets_search", "assets")
    op.drop_column("assets", "search")
    op.add_column("assets", sa.Column("clouds", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("assets", sa.Column("trust", sa.String(length=32), nullable=False, server_default="unverified"))
    op.add_column("assets", sa.Column("latest_state", sa.String(length=32)))
    op.add_column("assets", sa.Column("terms", postgresql.TSVECTOR()))
    for column in ("clouds", "trust"):
        op.alter_column("assets", column, server_default=None)
    op.create_index("ix_assets_terms", "assets", ["terms"], postgresql_using="gin")
    listed = sa.text("visibility = 'public' AND latest_version IS NOT NULL")
    op.create_index("ix_assets_public", "assets", ["name", "namespace"], postgresql_where=listed)
    own = sa.text("visibility <> 'public' AND latest_version IS NOT NULL")
    op.create_index("ix_assets_own", "assets", ["tenant_id", "name", "namespace"], postgresql_where=own)
    _create_tables()
    for table in ("asset_grants", "asset_groups", "catalog_entries", "tenant_catalogs"):
        read = f"{OWN_ROWS} OR grantee_id = {CURRENT_TENANT}" if table == "asset_grants" else OWN_ROWS
        for statement in isolate(table, read=read):
            op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON asset_groups FROM slipway_app")
    op.execute(f"ALTER POLICY assets_read ON assets USING ({SEEN_ASSET})")
    op.execute(f"ALTER POLICY asset_versions_read ON asset_versions USING ({SEEN_VERSION})")
    for table in LOOKED_UP:
        op.execute(f"CREATE POLICY {table}_lookup ON {table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true)")
    for signature, function in FUNCTIONS.items():
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    for signature in CALLED:
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO slipway_app")
    for trigger in TRIGGERS:
        op.execute(trigger)
    op.execute(
        "UPDATE assets SET clouds = coalesce("
        "(SELECT v.manifest #> '{spec,clouds}' FROM asset_versions v WHERE v.asset_id = assets.id"
        " AND v.version = assets.latest_version), '[]'),"
        " latest_state = (SELECT v.state FROM asset_versions v WHERE v.asset_id = assets.id"
        " AND v.version = assets.latest_version)"
    )


def _create_tables() -> None:
    op.create_table(
        "asset_grants",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("grantee", sa.String(length=63), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("grantee_id", sa.Uuid()),
        sa.Column("granted_by", sa.String(), nullable=False),
        sa.Column("granted_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "grantee", name="pk_asset_grants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asset_id"],
            ["assets.tenant_id", "assets.id"],
            name="fk_asset_grants_tenant_id_asset_id_assets",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_asset_grants_grantee_id", "asset_grants", ["grantee_id"])
    op.create_table(
        "asset_groups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("license", sa.String(), nullable=False),
        sa.Column("trust", sa.String(), nullable=False),
        sa.Column("state", sa.String()),
        sa.Column("archetypes", postgresql.JSONB(), nullable=False),
        sa.Column("clouds", postgresql.JSONB(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_asset_groups"),
    )
    public = sa.text("is_public")
    op.create_index("ix_asset_groups_is_public", "asset_groups", ["tenant_id"], postgresql_where=public)
    op.create_table(
        "catalog_entries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("allowed", sa.String(length=200), nullable=False),
        sa.Column("hidden_at", WHEN),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "asset_id", name="pk_catalog_entries"),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name="fk_catalog_entries_asset_id_assets", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "tenant_catalogs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("is_curated", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant_catalogs"),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER asset_terms ON assets")
    op.execute("DROP TRIGGER asset_groups ON assets")
    op.execute(f"ALTER POLICY asset_versions_read ON asset_versions USING ({SEEN_VERSION_BEFORE})")
    op.execute(f"ALTER POLICY assets_read ON assets USING ({SEEN_ASSET_BEFORE})")
    op.execute("DROP POLICY assets_lookup ON assets")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature} CASCADE")
    for table in ("tenant_catalogs", "catalog_entries", "asset_groups", "asset_grants"):
        op.drop_table(table)
    for index in ("ix_assets_own", "ix_assets_public", "ix_assets_terms"):
        op.drop_index(index, "assets")
    for column in ("terms", "latest_state", "trust", "clouds"):
        op.drop_column("assets", column)
    op.add_column(
        "assets", sa.Column("search", postgresql.TSVECTOR(), sa.Computed(SEARCH_VECTOR_BEFORE, persisted=True))
    )
    op.create_index("ix_assets_search", "assets", ["search"], postgresql_using="gin")
