"""Approvals for the input document: who has said yes to just these artifacts under just this name."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.approvals.models import EXTERNAL
from catalog.approvals.service import ApprovalService


class ReleaseApprovals(Protocol):
    """Knows who has approved a release before it is recorded."""

    def approvals(self, tenant_id: UUID, subject: str, digests: Iterable[str]) -> list[dict[str, Any]]:
        """Return who approved the artifacts (``sha256:...``) of ``releases/SERVICE@VERSION``, as policies see it."""
        ...


class GrantedApprovals:
    """Approvals that were asked for over the API and that count at this moment.

    The subject of such an approval is the release's name, and the digest of its plan that of one artifact, so a yes to
    other bytes, or to another release, is none.
    """

    def __init__(self, session: Session) -> None:
        self._service = ApprovalService(session)

    def approvals(self, tenant_id: UUID, subject: str, digests: Iterable[str]) -> list[dict[str, Any]]:
        """See `ReleaseApprovals`."""
        found = []
        for digest in dict.fromkeys(digests):
            algorithm, _, text = digest.partition(":")
            grant = self._service.granted_for(tenant_id, EXTERNAL, subject, text) if algorithm == "sha256" else None
            if grant is not None:
                at = grant.granted_at.isoformat()
                said = {"at": at, "artifact": digest, "approval": str(grant.approval_id)}
                found += [{"by": name, **said} for name in grant.approvers]
        return found
