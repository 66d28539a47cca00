"""What happens to gates; comments stay with the approval and travel in no event."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from catalog.events.registry import EventData, event


class ApprovalData(EventData):
    """What every event of a gate tells: which one, about what, and the plan that it is bound to."""

    approval_id: UUID
    kind: str
    subject: str
    title: str
    plan_digest: str


@event("approval.requested", version=1)
class ApprovalRequested(ApprovalData):
    """A decision is needed from ``approvers`` (members), until ``expires_at``."""

    approvers: list[UUID]
    needed: int
    expires_at: datetime


@event("approval.decided", version=1)
class ApprovalDecided(ApprovalData):
    """One person approved or denied; the gate itself may still wait for others."""

    member_id: UUID
    approves: bool
    given: int
    needed: int


@event("approval.granted", version=1)
class ApprovalGranted(ApprovalData):
    """The gate is open for this plan, by the members ``approvers``."""

    approvers: list[UUID]


@event("approval.denied", version=1)
class ApprovalDenied(ApprovalData):
    """Somebody said no."""

    member_id: UUID


@event("approval.expired", version=1)
class ApprovalExpired(ApprovalData):
    """Nobody decided in time."""


@event("approval.voided", version=1)
class ApprovalVoided(ApprovalData):
    """It no longer counts, because of ``cause``."""

    cause: Literal["plan_changed", "withdrawn"]


@event("approval.delegated", version=1)
class ApprovalDelegated(EventData):
    """A member lets another decide in its place."""

    delegation_id: UUID
    giver_id: UUID
    taker_id: UUID
    until: datetime


@event("approval.delegation_ended", version=1)
class ApprovalDelegationEnded(EventData):
    """A delegation was taken back."""

    delegation_id: UUID
    giver_id: UUID
    taker_id: UUID
