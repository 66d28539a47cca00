"""Notifications: who wants to hear of what, what each was told, and every try of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog.row_security import isolate, open_to_system

revision = "notifications_subscriptions"
down_revision = "assets_searches"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notification_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("topics", postgresql.JSONB(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("digest_minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("secrets", sa.String(), nullable=False),
        sa.Column("old_secret_until", WHEN),
        sa.Column("failing_since", WHEN),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification_subscriptions"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_notification_subscriptions_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_notification_subscriptions_tenant_id_member_id_members",
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_notification_subscriptions_tenant_id_id"),
    )
    op.create_index(
        "ix_notification_subscriptions_tenant_id_created_at", "notification_subscriptions", ["tenant_id", "created_at"]
    )
    _notifications()
    _attempts()
    for table in ("notification_subscriptions", "notifications", "notification_attempts"):
        for statement in isolate(table):
            op.execute(statement)
    for statement in open_to_system("notifications", "SELECT (tenant_id, subscription_id, state)"):
        op.execute(statement)


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid()),
        sa.Column("member_id", sa.Uuid()),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.Uuid()),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("digest_id", sa.Uuid()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", WHEN),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("delivered_at", WHEN),
        sa.Column("read_at", WHEN),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_notifications_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subscription_id"],
            ["notification_subscriptions.tenant_id", "notification_subscriptions.id"],
            name="fk_notifications_subscription",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_notifications_tenant_id_member_id_members",
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_notifications_tenant_id_id"),
    )
    op.create_index(
        "uq_notifications_told_once",
        "notifications",
        ["tenant_id", "subscription_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("subscription_id IS NOT NULL AND event_id IS NOT NULL"),
    )
    op.create_index(
        "uq_notifications_inbox_once",
        "notifications",
        ["tenant_id", "member_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("channel = 'inbox'"),
    )
    op.create_index("ix_notifications_tenant_id_created_at", "notifications", ["tenant_id", "created_at"])
    op.create_index(
        "ix_notifications_held", "notifications", ["created_at"], postgresql_where=sa.text("state = 'held'")
    )


def _attempts() -> None:
    op.create_table(
        "notification_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("response", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification_attempts"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_notification_attempts_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "notification_id"],
            ["notifications.tenant_id", "notifications.id"],
            name="fk_notification_attempts_notification",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_notification_attempts_tenant_id_notification_id",
        "notification_attempts",
        ["tenant_id", "notification_id"],
    )


def downgrade() -> None:
    op.drop_table("notification_attempts")
    op.drop_table("notifications")
    op.drop_table("notification_subscriptions")
