"""Subscriptions, notifications and their attempts, and the shapes in which they are asked for and read."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of

Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Target = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x20\x7f]*$")]
Topic = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$")]


class Channel(StrEnum):
    """How somebody is told."""

    WEBHOOK = "webhook"
    MAIL = "mail"
    INBOX = "inbox"


class Severity(StrEnum):
    """How much something matters, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class SubscriptionState(StrEnum):
    """Whether a subscription is served; ``disabled`` is what lasting failure makes of it."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class NotificationState(StrEnum):
    """Where telling stands: ``held`` waits for its digest, ``digested`` went out in one, ``dead`` was given up."""

    PENDING = "pending"
    HELD = "held"
    DIGESTED = "digested"
    DELIVERED = "delivered"
    DEAD = "dead"


class Subscription(SQLModel, table=True):
    """Who wants to hear of what, and how. ``member_id`` is the person that it belongs to, None for the tenant's own.

    ``secrets`` are a webhook's signing secrets, sealed, newest first; the older one is used until
    ``old_secret_until``. ``failing_since`` is when deliveries began to fail without one that succeeded.
    """

    __tablename__ = "notification_subscriptions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        Index("ix_notification_subscriptions_tenant_id_created_at", "tenant_id", "created_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    member_id: UUID | None = None
    name: str
    channel: Channel = Field(sa_type=one_of(Channel))
    target: str = ""
    topics: list[str] = Field(sa_type=Json)
    subject: str = ""
    asset: str = ""
    owner: str = ""
    severity: Severity = Field(default=Severity.INFO, sa_type=one_of(Severity))
    digest_minutes: int = 0
    state: SubscriptionState = Field(default=SubscriptionState.ACTIVE, sa_type=one_of(SubscriptionState))
    reason: str = ""
    secrets: str = ""
    old_secret_until: datetime | None = Field(default=None, sa_type=Timestamp)
    failing_since: datetime | None = Field(default=None, sa_type=Timestamp)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Notification(SQLModel, table=True):
    """One event on its way to one subscription, or straight into a member's inbox; its id is the webhook's id.

    ``event_id`` is None for a digest, whose parts name it as ``digest_id``.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "subscription_id"],
            ["notification_subscriptions.tenant_id", "notification_subscriptions.id"],
            name="fk_notifications_subscription",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        Index(
            "uq_notifications_told_once", "tenant_id", "subscription_id", "event_id",
            unique=True, postgresql_where=text("subscription_id IS NOT NULL AND event_id IS NOT NULL"),
        ),
        Index(
            "uq_notifications_inbox_once", "tenant_id", "member_id", "event_id",
            unique=True, postgresql_where=text("channel = 'inbox'"),
        ),
        Index("ix_notifications_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_notifications_held", "created_at", postgresql_where=text("state = 'held'")),
    )  # fmt: skip

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    subscription_id: UUID | None = None
    member_id: UUID | None = None
    channel: Channel = Field(sa_type=one_of(Channel))
    event_id: UUID | None = None
    topic: str
    title: str
    link: str = ""
    severity: Severity = Field(sa_type=one_of(Severity))
    state: NotificationState = Field(sa_type=one_of(NotificationState))
    digest_id: UUID | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_type=Timestamp)
    problem: str = ""
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    delivered_at: datetime | None = Field(default=None, sa_type=Timestamp)
    read_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Attempt(SQLModel, table=True):
    """One try of a delivery: what was sent (without signature) and what came back, each cut short."""

    __tablename__ = "notification_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "notification_id"],
            ["notifications.tenant_id", "notifications.id"],
            name="fk_notification_attempts_notification",
            ondelete="CASCADE",
        ),
        Index("ix_notification_attempts_tenant_id_notification_id", "tenant_id", "notification_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    notification_id: UUID
    at: datetime = Field(default_factory=now, sa_type=Timestamp)
    seconds: float = 0.0
    status: int | None = None
    problem: str = ""
    request: str = ""
    response: str = ""


class CreateSubscription(BaseModel):
    """What somebody wants to hear of: ``topics`` are event names such as ``approval.requested``, ``approval.*``, ``*``.

    ``subject`` keeps events whose subject begins with it, ``asset`` (``namespace/name``) and ``owner`` those about it,
    ``severity`` those that matter at least so much. ``digest_minutes`` gathers mail for so long; 0 sends each at once.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Line = Shape(min_length=1, examples=["Deployments to chat"])
    channel: Channel
    target: Target = Shape(default="", examples=["https://hooks.example.com/slipway"])
    topics: list[Topic] = Shape(default=["*"], min_length=1, max_length=50)
    subject: Line = ""
    asset: Line = ""
    owner: Line = ""
    severity: Severity = Severity.INFO
    digest_minutes: int = Shape(default=0, ge=0, le=1440)


class CreateWebhook(BaseModel):
    """A webhook as the contract of the API names it: an address and what it is told of."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    url: Target = Shape(min_length=1, examples=["https://hooks.example.com/slipway"])
    name: Line = ""
    topics: list[Topic] = Shape(default=["*"], min_length=1, max_length=50)
    subject: Line = ""
    asset: Line = ""
    owner: Line = ""
    severity: Severity = Severity.INFO

    def subscription(self) -> CreateSubscription:
        """Return it as a subscription."""
        rest = self.model_dump(exclude={"url", "name"})
        return CreateSubscription(name=self.name or self.url[:200], channel=Channel.WEBHOOK, target=self.url, **rest)


class SubscriptionRead(BaseModel):
    """A subscription as others read it, without its secret."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    member_id: UUID | None
    name: str
    channel: Channel
    target: str
    topics: list[str]
    subject: str
    asset: str
    owner: str
    severity: Severity
    digest_minutes: int
    state: SubscriptionState
    reason: str
    old_secret_until: datetime | None
    failing_since: datetime | None
    created_by: str
    created_at: datetime


class NewSubscription(SubscriptionRead):
    """A subscription with its signing secret, which is shown this once; "" where the channel has none."""

    secret: str


class AttemptRead(BaseModel):
    """One try of a delivery."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    at: datetime
    seconds: float
    status: int | None
    problem: str
    request: str
    response: str


class NotificationRead(BaseModel):
    """A notification as others read it."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    subscription_id: UUID | None
    channel: Channel
    event_id: UUID | None
    topic: str
    title: str
    link: str
    severity: Severity
    state: NotificationState
    attempts: int
    next_attempt_at: datetime | None
    problem: str
    created_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None


class NotificationDetail(NotificationRead):
    """A notification with every try, newest first."""

    tries: list[AttemptRead]


class Parcel(BaseModel):
    """What one try sends, made in one transaction and sent outside of it."""

    model_config = ConfigDict(frozen=True)

    notification_id: UUID
    channel: Channel
    target: str
    title: str
    link: str
    body: str
    secrets: tuple[str, ...] = Shape(default=(), repr=False)
    attempt: int


class Outcome(BaseModel):
    """How one try ended: ``ok``, or ``gone`` where no more is wanted, ``final`` where trying again is useless."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    gone: bool = False
    final: bool = False
    status: int | None = None
    problem: str = ""
    response: str = ""
    seconds: float = 0.0
    retry_after: float | None = None
