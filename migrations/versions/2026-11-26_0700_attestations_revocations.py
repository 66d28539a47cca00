"""What is no longer evidence counts no longer at once; whoever relied on it, in any tenant, is told."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate, open_to_system

revision = "attestations_revocations"
down_revision = "policies_grounds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attestations", sa.Column("untold", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("attestations", "untold", server_default=None)
    op.create_index(
        "ix_attestations_issuer", "attestations", ["tenant_id", "issuer"], postgresql_where=sa.text("issuer <> ''")
    )
    op.create_index("ix_attestation_reliances_digest_alone", "attestation_reliances", ["digest"])
    op.create_table(
        "reliance_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reliance_notices"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_reliance_notices_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "event_id", name="uq_reliance_notices_tenant_id_event_id"),
    )
    for statement in [
        *isolate("reliance_notices"),
        *open_to_system("attestation_reliances", "SELECT (tenant_id, digest)"),
    ]:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP POLICY attestation_reliances_system ON attestation_reliances")
    op.execute("REVOKE ALL ON attestation_reliances FROM slipway_system")
    op.drop_table("reliance_notices")
    op.drop_index("ix_attestation_reliances_digest_alone", "attestation_reliances")
    op.drop_index("ix_attestations_issuer", "attestations")
    op.drop_column("attestations", "untold")
