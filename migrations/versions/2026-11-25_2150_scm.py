"""Connections to source code management, repositories that are followed, deliveries that were seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "scm_connections"
down_revision = "approvals_gates"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
LOOK_UP = """
    CREATE FUNCTION scm_connection_of_hook(key text) RETURNS TABLE (tenant_id uuid, connection_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT c.tenant_id, c.id FROM scm_connections AS c WHERE c.hook_key = key
    $$
"""
OF_CONNECTION = (["tenant_id", "connection_id"], ["scm_connections.tenant_id", "scm_connections.id"])


def upgrade() -> None:
    op.create_table(
        "scm_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("provider", sa.String(length=63), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("sealed_credentials", sa.String(), nullable=False),
        sa.Column("sealed_hook_secrets", sa.String(), nullable=False),
        sa.Column("hook_key", sa.String(), nullable=False),
        sa.Column("problem", sa.String()),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("used_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_scm_connections"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_scm_connections_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_scm_connections_tenant_id_name"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_scm_connections_tenant_id_id"),
    )
    op.create_index("ix_scm_connections_hook_key", "scm_connections", ["hook_key"], unique=True)
    op.create_table(
        "scm_repositories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("pulls", postgresql.JSONB(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), nullable=False),
        sa.Column("polled_at", WHEN),
        sa.Column("poll_at", WHEN, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scm_repositories"),
        sa.UniqueConstraint("tenant_id", "address", name="uq_scm_repositories_tenant_id_address"),
        sa.ForeignKeyConstraint(*OF_CONNECTION, name="fk_scm_repositories_connection", ondelete="CASCADE"),
    )
    op.create_index("ix_scm_repositories_poll_at", "scm_repositories", ["poll_at"])
    op.create_table(
        "scm_deliveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("delivery", sa.String(length=200), nullable=False),
        sa.Column("received_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "connection_id", "delivery", name="pk_scm_deliveries"),
        sa.ForeignKeyConstraint(*OF_CONNECTION, name="fk_scm_deliveries_connection", ondelete="CASCADE"),
    )
    op.create_index("ix_scm_deliveries_received_at", "scm_deliveries", ["received_at"])
    for table in ("scm_connections", "scm_repositories", "scm_deliveries"):
        for statement in isolate(table):
            op.execute(statement)
    # The relay's role learns whose repository is due, and nothing of what is in it.
    for statement in open_to_system("scm_repositories", "SELECT (id, tenant_id, poll_at)"):
        op.execute(statement)
    op.execute("CREATE POLICY scm_connections_lookup ON scm_connections FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(LOOK_UP)
    op.execute("REVOKE ALL ON FUNCTION scm_connection_of_hook(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION scm_connection_of_hook(text) TO slipway_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION scm_connection_of_hook(text)")
    for table in ("scm_deliveries", "scm_repositories", "scm_connections"):
        op.drop_table(table)
