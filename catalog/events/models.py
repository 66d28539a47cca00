"""The outbox: events, and one delivery for each job that wants one."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Counter, Json, Timestamp, one_of


class DeliveryState(StrEnum):
    """Where a delivery stands: ``dead`` waits for a person, every other state moves by itself."""

    PENDING = "pending"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class EventRecord(SQLModel, table=True):
    """One event as it happened; ``sequence`` orders the events of a subject."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_tenant_id_sequence", "tenant_id", "sequence"),
        Index("ix_events_unrelayed", "sequence", postgresql_where=text("relayed_at IS NULL")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    sequence: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False, unique=True)
    )
    tenant_id: UUID
    type: str
    subject: str
    actor: str
    correlation_id: UUID
    causation_id: UUID | None = None
    data: dict[str, Any] = Field(sa_type=Json)
    occurred_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    relayed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Delivery(SQLModel, table=True):
    """One event on its way to one job. This row is the truth; the message in the queue is only a hint.

    ``lease_until`` bounds how long a sent or running delivery may stay silent before it is sent again, and
    ``attempt`` fences out whoever still works on an earlier sending.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("uq_deliveries_event_id_job", "event_id", "job", unique=True),
        Index("ix_deliveries_due", "next_attempt_at", postgresql_where=text("state IN ('pending', 'sent', 'running')")),
        Index("ix_deliveries_subject", "job", "subject", "sequence", postgresql_where=text("state <> 'done'")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: UUID
    event_id: UUID = Field(foreign_key="events.id", ondelete="CASCADE")
    sequence: int = Field(sa_type=Counter)
    subject: str
    job: str
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=one_of(DeliveryState))
    attempt: int = 0
    next_attempt_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
