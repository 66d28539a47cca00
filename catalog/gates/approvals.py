"""Approvals for the input document: who has said yes to all of these artifacts under just this name."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.approvals.models import EXTERNAL
from catalog.approvals.service import ApprovalService
from catalog.releases.digests import plan_digest


class ReleaseApprovals(Protocol):
    """Knows who has approved a release before it is recorded."""

    def approvals(self, tenant_id: UUID, subject: str, digests: Iterable[str]) -> list[dict[str, Any]]:
        """Return who approved the artifacts (``sha256:...``) of ``releases/SERVICE@VERSION``, as policies see it."""
        ...


class GrantedApprovals:
    """Approvals that were asked for over the API and that count at this moment.

    The subject of such an approval is the release's name, and the digest of its plan that of all its artifacts
    together (`plan_digest`), so a yes to other bytes, to some of them alone, or to another release, is none.
    """

    def __init__(self, session: Session) -> None:
        self._service = ApprovalService(session)

    def approvals(self, tenant_id: UUID, subject: str, digests: Iterable[str]) -> list[dict[str, Any]]:
        """See `ReleaseApprovals`."""
        every = list(dict.fromkeys(digests))
        grant = self._service.granted_for(tenant_id, EXTERNAL, subject, plan_digest(every)) if every else None
        if grant is None:
            return []
        said = {"at": grant.granted_at.isoformat(), "approval": str(grant.approval_id)}
        return [{"by": name, "artifact": digest, **said} for digest in every for name in grant.approvers]
