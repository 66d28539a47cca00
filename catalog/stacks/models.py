"""Stacks and the lease under which one of them is changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Counter, Json, Timestamp, one_of


class StackState(StrEnum):
    """What is known of a stack; ``unknown`` means that an operation on it was cut off."""

    EMPTY = "empty"
    CHANGING = "changing"
    APPLIED = "applied"
    UNKNOWN = "unknown"
    DESTROYED = "destroyed"


class StackResource(BaseModel):
    """One resource of a stack, as far as others may see it."""

    model_config = ConfigDict(frozen=True)

    type: str
    name: str
    id: str


class Stack(SQLModel, table=True):
    """One stack of the engine. ``fence`` grows with each lease, so that a late holder can write nothing."""

    __tablename__ = "stacks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "project", "name"),
        Index("ix_stacks_tenant_id_owner", "tenant_id", "owner"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    project: str
    name: str
    owner: str
    target: str
    state: StackState = Field(default=StackState.EMPTY, sa_type=one_of(StackState))
    resources: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    outputs: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    graph: dict[str, Any] | None = Field(default=None, sa_type=Json)
    fence: int = Field(default=0, sa_type=Counter)
    lease_holder: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


@dataclass(frozen=True)
class Lease:
    """The right to change one stack; ``interrupted`` tells that the holder before was cut off in the middle."""

    tenant_id: UUID
    stack_id: UUID
    holder: str
    fence: int
    interrupted: bool
