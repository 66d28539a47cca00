"""${message}

Released revisions are not edited. Add columns as nullable or with a default; drop or rename only after a release
that no longer uses the old name. Every table with a tenant_id goes through catalog.row_security.isolate.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
