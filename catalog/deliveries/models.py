"""Deliveries of events to jobs, and the schedules of periodic jobs."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Counter, Timestamp, one_of


class DeliveryState(StrEnum):
    """Where a delivery stands: ``dead`` waits for a person, every other state moves by itself."""

    PENDING = "pending"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class Delivery(SQLModel, table=True):
    """One event on its way to one job. This row is the truth; the message in the queue is only a hint.

    ``lease_until`` bounds how long a sent or running delivery may stay silent before it is sent again. ``attempt``
    counts the starts and fences out whoever still works on an earlier one; ``failures`` counts those that failed.
    ``position`` orders the deliveries of one job and subject.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("uq_deliveries_event_id_job", "event_id", "job", unique=True),
        Index("ix_deliveries_pending", "job", "tenant_id", "position", postgresql_where=text("state = 'pending'")),
        Index("ix_deliveries_held", "lease_until", postgresql_where=text("state IN ('sent', 'running')")),
        Index(
            "ix_deliveries_subject",
            "job",
            "tenant_id",
            "subject",
            "position",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_deliveries_next_attempt", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("ix_deliveries_dead", "tenant_id", "finished_at", postgresql_where=text("state = 'dead'")),
        Index("ix_deliveries_done", "finished_at", postgresql_where=text("state = 'done'")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: UUID
    event_id: UUID = Field(foreign_key="events.id", ondelete="CASCADE")
    position: int = Field(sa_type=Counter)
    subject: str
    job: str
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=one_of(DeliveryState))
    attempt: int = 0
    failures: int = 0
    next_attempt_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Schedule(SQLModel, table=True):
    """When a periodic job is due next; ``run`` fences as ``Delivery.attempt`` does, and its state is never final."""

    __tablename__ = "schedules"

    job: str = Field(primary_key=True)
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=one_of(DeliveryState))
    run: int = Field(default=0, sa_type=Counter)
    due_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
