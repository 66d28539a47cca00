"""ApprovalService: gates are asked for, decided by people, and used once they are open."""

from catalog.approvals.service.delegating import Delegating
from catalog.approvals.service.policy import ApproverPolicy

__all__ = ["ApprovalService", "ApproverPolicy"]


class ApprovalService(Delegating):
    """One unit of work on approvals; everything happens in the session's transaction."""
