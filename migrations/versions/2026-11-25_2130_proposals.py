"""Agents: how far each may go, their runs, what they propose, and what is blocked for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "proposals_agents"
down_revision = "assets_search"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JSON = postgresql.JSONB()


def upgrade() -> None:
    _agents()
    _limits()
    _runs()
    _proposals()
    _blocks()
    for table in ("agent_limits", "agent_runs", "proposals", "proposal_blocks"):
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("proposals", "SELECT (id, tenant_id, state, expires_at)"):
        op.execute(statement)
    op.execute("GRANT SELECT ON agents TO slipway_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON agents TO slipway_system")


def downgrade() -> None:
    for table in ("proposal_blocks", "proposals", "agent_runs", "agent_limits", "agents"):
        op.drop_table(table)


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("usual", sa.String(length=32), nullable=False),
        sa.Column("watches", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("actions", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("declared_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_agents"),
    )


def _limits() -> None:
    op.create_table(
        "agent_limits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.String(length=63), nullable=False),
        sa.Column("autonomy", sa.String(length=32)),
        sa.Column("is_stopped", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_limits"),
        sa.UniqueConstraint("tenant_id", "agent", name="uq_agent_limits_tenant_id_agent"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_agent_limits_tenant_id_tenants"),
    )


def _runs() -> None:
    op.create_table(
        "agent_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.String(length=63), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("about", sa.String(length=300), nullable=False),
        sa.Column("autonomy", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("looked", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("saw", JSON, nullable=False),
        sa.Column("did", JSON, nullable=False),
        sa.Column("place", sa.String(length=300), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("started_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_agent_runs"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_agent_runs_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "agent", "event_id", name="uq_agent_runs_tenant_id_agent_event_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_agent_runs_tenant_id_tenants"),
    )
    op.create_index("ix_agent_runs_tenant_id_agent_started_at", "agent_runs", ["tenant_id", "agent", "started_at"])


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("action", JSON, nullable=False),
        sa.Column("steps", JSON, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("autonomy", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("successor_id", sa.Uuid()),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", WHEN),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("applied_at", WHEN),
        sa.Column("ended_at", WHEN),
        sa.Column("resolved_at", WHEN),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_proposals_tenant_id_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_proposals_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["agent_runs.tenant_id", "agent_runs.id"],
            name="fk_proposals_tenant_id_run_id_agent_runs",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "successor_id"],
            ["proposals.tenant_id", "proposals.id"],
            name="fk_proposals_tenant_id_successor_id_proposals",
        ),
    )
    op.create_index(
        "uq_proposals_open",
        "proposals",
        ["tenant_id", "agent", "subject"],
        unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'approved', 'applied')"),
    )
    op.create_index("ix_proposals_tenant_id_created_at", "proposals", ["tenant_id", "created_at"])
    op.create_index("ix_proposals_tenant_id_subject", "proposals", ["tenant_id", "subject"])
    op.create_index("ix_proposals_run_id", "proposals", ["run_id"])


def _blocks() -> None:
    op.create_table(
        "proposal_blocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("holds", JSON, nullable=False),
        sa.Column("missing", JSON, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("lifted_at", WHEN),
        sa.Column("lifted_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal_blocks"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_proposal_blocks_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "proposal_id"],
            ["proposals.tenant_id", "proposals.id"],
            name="fk_proposal_blocks_tenant_id_proposal_id_proposals",
        ),
    )
    op.create_index("ix_proposal_blocks_holds", "proposal_blocks", ["holds"], postgresql_using="gin")
    op.create_index("ix_proposal_blocks_proposal_id", "proposal_blocks", ["proposal_id"])
    op.create_index("ix_proposal_blocks_tenant_id", "proposal_blocks", ["tenant_id"])
