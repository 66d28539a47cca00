"""Campaigns, their waves and the installs in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "campaigns_waves"
down_revision = "environments_forks"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
JSON = postgresql.JSONB()
LIVING = "state IN ('planning', 'running', 'soaking', 'paused', 'stopped', 'rolling_back')"


def _common(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
    ]


def _of(table: str, column: str, owner: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{owner}.tenant_id", f"{owner}.id"],
        name=f"fk_{table}_tenant_id_{column}_{owner}",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    _campaigns()
    _waves()
    _members()
    for table in ("campaigns", "campaign_waves", "campaign_members"):
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("campaigns", "SELECT (id, tenant_id, state, next_at)"):
        op.execute(statement)


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("asset", sa.String(length=127), nullable=False),
        sa.Column("version", sa.String(length=127), nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("resume_to", sa.String(length=32)),
        sa.Column("back_all", sa.Boolean(), nullable=False),
        sa.Column("end_aborted", sa.Boolean(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("acts_as", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid()),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("next_at", WHEN, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("started_at", WHEN),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.Column("finished_at", WHEN),
        *_common("campaigns"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_campaigns_tenant_id_id"),
    )
    op.create_index("ix_campaigns_tenant_id_created_at", "campaigns", ["tenant_id", "created_at"])
    op.create_index("ix_campaigns_due", "campaigns", ["next_at"], postgresql_where=sa.text(LIVING))


def _waves() -> None:
    op.create_table(
        "campaign_waves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("analysis_id", sa.Uuid()),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("started_at", WHEN),
        sa.Column("soak_until", WHEN),
        sa.Column("finished_at", WHEN),
        *_common("campaign_waves"),
        _of("campaign_waves", "campaign_id", "campaigns"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_campaign_waves_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "campaign_id", "number", name="uq_campaign_waves_tenant_id_campaign_id_number"
        ),
    )


def _members() -> None:
    op.create_table(
        "campaign_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("wave", sa.Integer()),
        sa.Column("from_version", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("base_revision", sa.Integer()),
        sa.Column("revision", sa.Integer()),
        sa.Column("plan_id", sa.Uuid()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("problem", JSON),
        sa.Column("waits_since", WHEN),
        sa.Column("began_at", WHEN),
        sa.Column("changed_at", WHEN, nullable=False),
        *_common("campaign_members"),
        _of("campaign_members", "campaign_id", "campaigns"),
        _of("campaign_members", "install_id", "installs"),
        sa.UniqueConstraint(
            "tenant_id", "campaign_id", "install_id", name="uq_campaign_members_tenant_id_campaign_id_install_id"
        ),
    )
    op.create_index(
        "uq_campaign_members_under_way",
        "campaign_members",
        ["tenant_id", "install_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('running', 'held', 'waiting', 'rolling_back')"),
    )


def downgrade() -> None:
    for table in ("campaign_members", "campaign_waves", "campaigns"):
        op.drop_table(table)
