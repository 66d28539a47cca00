"""PolicyGate: what stands at every gate point."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.gates.service import PolicyDesk
from catalog.gating import GatePoint, Level, OverrideNeededError, PolicyRefusedError, Verdict
from catalog.policies.service import Assessment
from catalog.settings import Settings


class PolicyGate:
    """Asks the policies that are bound in a tenant, and keeps a record of what they said.

    The record of a refusal is written by whoever rolls the refused work back.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def ask(
        self,
        session: Session,
        tenant_id: UUID,
        point: GatePoint,
        subject: str,
        actor: str,
        plan: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """Return what policies say of ``subject``; raise ``PolicyRefusedError`` where it is not allowed."""
        desk = PolicyDesk(session, self._settings)
        assessment = desk.at_gate(tenant_id, point, subject, actor, plan)
        if assessment.verdict.allowed:
            desk.policies.keep(assessment)
            return assessment.verdict
        keep = partial(_keep, assessment, self._settings)
        if assessment.verdict.level is Level.OVERRIDABLE:
            raise OverrideNeededError(assessment.verdict, keep)
        raise PolicyRefusedError(assessment.verdict, keep)

    def wants_plan(
        self, session: Session, tenant_id: UUID, point: GatePoint, subject: str, *, enforced: bool = False
    ) -> bool:
        """Tell whether a bundle that is bound, or one that decides, reads ``input.plan``, or may do so."""
        return PolicyDesk(session, self._settings).wants_plan(tenant_id, point, subject, enforced=enforced)


def _keep(assessment: Assessment, settings: Settings, session: Session) -> None:
    PolicyDesk(session, settings).policies.keep(assessment)
