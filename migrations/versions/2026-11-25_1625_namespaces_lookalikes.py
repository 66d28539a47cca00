"""Namespaces that look alike are one."""

import sqlalchemy as sa
from alembic import op

revision = "assets_lookalikes"
down_revision = "policies_decisions"
branch_labels = None
depends_on = None

# What catalog.assets.lookalikes computes; where two look alike already, the later gets one that nobody else has.
SKELETON = "replace(replace(translate(name, 'i10-', 'llo'), 'rn', 'm'), 'vv', 'w')"
FILL = f"""
UPDATE namespaces AS n SET skeleton = CASE WHEN ranked.place = 1 THEN ranked.skeleton ELSE n.name || '!' END
FROM (
    SELECT name, {SKELETON} AS skeleton, row_number() OVER (PARTITION BY {SKELETON} ORDER BY created_at, name) AS place
    FROM namespaces
) AS ranked WHERE ranked.name = n.name
"""  # noqa: S608  # constants only


def upgrade() -> None:
    op.add_column("namespaces", sa.Column("skeleton", sa.String(length=64)))
    # The owner itself is held to the tenant's rows unless it is let through.
    op.execute("ALTER TABLE namespaces NO FORCE ROW LEVEL SECURITY")
    op.execute(FILL)
    op.execute("ALTER TABLE namespaces FORCE ROW LEVEL SECURITY")
    op.alter_column("namespaces", "skeleton", nullable=False)
    op.create_unique_constraint("uq_namespaces_skeleton", "namespaces", ["skeleton"])


def downgrade() -> None:
    op.drop_constraint("uq_namespaces_skeleton", "namespaces")
    op.drop_column("namespaces", "skeleton")
