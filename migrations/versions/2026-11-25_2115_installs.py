"""Installs: plans, revisions that never change, and what became of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "installs_ledger"
down_revision = "proposals_agents"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JSON = postgresql.JSONB()
LEDGER = ("install_revisions", "install_outcomes", "install_secrets")
TABLES = ("installs", "install_plans", *LEDGER)


def _tenant(table: str) -> list[sa.Constraint]:
    return [
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
    ]


def _operation(table: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=f"fk_{table}_operation_id_operations")


def _owned(table: str, column: str, owner: str, ondelete: str | None = None) -> sa.Constraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{owner}.tenant_id", f"{owner}.id"],
        name=f"fk_{table}_tenant_id_{column}_{owner}",
        ondelete=ondelete,
    )


def upgrade() -> None:
    _create_installs()
    _create_plans()
    _create_revisions()
    for table in TABLES:
        for statement in isolate(table):
            op.execute(statement)
    # What is in the ledger stays as it was written: no policy says otherwise, and no grant either.
    for table in LEDGER:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM slipway_app")
        op.execute(f"DROP POLICY {table}_update ON {table}")
        op.execute(f"DROP POLICY {table}_delete ON {table}")
    for statement in open_to_system("installs", "SELECT"):
        op.execute(statement)


def downgrade() -> None:
    for table in ("install_secrets", "install_outcomes", "install_revisions", "install_plans", "installs"):
        op.drop_table(table)


def _create_installs() -> None:
    op.create_table(
        "installs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("asset", sa.String(length=127), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("becomes", sa.String(length=32), nullable=False),
        sa.Column("place", sa.String(length=1200), nullable=False),
        sa.Column("target", JSON, nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("desired_revision", sa.Integer()),
        sa.Column("applied_revision", sa.Integer()),
        sa.Column("plan_id", sa.Uuid()),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("failure", JSON),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.Column("removed_at", WHEN),
        *_tenant("installs"),
        _operation("installs"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_installs_tenant_id_id"),
    )
    living = sa.text("state <> 'removed'")
    op.create_index("ix_installs_name", "installs", ["tenant_id", "name"], unique=True, postgresql_where=living)
    op.create_index(
        "ix_installs_place", "installs", ["tenant_id", "asset", "place"], unique=True, postgresql_where=living
    )
    op.create_index("ix_installs_tenant_id_created_at", "installs", ["tenant_id", "created_at"])
    op.create_index("ix_installs_waiting", "installs", ["changed_at"], postgresql_where=sa.text("state = 'waiting'"))


def _create_plans() -> None:
    op.create_table(
        "install_plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid()),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("base_revision", sa.Integer()),
        sa.Column("document", JSON, nullable=False),
        sa.Column("digest", sa.String(length=80)),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("files_blob", sa.String(length=64)),
        sa.Column("auto", sa.Boolean(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("problem", JSON),
        sa.Column("follows", sa.Uuid()),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        *_tenant("install_plans"),
        _operation("install_plans"),
        _owned("install_plans", "install_id", "installs", ondelete="CASCADE"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_install_plans_tenant_id_id"),
    )
    op.create_index("ix_install_plans_tenant_id_created_at", "install_plans", ["tenant_id", "created_at"])
    op.create_index("ix_install_plans_tenant_id_install_id", "install_plans", ["tenant_id", "install_id"])


def _create_revisions() -> None:
    op.create_table(
        "install_revisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("content_digest", sa.String(length=80), nullable=False),
        sa.Column("parent_digest", sa.String(length=80)),
        sa.Column("files_blob", sa.String(length=64)),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("verification", JSON, nullable=False),
        sa.Column("verdicts", JSON, nullable=False),
        sa.Column("approvals", JSON, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("install_revisions"),
        _operation("install_revisions"),
        _owned("install_revisions", "install_id", "installs"),
        _owned("install_revisions", "plan_id", "install_plans"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_install_revisions_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "install_id", "number", name="uq_install_revisions_tenant_id_install_id_number"
        ),
        sa.UniqueConstraint("tenant_id", "plan_id", name="uq_install_revisions_tenant_id_plan_id"),
    )
    op.create_table(
        "install_outcomes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("outputs", JSON, nullable=False),
        sa.Column("outputs_digest", sa.String(length=80), nullable=False),
        sa.Column("problem", JSON),
        sa.Column("at", WHEN, nullable=False),
        *_tenant("install_outcomes"),
        _owned("install_outcomes", "revision_id", "install_revisions"),
    )
    op.create_index("ix_install_outcomes_revision_id_at", "install_outcomes", ["revision_id", "at"])
    op.create_table(
        "install_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        *_tenant("install_secrets"),
    )
    op.create_index("ix_install_secrets_tenant_id", "install_secrets", ["tenant_id"])
