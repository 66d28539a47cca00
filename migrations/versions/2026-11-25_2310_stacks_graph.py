"""Stacks keep the graph of resources that the engine reported, for policies to look at."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "stacks_graph"
down_revision = "notifications_subscriptions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stacks", sa.Column("graph", postgresql.JSONB()))


def downgrade() -> None:
    op.drop_column("stacks", "graph")
