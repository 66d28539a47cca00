"""Drafts, reviews and publishing sessions: versions that are not out yet, and who may put them out."""

import sqlalchemy as sa
from alembic import op

from catalog.row_security import isolate

revision = "uploads_drafts"
down_revision = "policies_trials"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("namespaces", sa.Column("review_required", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("namespaces", "review_required", server_default=None)
    op.add_column("asset_versions", sa.Column("author_actor", sa.String(), nullable=False, server_default=""))
    op.alter_column("asset_versions", "author_actor", server_default=None)
    op.add_column("asset_versions", sa.Column("author_member_id", sa.Uuid()))
    op.add_column("asset_versions", sa.Column("submitter_member_id", sa.Uuid()))
    op.add_column("asset_versions", sa.Column("wanted_visibility", sa.String(length=32)))
    op.create_table(
        "publishing_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("ended_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_publishing_sessions"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_publishing_sessions_tenant_id_tenants"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_publishing_sessions_tenant_id_id"),
    )
    op.create_index("ix_publishing_sessions_tenant_id_created_at", "publishing_sessions", ["tenant_id", "created_at"])
    op.add_column("uploads", sa.Column("draft", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("uploads", "draft", server_default=None)
    op.add_column("uploads", sa.Column("member_id", sa.Uuid()))
    op.add_column("uploads", sa.Column("session_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_uploads_tenant_id_publishing_sessions",
        "uploads",
        "publishing_sessions",
        ["tenant_id", "session_id"],
        ["tenant_id", "id"],
    )
    op.create_index("ix_uploads_session_id", "uploads", ["session_id"])
    for statement in isolate("publishing_sessions"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("ix_uploads_session_id", "uploads")
    op.drop_constraint("fk_uploads_tenant_id_publishing_sessions", "uploads")
    for column in ("session_id", "member_id", "draft"):
        op.drop_column("uploads", column)
    op.drop_table("publishing_sessions")
    for column in ("wanted_visibility", "submitter_member_id", "author_member_id", "author_actor"):
        op.drop_column("asset_versions", column)
    op.drop_column("namespaces", "review_required")
