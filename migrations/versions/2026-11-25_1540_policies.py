"""Bindings, waivers, overrides, evaluations and impact of policies, and decisions that agents sent."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "policies_decisions"
down_revision = "assets_dependencies"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JSON = postgresql.JSONB()
TABLES = (
    "policy_bindings",
    "policy_waivers",
    "policy_evaluations",
    "policy_overrides",
    "policy_impacts",
    "policy_decisions",
)


def upgrade() -> None:
    # What policies said when an environment was last asked for; those that are there were asked before any policy.
    op.add_column("environments", sa.Column("verdict", JSON, nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.alter_column("environments", "verdict", server_default=None)
    create_bindings()
    create_waivers()
    create_evaluations()
    create_overrides()
    create_impacts()
    create_decisions()
    for table in TABLES:
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("policy_evaluations", "SELECT (id, tenant_id, created_at)"):
        op.execute(statement)


def create(table: str, *columns: sa.Column[Any] | sa.Constraint) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
    )


def create_bindings() -> None:
    create(
        "policy_bindings",
        sa.Column("asset", sa.String(length=127), nullable=False),
        sa.Column("constraint", sa.String(), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("points", JSON, nullable=False),
        sa.Column("stages", JSON, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("ended_at", WHEN),
        sa.Column("ended_by", sa.String()),
        sa.UniqueConstraint("tenant_id", "id", name="uq_policy_bindings_tenant_id_id"),
    )
    living = sa.text("ended_at IS NULL")
    op.create_index("ix_policy_bindings_living", "policy_bindings", ["tenant_id"], postgresql_where=living)


def create_waivers() -> None:
    create(
        "policy_waivers",
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("asset", sa.String(length=127)),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("ended_at", WHEN),
    )
    op.create_index("ix_policy_waivers_tenant_id_expires_at", "policy_waivers", ["tenant_id", "expires_at"])


def create_evaluations() -> None:
    create(
        "policy_evaluations",
        sa.Column("point", sa.String(length=32)),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("subject", JSON, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        *(
            sa.Column(name, JSON, nullable=False)
            for name in ("violations", "waived", "overridden", "shadow", "bundles", "results")
        ),
        sa.Column("results_digest", sa.String(length=64), nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=False),
        sa.Column("input_digest", sa.String(length=64), nullable=False),
        sa.Column("engine", sa.String(length=32), nullable=False),
        sa.Column("now_ns", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.String(length=64), nullable=False),
        sa.Column("microseconds", sa.Integer(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.UniqueConstraint("tenant_id", "id", name="uq_policy_evaluations_tenant_id_id"),
    )
    op.create_index("ix_policy_evaluations_tenant_id_created_at", "policy_evaluations", ["tenant_id", "created_at"])
    op.create_index("ix_policy_evaluations_tenant_id_about", "policy_evaluations", ["tenant_id", "about"])


def create_overrides() -> None:
    create(
        "policy_overrides",
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("point", sa.String(length=32)),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "evaluation_id"],
            ["policy_evaluations.tenant_id", "policy_evaluations.id"],
            name="fk_policy_overrides_tenant_id_evaluation_id_policy_evaluations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_policy_overrides_tenant_id_about", "policy_overrides", ["tenant_id", "about"])


def create_impacts() -> None:
    create(
        "policy_impacts",
        sa.Column("asset", sa.String(length=127), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("points", JSON, nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("looked_at", "blocked", "warned", "total")),
        sa.Column("cases", JSON, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name="fk_policy_impacts_operation_id_operations"),
    )
    op.create_index("ix_policy_impacts_tenant_id_created_at", "policy_impacts", ["tenant_id", "created_at"])


def create_decisions() -> None:
    create(
        "policy_decisions",
        sa.Column("decision_id", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("bundles", JSON, nullable=False),
        sa.Column("result", JSON),
        sa.Column("event", JSON, nullable=False),
        sa.Column("decided_at", WHEN, nullable=False),
        sa.Column("received_at", WHEN, nullable=False),
        sa.UniqueConstraint("tenant_id", "decision_id", name="uq_policy_decisions_tenant_id_decision_id"),
    )
    op.create_index("ix_policy_decisions_tenant_id_decided_at", "policy_decisions", ["tenant_id", "decided_at"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("environments", "verdict")
