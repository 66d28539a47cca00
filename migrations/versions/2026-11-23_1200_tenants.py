"""Roles, tenants, members, credentials and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import CURRENT_TENANT, isolate, open_to_system

revision = "0001_tenants"
down_revision = None
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)

ROLES = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'slipway_app') THEN
        CREATE ROLE slipway_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'slipway_system') THEN
        CREATE ROLE slipway_system NOLOGIN;
    END IF;
END
$$
"""

FUNCTIONS = [
    """
    CREATE FUNCTION authenticate_token(hash text)
    RETURNS TABLE (token_id uuid, tenant_id uuid, tenant_name text, name text, scopes text[], member_id uuid)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        UPDATE api_tokens AS t SET last_used_at = now()
        WHERE t.token_hash = hash AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute')
            AND t.revoked_at IS NULL;
        SELECT t.id, t.tenant_id, o.name::text, t.name::text, t.scopes::text[], t.member_id
        FROM api_tokens AS t JOIN tenants AS o ON o.id = t.tenant_id LEFT JOIN members AS m ON m.id = t.member_id
        WHERE t.token_hash = hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
            AND m.removed_at IS NULL
    $$
    """,
    """
    CREATE FUNCTION authenticate_session(hash text)
    RETURNS TABLE (session_id uuid, tenant_id uuid, tenant_name text, member_id uuid, name text, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT s.id, s.tenant_id, o.name::text, m.id, m.name::text, m.role::text
        FROM browser_sessions AS s JOIN tenants AS o ON o.id = s.tenant_id JOIN members AS m ON m.id = s.member_id
        WHERE s.token_hash = hash AND s.ended_at IS NULL AND s.expires_at > now() AND m.removed_at IS NULL
    $$
    """,
    """
    CREATE FUNCTION redeem_sign_in_link(hash text)
    RETURNS TABLE (tenant_id uuid, member_id uuid)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        UPDATE sign_in_links AS l SET used_at = now()
        FROM members AS m
        WHERE l.token_hash = hash AND l.used_at IS NULL AND l.expires_at > now()
            AND m.id = l.member_id AND m.removed_at IS NULL
        RETURNING l.tenant_id, l.member_id
    $$
    """,
]
SIGNATURES = ["authenticate_token(text)", "authenticate_session(text)", "redeem_sign_in_link(text)"]
# The functions above run as the tables' owner; FORCE ROW LEVEL SECURITY holds for it too unless it is let through.
LOOKED_UP = ["tenants", "members", "api_tokens", "browser_sessions", "sign_in_links"]


def upgrade() -> None:
    op.execute(ROLES)
    op.execute("GRANT USAGE ON SCHEMA public TO slipway_app, slipway_system")
    create_tables()
    for statement in isolate("tenants", read=f"id = {CURRENT_TENANT}", write="false"):
        op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON tenants FROM slipway_app")
    for statement in open_to_system("tenants", "SELECT, INSERT"):
        op.execute(statement)
    for table in ("members", "api_tokens", "browser_sessions", "sign_in_links", "audit_entries"):
        for statement in isolate(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON audit_entries FROM slipway_app")
    for table in LOOKED_UP:
        op.execute(f"CREATE POLICY {table}_lookup ON {table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true)")
    for function, signature in zip(FUNCTIONS, SIGNATURES, strict=True):
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO slipway_app")


def create_tables() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("name", name="uq_tenants_name"),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("removed_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_members_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "email", name="uq_members_tenant_id_email"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("expires_at", WHEN),
        sa.Column("last_used_at", WHEN),
        sa.Column("revoked_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_tokens_tenant_id_tenants"),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name="fk_api_tokens_member_id_members"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
    )
    op.create_index("ix_api_tokens_tenant_id", "api_tokens", ["tenant_id"])
    for table, moment in (("sign_in_links", "used_at"), ("browser_sessions", "ended_at")):
        op.create_table(
            table,
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            sa.Column("member_id", sa.Uuid(), nullable=False),
            sa.Column("token_hash", sa.String(length=64), nullable=False),
            sa.Column("created_at", WHEN, nullable=False),
            sa.Column("expires_at", WHEN, nullable=False),
            sa.Column(moment, WHEN),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
            sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
            sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=f"fk_{table}_member_id_members"),
            sa.UniqueConstraint("token_hash", name=f"uq_{table}_token_hash"),
        )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_tenant_id_id", "audit_entries", ["tenant_id", "id"])


def downgrade() -> None:
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    for table in ("audit_entries", "browser_sessions", "sign_in_links", "api_tokens", "members", "tenants"):
        op.drop_table(table)
    op.execute("REVOKE USAGE ON SCHEMA public FROM slipway_app, slipway_system")
