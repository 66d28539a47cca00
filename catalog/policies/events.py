"""What happens to policies. Events name rules and subjects, never the input that was looked at."""

from datetime import datetime
from uuid import UUID

from catalog.events.registry import EventData, event


@event("policy.bound", version=1)
class PolicyBound(EventData):
    """A bundle counts from now on, where its binding says."""

    binding_id: UUID
    asset: str
    constraint: str
    level: str
    scope: str


@event("policy.unbound", version=1)
class PolicyUnbound(EventData):
    """A binding has ended."""

    binding_id: UUID
    asset: str


@event("policy.evaluated", version=1)
class PolicyEvaluated(EventData):
    """Policies decided about a subject; ``point`` is the gate, None where somebody asked."""

    evaluation_id: UUID
    point: str | None
    about: str
    allowed: bool
    level: str
    rules: list[str]


@event("policy.waived", version=1)
class PolicyWaived(EventData):
    """A rule does not count for some subjects until the waiver expires."""

    waiver_id: UUID
    rule: str
    owner: str
    expires_at: datetime


@event("policy.waiver_ended", version=1)
class PolicyWaiverEnded(EventData):
    """A waiver was taken back before it expired."""

    waiver_id: UUID
    rule: str


@event("policy.overridden", version=1)
class PolicyOverridden(EventData):
    """A person lets one subject through although rules are not kept, until an end."""

    override_id: UUID
    evaluation_id: UUID
    about: str
    person: str
    expires_at: datetime


@event("policy.trial_requested", version=1)
class PolicyTrialRequested(EventData):
    """Somebody tries a policy that is being written."""

    trial_id: UUID
    operation_id: UUID


@event("policy.impact_requested", version=1)
class PolicyImpactRequested(EventData):
    """Somebody wants to know what a bundle would have stopped."""

    impact_id: UUID
    operation_id: UUID


@event("policy.impact_assessed", version=1)
class PolicyImpactAssessed(EventData):
    """It is known what a bundle would have stopped."""

    impact_id: UUID
    asset: str
    version: str
    blocked: int
    total: int
