"""Tenants whose trust policy gives evidence an age, and up to when what grew too old was told."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate, open_to_system

revision = "attestations_ageing"
down_revision = "stacks_graph"
branch_labels = None
depends_on = None

KNOWN = """
    INSERT INTO evidence_watches (tenant_id, swept_at)
    SELECT tenant_id, now() FROM (
        SELECT DISTINCT ON (tenant_id) tenant_id, document FROM trust_policies ORDER BY tenant_id, version DESC
    ) AS latest
    WHERE jsonb_path_exists(document, '$.requirements[*].max_age_days ? (@ != null)')
"""


def upgrade() -> None:
    op.create_table(
        "evidence_watches",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_evidence_watches"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_evidence_watches_tenant_id_tenants"),
    )
    op.create_index("ix_evidence_watches_swept_at", "evidence_watches", ["swept_at"])
    op.execute("ALTER TABLE trust_policies NO FORCE ROW LEVEL SECURITY")
    op.execute(KNOWN)
    op.execute("ALTER TABLE trust_policies FORCE ROW LEVEL SECURITY")
    for statement in [*isolate("evidence_watches"), *open_to_system("evidence_watches", "SELECT")]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("evidence_watches")
