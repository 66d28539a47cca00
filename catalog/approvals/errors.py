"""Why a gate does not open, and why somebody may not open it."""

from catalog.errors import ConflictError, ForbiddenError


class NoApproversError(ConflictError):
    """Nobody, or too few people, could approve: the gate stays shut and says so."""

    code = "no_approvers"
    title = "Nobody can approve this"


class ApprovalNeededError(ConflictError):
    """People have to approve first, or what they approved is not what would be done."""

    code = "approval_needed"
    title = "This needs an approval"


class ApprovalClosedError(ConflictError):
    """It was decided, has expired, or was voided."""

    code = "approval_closed"
    title = "There is nothing left to decide"


class PlanChangedError(ConflictError):
    """Another plan waits than the one that was looked at."""

    code = "plan_changed"
    title = "The plan is another one by now"


class NotYourDecisionError(ForbiddenError):
    """The caller is the requester, is no person, or is not among those who may approve."""

    code = "not_your_decision"
    title = "Somebody else has to decide this"
