"""What sweeps find that belongs to no environment known here."""

import sqlalchemy as sa
from alembic import op

revision = "environments_strangers"
down_revision = "environments_signs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "environment_strangers",
        sa.Column("place", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", "name", name="pk_environment_strangers"),
    )
    # It is no tenant's, and nobody's to read but the system's.
    op.execute("GRANT SELECT, INSERT, DELETE ON environment_strangers TO slipway_system")


def downgrade() -> None:
    op.drop_table("environment_strangers")
