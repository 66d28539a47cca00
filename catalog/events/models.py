"""The outbox: events as they happened."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Counter, Json, Timestamp


class EventRecord(SQLModel, table=True):
    """One event as it happened.

    ``sequence`` is drawn while the event's transaction is open and orders the events of a subject. ``position`` is
    given by the relay once the event is visible to all, so that a reader who remembers one can never miss another.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_tenant_id_position", "tenant_id", "position"),
        Index("ix_events_relayed_at", "relayed_at"),
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
    position: int | None = Field(default=None, sa_type=Counter)
