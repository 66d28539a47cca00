"""Stacks with their leases, and the environments of pull requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "0006_environments"
down_revision = "0005_uploads"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_stacks()
    create_environments()
    for table in ("stacks", "environments"):
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("environments", "SELECT (id, tenant_id, phase, desired, expires_at)"):
        op.execute(statement)


def create_stacks() -> None:
    op.create_table(
        "stacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("resources", postgresql.JSONB(), nullable=False),
        sa.Column("outputs", postgresql.JSONB(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_holder", sa.String()),
        sa.Column("lease_until", WHEN),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stacks"),
        sa.UniqueConstraint("tenant_id", "project", "name", name="uq_stacks_tenant_id_project_name"),
    )
    op.create_index("ix_stacks_tenant_id_owner", "stacks", ["tenant_id", "owner"])


def create_environments() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("pull_request", sa.Integer(), nullable=False),
        sa.Column("branch", sa.String()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hostname", sa.String(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("desired", sa.String(length=32), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("observed_generation", sa.Integer(), nullable=False),
        sa.Column("touched", sa.Boolean(), nullable=False),
        sa.Column("wanted_again", sa.Boolean(), nullable=False),
        sa.Column("blueprint", sa.String(), nullable=False),
        sa.Column("blueprint_version", sa.String(), nullable=False),
        sa.Column("lock", postgresql.JSONB(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_inputs", sa.String()),
        sa.Column("head_sha", sa.String(), nullable=False),
        sa.Column("seen_sha", sa.String(), nullable=False),
        sa.Column("deployed_sha", sa.String()),
        sa.Column("absences", sa.Integer(), nullable=False),
        sa.Column("stack_id", sa.Uuid()),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("url", sa.String()),
        sa.Column("outputs", postgresql.JSONB(), nullable=False),
        sa.Column("failure", postgresql.JSONB()),
        sa.Column("conditions", postgresql.JSONB(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("ttl_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("last_deploy_at", WHEN),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("hard_expires_at", WHEN, nullable=False),
        sa.Column("destroyed_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.ForeignKeyConstraint(["stack_id"], ["stacks.id"], name="fk_environments_stack_id_stacks"),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name="fk_environments_operation_id_operations"),
        sa.UniqueConstraint(
            "tenant_id", "repository", "pull_request", name="uq_environments_tenant_id_repository_pull_request"
        ),
    )
    op.create_index("ix_environments_hostname", "environments", ["hostname"], unique=True)
    op.create_index("ix_environments_tenant_id_created_at", "environments", ["tenant_id", "created_at"])
    living = sa.text("phase <> 'destroyed'")
    op.create_index("ix_environments_living", "environments", ["expires_at"], postgresql_where=living)


def downgrade() -> None:
    op.drop_table("environments")
    op.drop_table("stacks")
