"""Environments know from when their time counts, when they sleep, who keeps them, and how their removal was proven."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "environments_life"
down_revision = "installs_approvals"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
VISITED = """
    CREATE FUNCTION environment_at(host text) RETURNS TABLE (tenant_id uuid, environment_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT e.tenant_id, e.id FROM environments AS e WHERE e.hostname = host
    $$
"""


def upgrade() -> None:
    columns: tuple[sa.Column[object], ...] = (
        sa.Column("ttl_base", sa.String(length=32), nullable=False, server_default="last_deploy"),
        sa.Column("sleep_after_seconds", sa.Integer()),
        sa.Column("visits_count", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("pin", postgresql.JSONB()),
        sa.Column("warned_seconds", sa.Integer()),
        sa.Column("lived_since", WHEN, nullable=False, server_default=sa.func.now()),
        sa.Column("last_activity_at", WHEN),
        sa.Column("retry_at", WHEN),
        sa.Column("due_at", WHEN),
        sa.Column("removal", postgresql.JSONB()),
    )
    for column in columns:
        op.add_column("environments", column)
    # Row-level security holds for the tables' owner as well, unless it is let through.
    op.execute("ALTER TABLE environments NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE environments SET lived_since = created_at")
    op.execute("UPDATE environments SET due_at = expires_at WHERE phase <> 'destroyed'")
    op.execute("ALTER TABLE environments FORCE ROW LEVEL SECURITY")
    for name in ("ttl_base", "visits_count", "lived_since"):
        op.alter_column("environments", name, server_default=None)
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_environments_due_at", "environments", ["due_at"], postgresql_where=due)
    op.execute("GRANT SELECT (due_at) ON environments TO slipway_system")
    op.execute("CREATE POLICY environments_visited ON environments FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(VISITED)
    op.execute("REVOKE ALL ON FUNCTION environment_at(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION environment_at(text) TO slipway_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION environment_at(text)")
    op.execute("DROP POLICY environments_visited ON environments")
    op.drop_index("ix_environments_due_at", "environments")
    names = (
        "removal",
        "due_at",
        "retry_at",
        "last_activity_at",
        "lived_since",
        "warned_seconds",
        "pin",
        "visits_count",
        "sleep_after_seconds",
        "ttl_base",
    )
    for name in names:
        op.drop_column("environments", name)
