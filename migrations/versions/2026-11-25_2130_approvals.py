"""Approvals: gates, what people said about them, and who decides in whose place."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "approvals_gates"
down_revision = "attestations_sboms"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_unique_constraint("uq_members_tenant_id_id", "members", ["tenant_id", "id"])
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("need", postgresql.JSONB(), nullable=False),
        sa.Column("approvers", postgresql.JSONB(), nullable=False),
        sa.Column("requesters", postgresql.JSONB(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_actor", sa.String(), nullable=False),
        sa.Column("requested_at", WHEN, nullable=False),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("closed_at", WHEN),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_approvals_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_approvals_tenant_id_id"),
    )
    op.create_index("ix_approvals_tenant_id_requested_at", "approvals", ["tenant_id", "requested_at"])
    op.create_index("ix_approvals_tenant_id_kind_subject", "approvals", ["tenant_id", "kind", "subject"])
    op.create_index("ix_approvals_state_expires_at", "approvals", ["state", "expires_at"])
    op.create_table(
        "approval_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("stands_for", postgresql.JSONB(), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("decided_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approval_decisions"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_approval_decisions_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "approval_id"],
            ["approvals.tenant_id", "approvals.id"],
            name="fk_approval_decisions_tenant_id_approval_id_approvals",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_approval_decisions_tenant_id_member_id_members",
        ),
        sa.UniqueConstraint(
            "tenant_id", "approval_id", "member_id", name="uq_approval_decisions_tenant_id_approval_id_member_id"
        ),
    )
    _delegations()
    for table in ("approvals", "approval_decisions", "approval_delegations"):
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("approvals", "SELECT (id, tenant_id, state, expires_at)"):
        op.execute(statement)


def _delegations() -> None:
    op.create_table(
        "approval_delegations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("giver_id", sa.Uuid(), nullable=False),
        sa.Column("taker_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("until", WHEN, nullable=False),
        sa.Column("ended_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_approval_delegations"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_approval_delegations_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "giver_id"],
            ["members.tenant_id", "members.id"],
            name="fk_approval_delegations_tenant_id_giver_id_members",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "taker_id"],
            ["members.tenant_id", "members.id"],
            name="fk_approval_delegations_tenant_id_taker_id_members",
        ),
    )
    op.create_index("ix_approval_delegations_tenant_id_taker_id", "approval_delegations", ["tenant_id", "taker_id"])


def downgrade() -> None:
    op.drop_table("approval_delegations")
    op.drop_table("approval_decisions")
    op.drop_table("approvals")
    op.drop_constraint("uq_members_tenant_id_id", "members")
