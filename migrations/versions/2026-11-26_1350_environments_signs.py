"""Environments whose signs at their pull requests are late, so that they are shown again."""

import sqlalchemy as sa
from alembic import op

revision = "environments_signs"
down_revision = "scm_commands"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environments", sa.Column("signs_due_at", sa.DateTime(timezone=True)))
    where = sa.text("signs_due_at IS NOT NULL")
    op.create_index("ix_environments_signs_due_at", "environments", ["signs_due_at"], postgresql_where=where)
    # Whether those from before are late nobody knows: they are shown once more.
    op.execute("ALTER TABLE environments NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE environments SET signs_due_at = now() WHERE phase <> 'destroyed' AND repository NOT LIKE '/%'")
    op.execute("ALTER TABLE environments FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT (signs_due_at) ON environments TO slipway_system")


def downgrade() -> None:
    op.drop_index("ix_environments_signs_due_at", "environments")
    op.drop_column("environments", "signs_due_at")
