"""Operations, their steps and the log that their streams are read from."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Column, Identity, Index
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class OperationState(StrEnum):
    """Where an operation stands; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Where one step of an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(BaseModel):
    """One step: ``name`` for programs, ``title`` for people, ``message`` says how it goes or why it failed."""

    name: str
    title: str
    state: StepState = StepState.PENDING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str | None = None


class Problem(BaseModel):
    """Why something failed: a stable ``code``, a sentence, and what the reader can do about it."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str | None = None


class Operation(SQLModel, table=True):
    """One long action on one subject, such as ``environments/<id>``."""

    __tablename__ = "operations"
    __table_args__ = (Index("ix_operations_tenant_id_subject", "tenant_id", "subject"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    kind: str
    subject: str
    state: OperationState = Field(default=OperationState.PENDING, sa_type=one_of(OperationState))
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    error: dict[str, Any] | None = Field(default=None, sa_type=Json)
    requested_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class OperationEvent(SQLModel, table=True):
    """One line of an operation's stream; ``id`` is what ``Last-Event-ID`` names."""

    __tablename__ = "operation_events"
    __table_args__ = (Index("ix_operation_events_operation_id_id", "operation_id", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: UUID
    operation_id: UUID = Field(foreign_key="operations.id", ondelete="CASCADE")
    at: datetime = Field(default_factory=now, sa_type=Timestamp)
    type: str
    data: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class OperationRead(BaseModel):
    """An operation as others read it; ``progress`` is the share of finished steps in percent."""

    id: UUID
    kind: str
    subject: str
    state: OperationState
    steps: list[Step]
    progress: int
    error: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationEventRead(BaseModel):
    """One line of an operation's stream: ``type`` is ``state``, ``step`` or ``log``."""

    id: int
    at: datetime
    type: str
    data: dict[str, Any]
