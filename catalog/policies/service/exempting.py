"""Waivers and overrides: what does not count for a while, who says so, and why."""

from datetime import datetime, timedelta
from uuid import UUID

from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.gating import Level, Violation
from catalog.policies import queries
from catalog.policies.errors import NotOverridableError, PersonNeededError
from catalog.policies.events import PolicyOverridden, PolicyWaived, PolicyWaiverEnded
from catalog.policies.models import Evaluation, Override, Waiver
from catalog.policies.rules import UNEVALUATED, UNREADABLE, Exemption, Subject
from catalog.policies.service.binding import BindingPolicies
from catalog.policies.shapes import CreateOverride, CreateWaiver, OverrideRead, Scope, WaiverRead
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

LONGEST_WAIVER = timedelta(days=366)
LONGEST_OVERRIDE = timedelta(days=31)


class Exempting(BindingPolicies):
    """What somebody may let pass, on record and for a while."""

    def waive(self, principal: Principal, asked: CreateWaiver) -> WaiverRead:
        """Let a rule not count for some subjects until an end, at most a year from now."""
        principal.require("policies:write")
        _check_end(asked.expires_at, LONGEST_WAIVER)
        waiver = Waiver(
            tenant_id=principal.tenant_id,
            rule=asked.rule,
            asset=asked.bundle,
            scope=asked.scope.model_dump(mode="json"),
            reason=asked.reason,
            owner=asked.owner,
            expires_at=asked.expires_at,
            created_by=principal.name,
        )
        self._session.add(waiver)
        self._session.flush()
        data = PolicyWaived(waiver_id=waiver.id, rule=waiver.rule, owner=waiver.owner, expires_at=waiver.expires_at)
        self._note(principal, "policy.waive", f"policies/waivers/{waiver.id}", data, {"rule": waiver.rule})
        return WaiverRead.model_validate(waiver)

    def end_waiver(self, principal: Principal, waiver_id: UUID) -> WaiverRead:
        """Take a waiver back; doing so again changes nothing."""
        principal.require("policies:write")
        waiver = queries.waiver(self._session, principal.tenant_id, waiver_id)
        if waiver is None:
            raise NotFoundError(f"There is no waiver {waiver_id}.")
        if waiver.ended_at is None:
            waiver.ended_at = now()
            self._session.add(waiver)
            self._session.flush()
            data = PolicyWaiverEnded(waiver_id=waiver.id, rule=waiver.rule)
            self._note(principal, "policy.end_waiver", f"policies/waivers/{waiver.id}", data, {"rule": waiver.rule})
        return WaiverRead.model_validate(waiver)

    def waivers(self, tenant_id: UUID) -> list[WaiverRead]:
        """Return every waiver, those that end first first."""
        return [WaiverRead.model_validate(each) for each in queries.waivers(self._session, tenant_id)]

    def override(self, principal: Principal, asked: CreateOverride) -> OverrideRead:
        """Let the subject of a refused evaluation through, for the rules that refused it, until an end.

        It holds at the gate that refused it and for just what was judged there, at most a month; the next try finds it.
        Raises ``PersonNeededError`` for a token that belongs to nobody, and ``NotOverridableError`` where something
        stopped it that a person may not override, or nothing was refused at a gate.
        """
        principal.require("approvals:write")
        person = self._person(principal)
        _check_end(asked.expires_at, LONGEST_OVERRIDE)
        evaluation = queries.evaluation(self._session, principal.tenant_id, asked.evaluation)
        if evaluation is None:
            detail = f"There is no evaluation {asked.evaluation}."
            raise InvalidInputError(detail, [FieldError("/evaluation", detail)])
        stopping = _overridable(evaluation)
        override = Override(
            tenant_id=principal.tenant_id,
            evaluation_id=evaluation.id,
            point=evaluation.point,
            about=evaluation.about,
            covers=evaluation.subject["judged"],
            rules=[{"rule": rule, "bundle": bundle} for rule, bundle in _named(stopping)],
            member_id=principal.member_id,
            person=person,
            reason=asked.reason,
            expires_at=asked.expires_at,
        )
        self._session.add(override)
        self._session.flush()
        data = PolicyOverridden(
            override_id=override.id,
            evaluation_id=evaluation.id,
            about=override.about,
            person=override.person,
            expires_at=override.expires_at,
        )
        subject = f"policies/overrides/{override.id}"
        told = {"about": override.about, "point": str(override.point), "reason": override.reason}
        self._note(principal, "policy.override", subject, data, told)
        return OverrideRead.model_validate(override)

    def overrides(self, tenant_id: UUID, limit: int = 200) -> list[OverrideRead]:
        """Return the latest overrides, newest first."""
        return [OverrideRead.model_validate(each) for each in queries.overrides(self._session, tenant_id, limit)]

    def _person(self, principal: Principal) -> str:
        """Return the name of the member who acts, whatever the token is called."""
        members = TenantService(self._session).members(principal.tenant_id)
        name = next((each.name for each in members if each.id == principal.member_id), None)
        if name is None:
            raise PersonNeededError(
                "A person has to answer for this, and this token belongs to nobody. "
                "Sign in, or use a token of your own."
            )
        return name

    def _exemptions(self, tenant_id: UUID, subject: Subject, moment: datetime) -> list[Exemption]:
        waivers = [
            Exemption(each.rule, each.asset, each.expires_at, scope=Scope.model_validate(each.scope))
            for each in queries.waivers(self._session, tenant_id, holding_at=moment)
        ]
        if subject.point is None:
            return waivers
        overrides = [
            Exemption(one["rule"], one["bundle"], each.expires_at, covers=_covered(each))
            for each in queries.overrides_of(self._session, tenant_id, subject.about, subject.point, moment)
            for one in each.rules
        ]
        return [*waivers, *overrides]


def _covered(override: Override) -> Subject:
    return Subject(override.about, override.point, judged=override.covers)


def _overridable(evaluation: Evaluation) -> list[Violation]:
    """Return what stopped a subject, all of which a person may override."""
    found = map(Violation.model_validate, evaluation.violations)
    stopping = [each for each in found if each.level.rank > Level.ADVISORY.rank]
    if not stopping:
        raise NotOverridableError("Nothing stopped it, so there is nothing to override.")
    for each in stopping:
        if each.level is Level.MANDATORY or each.rule in {UNEVALUATED, UNREADABLE}:
            raise NotOverridableError(f"{each.rule} is mandatory: mend it, or have the rule waived.")
    if evaluation.point is None:
        raise NotOverridableError("Somebody only asked, and no gate refused it. Override what a gate refused.")
    if not evaluation.subject.get("judged"):
        raise NotOverridableError("This record does not say what just was judged. Try it again, and override that.")
    return stopping


def _named(violations: list[Violation]) -> list[tuple[str, str]]:
    return sorted({(each.rule, each.bundle) for each in violations})


def _check_end(end: datetime, longest: timedelta) -> None:
    moment = now()
    if moment < end <= moment + longest:
        return
    detail = f"Give an end in the future, at most {longest.days} days from now."
    raise InvalidInputError(detail, [FieldError("/expires_at", detail)])
