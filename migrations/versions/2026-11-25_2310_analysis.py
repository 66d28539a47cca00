"""Analyses: metrics measured again and again, and one verdict of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "analysis_runs"
down_revision = "attestations_registries"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JSON = postgresql.JSONB()


def upgrade() -> None:
    op.create_table(
        "analysis_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(length=63), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("states", JSON, nullable=False),
        sa.Column("argo_compat", sa.Boolean(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("ending", sa.String(length=32)),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", WHEN),
        sa.Column("next_at", WHEN, nullable=False),
        sa.Column("deadline_at", WHEN, nullable=False),
        sa.Column("started_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_analysis_runs"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_analysis_runs_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_analysis_runs_tenant_id_id"),
    )
    op.create_index(
        "ix_analysis_runs_subject", "analysis_runs", ["tenant_id", "subject_kind", "subject_id", "started_at"]
    )
    op.create_index(
        "ix_analysis_runs_due",
        "analysis_runs",
        ["next_at"],
        postgresql_where=sa.text("phase IN ('pending', 'running')"),
    )
    op.create_table(
        "analysis_measurements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=32)),
        sa.Column("values", JSON, nullable=False),
        sa.Column("requests", sa.Float()),
        sa.Column("samples", sa.Integer()),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("started_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_analysis_measurements"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_analysis_measurements_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["analysis_runs.tenant_id", "analysis_runs.id"],
            name="fk_analysis_measurements_run",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "metric", "number", name="uq_analysis_measurements_tenant_id_run_id_metric_number"
        ),
    )
    for table in ("analysis_runs", "analysis_measurements"):
        for statement in isolate(table):
            op.execute(statement)
    due = "SELECT (id, tenant_id, phase, next_at, lease_until)"
    for statement in open_to_system("analysis_runs", due):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("analysis_measurements")
    op.drop_table("analysis_runs")
