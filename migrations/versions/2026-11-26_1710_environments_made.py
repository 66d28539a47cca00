"""What environments came up from, kept until that is signed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate

revision = "environments_made"
down_revision = "environments_comes_back"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "environments_made",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("made", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["environment_id"], ["environments.id"], name="fk_environments_made_environment"),
        sa.PrimaryKeyConstraint("environment_id", "incarnation", "generation", name="pk_environments_made"),
    )
    for statement in isolate("environments_made"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("environments_made")
