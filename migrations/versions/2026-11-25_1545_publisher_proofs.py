"""Publisher proofs: domains and repositories that tenants have shown to be their own, and the mark on their assets."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate, open_to_system

revision = "publishers_proofs"
down_revision = "attestations_statements"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("assets", sa.Column("verified_publisher", sa.String()))
    op.create_table(
        "publisher_proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("challenge", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("problem", sa.String()),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("looked_at", WHEN),
        sa.Column("verified_at", WHEN),
        sa.Column("look_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_publisher_proofs"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_publisher_proofs_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "kind", "subject", name="uq_publisher_proofs_tenant_id_kind_subject"),
    )
    op.create_index("ix_publisher_proofs_due", "publisher_proofs", ["look_at"])
    for statement in [*isolate("publisher_proofs"), *open_to_system("publisher_proofs", "SELECT")]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("publisher_proofs")
    op.drop_column("assets", "verified_publisher")
