"""Environments wait for room, know what they take of it, who prolonged them, and why they sleep; some begin alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "environments_room"
down_revision = "tenants_secrets"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
SIZES = """
    UPDATE environments SET size = (
        SELECT jsonb_build_object(
            'environments', 1,
            'memory_mb', coalesce(sum(coalesce((value #>> '{limits,memoryMb}')::int, 1024)), 0),
            'processes', coalesce(sum(coalesce((value #>> '{limits,processes}')::int, 256)), 0)
        )
        FROM jsonb_each(coalesce(spec #> '{environment,components}', '{}'))
        WHERE value ->> 'type' IN ('process', 'postgres', 'redis')
    )
"""


def upgrade() -> None:
    empty, none = sa.text("'{}'::jsonb"), sa.text("'[]'::jsonb")
    columns: tuple[sa.Column[object], ...] = (
        sa.Column("size", postgresql.JSONB(), nullable=False, server_default=empty),
        sa.Column("backlog", postgresql.JSONB(), nullable=False, server_default=none),
        sa.Column("withheld", postgresql.JSONB(), nullable=False, server_default=none),
        sa.Column("seen_base", sa.String()),
        sa.Column("extension", postgresql.JSONB()),
        sa.Column("slept_for", sa.String(length=32)),
        sa.Column("waits_since", WHEN),
    )
    for column in columns:
        op.add_column("environments", column)
    # Row-level security holds for the tables' owner as well, unless it is let through.
    op.execute("ALTER TABLE environments NO FORCE ROW LEVEL SECURITY")
    op.execute(SIZES)
    op.execute("UPDATE environments SET slept_for = 'idle' WHERE phase = 'sleeping'")
    op.execute("ALTER TABLE environments FORCE ROW LEVEL SECURITY")
    for name in ("size", "backlog", "withheld"):
        op.alter_column("environments", name, server_default=None)
    waiting = sa.text("waits_since IS NOT NULL")
    op.create_index("ix_environments_waiting", "environments", ["tenant_id", "waits_since"], postgresql_where=waiting)
    op.execute("GRANT SELECT (waits_since) ON environments TO slipway_system")
    op.create_table(
        "environment_automations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("blueprint", sa.String(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_inputs", sa.String(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("ttl", sa.String()),
        sa.Column("attempts", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environment_automations"),
        sa.UniqueConstraint("tenant_id", "repository", name="uq_environment_automations_tenant_id_repository"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_environment_automations_tenant_id_tenants"),
    )
    for statement in isolate("environment_automations"):
        op.execute(statement)
    for statement in open_to_system("environment_automations", "SELECT (id, tenant_id)"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("environment_automations")
    op.drop_index("ix_environments_waiting", "environments")
    for name in ("waits_since", "slept_for", "extension", "seen_base", "withheld", "backlog", "size"):
        op.drop_column("environments", name)
