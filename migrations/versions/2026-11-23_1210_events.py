"""The outbox (events and their deliveries), the schedules of periodic jobs and the heartbeats of processes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "0002_events"
down_revision = "0001_tenants"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_tables()
    for statement in isolate("events"):
        op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON events FROM slipway_app")
    for statement in open_to_system("events", "SELECT, UPDATE (relayed_at, position), DELETE"):
        op.execute(statement)
    for statement in isolate("deliveries"):
        op.execute(statement)
    op.execute("REVOKE INSERT, DELETE ON deliveries FROM slipway_app")
    for statement in open_to_system("deliveries", "SELECT, INSERT, UPDATE, DELETE"):
        op.execute(statement)
    op.execute("GRANT USAGE ON SEQUENCE event_positions TO slipway_system, slipway_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO slipway_system")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON heartbeats TO slipway_system")
    op.execute("GRANT SELECT ON heartbeats TO slipway_app")


def create_tables() -> None:
    op.execute("CREATE SEQUENCE event_positions")
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("occurred_at", WHEN, nullable=False),
        sa.Column("relayed_at", WHEN),
        sa.Column("position", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("sequence", name="uq_events_sequence"),
    )
    op.create_index("ix_events_tenant_id_position", "events", ["tenant_id", "position"])
    op.create_index("ix_events_relayed_at", "events", ["relayed_at"])
    op.create_index("ix_events_unrelayed", "events", ["sequence"], postgresql_where=sa.text("relayed_at IS NULL"))
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", WHEN, nullable=False),
        sa.Column("lease_until", WHEN),
        sa.Column("last_error", sa.String()),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_deliveries_event_id_events", ondelete="CASCADE"),
    )
    op.create_index("uq_deliveries_event_id_job", "deliveries", ["event_id", "job"], unique=True)
    create_delivery_indexes()
    op.create_table(
        "schedules",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("due_at", WHEN, nullable=False),
        sa.Column("lease_until", WHEN),
        sa.Column("last_error", sa.String()),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("job", name="pk_schedules"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("capabilities", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("missing", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )


def create_delivery_indexes() -> None:
    pending = sa.text("state = 'pending'")
    op.create_index("ix_deliveries_pending", "deliveries", ["job", "tenant_id", "position"], postgresql_where=pending)
    held = sa.text("state IN ('sent', 'running')")
    op.create_index("ix_deliveries_held", "deliveries", ["lease_until"], postgresql_where=held)
    line = ["job", "tenant_id", "subject", "position"]
    op.create_index("ix_deliveries_subject", "deliveries", line, postgresql_where=pending)
    op.create_index("ix_deliveries_next_attempt", "deliveries", ["next_attempt_at"], postgresql_where=pending)
    dead = sa.text("state = 'dead'")
    op.create_index("ix_deliveries_dead", "deliveries", ["tenant_id", "finished_at"], postgresql_where=dead)
    done = sa.text("state = 'done'")
    op.create_index("ix_deliveries_done", "deliveries", ["finished_at"], postgresql_where=done)


def downgrade() -> None:
    for table in ("heartbeats", "schedules", "deliveries", "events"):
        op.drop_table(table)
    op.execute("DROP SEQUENCE event_positions")
