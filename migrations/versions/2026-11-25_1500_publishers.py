"""Trusted publishers: rows per tenant, tokens that can publish one asset, and identities that are used once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "publishers_trusted"
down_revision = "assets_life"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JOB = ("namespace", "name", "issuer", "owner_id", "repository_id", "workflow", "environment")

AUTHENTICATE = """
    CREATE FUNCTION authenticate_token(hash text)
    RETURNS TABLE ({columns})
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        UPDATE api_tokens AS t SET last_used_at = now()
        WHERE t.token_hash = hash AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute')
            AND t.revoked_at IS NULL;
        SELECT t.id, t.tenant_id, o.name::text, t.name::text, t.scopes::text[], t.member_id{more}
        FROM api_tokens AS t JOIN tenants AS o ON o.id = t.tenant_id LEFT JOIN members AS m ON m.id = t.member_id
        WHERE t.token_hash = hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
            AND m.removed_at IS NULL
    $$
"""
COLUMNS = "token_id uuid, tenant_id uuid, tenant_name text, name text, scopes text[], member_id uuid"

FUNCTIONS = {
    "trusted_publishers_of_job(text, text, text)": """
    CREATE FUNCTION trusted_publishers_of_job(of_issuer text, of_owner text, of_repository text)
    RETURNS TABLE (
        id uuid, tenant_id uuid, namespace text, name text, issuer text, provider text, owner_id text,
        repository_id text, repository text, workflow text, environment text, created_by text,
        created_at timestamptz, last_used_at timestamptz, tenant_name text, owns_namespace boolean
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT p.id, p.tenant_id, p.namespace::text, p.name::text, p.issuer::text, p.provider::text, p.owner_id::text,
            p.repository_id::text, p.repository::text, p.workflow::text, p.environment::text, p.created_by::text,
            p.created_at, p.last_used_at, o.name::text, n.name IS NOT NULL
        FROM trusted_publishers AS p
        JOIN tenants AS o ON o.id = p.tenant_id
        LEFT JOIN namespaces AS n ON n.name = p.namespace
        WHERE p.issuer = of_issuer AND p.owner_id = of_owner AND p.repository_id = of_repository
            AND (n.name IS NULL OR n.tenant_id = p.tenant_id)
    $$
    """,
    "use_identity_token(text, text, timestamptz)": """
    CREATE FUNCTION use_identity_token(of_issuer text, of_token text, until timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        DELETE FROM used_identity_tokens WHERE expires_at < now() - interval '1 hour';
        INSERT INTO used_identity_tokens (issuer, token_id, expires_at) VALUES (of_issuer, of_token, until)
        ON CONFLICT DO NOTHING;
        RETURN FOUND;
    END
    $$
    """,
}


def upgrade() -> None:
    op.add_column("api_tokens", sa.Column("publishes", sa.String(length=127)))
    op.add_column("api_tokens", sa.Column("origin", postgresql.JSONB()))
    op.add_column("uploads", sa.Column("origin", postgresql.JSONB()))
    op.add_column("asset_versions", sa.Column("published_from", postgresql.JSONB()))
    op.create_table(
        "trusted_publishers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("provider", sa.String(length=63), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("repository_id", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("last_used_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_trusted_publishers"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_trusted_publishers_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", *JOB, name="uq_trusted_publishers_job"),
    )
    op.create_index("ix_trusted_publishers_job", "trusted_publishers", ["namespace", "name", "issuer", "repository_id"])
    # Belongs to no tenant: a token is used once, whoever shows it. Only the function below reaches it.
    op.create_table(
        "used_identity_tokens",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "token_id", name="pk_used_identity_tokens"),
    )
    op.create_index("ix_used_identity_tokens_expires_at", "used_identity_tokens", ["expires_at"])
    for statement in isolate("trusted_publishers"):
        op.execute(statement)
    for table in ("trusted_publishers", "namespaces"):
        op.execute(f"CREATE POLICY {table}_lookup ON {table} FOR SELECT TO CURRENT_USER USING (true)")
    for signature, function in FUNCTIONS.items():
        op.execute(function)
        grant(signature)
    authenticate(f"{COLUMNS}, publishes text, origin jsonb", ", t.publishes::text, t.origin")


def authenticate(columns: str, more: str) -> None:
    op.execute("DROP FUNCTION authenticate_token(text)")
    op.execute(AUTHENTICATE.format(columns=columns, more=more))
    grant("authenticate_token(text)")


def grant(signature: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO slipway_app")


def downgrade() -> None:
    authenticate(COLUMNS, "")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DROP POLICY namespaces_lookup ON namespaces")
    op.drop_table("used_identity_tokens")
    op.drop_table("trusted_publishers")
    op.drop_column("asset_versions", "published_from")
    op.drop_column("uploads", "origin")
    op.drop_column("api_tokens", "origin")
    op.drop_column("api_tokens", "publishes")
