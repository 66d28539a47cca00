"""ImpactDesk: what a bundle would have stopped, had it been in force; asked before anybody activates it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import parse_reference
from catalog.clock import now
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError
from catalog.events import outbox
from catalog.gates.compiled import CatalogBundles
from catalog.gates.inputs import InputService
from catalog.gates.service import policy_engine
from catalog.gating import GatePoint, Level
from catalog.operations.models import OperationState, Problem, Step, StepState
from catalog.operations.service import OperationService
from catalog.policies.bundles import LoadedBundle
from catalog.policies.engine import Moment
from catalog.policies.events import PolicyImpactAssessed, PolicyImpactRequested
from catalog.policies.models import Impact
from catalog.policies.rules import Subject
from catalog.policies.service import Asked, PolicyAsCodeService
from catalog.policies.shapes import AskImpact, ImpactRead
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal

STEPS = (
    Step(name="collect", title="Collect past releases, environments and publications"),
    Step(name="evaluate", title="Ask the bundle about each of them"),
    Step(name="report", title="Write the report"),
)
SYSTEM = "system"


@dataclass(frozen=True)
class Case:
    """One subject to look at: by the record of its last evaluation at a gate, or as it is now where there is none."""

    evaluation: UUID | None = None
    subject: str = ""
    point: GatePoint = GatePoint.RELEASE


class ImpactDesk:
    """One unit of work on assessments of impact; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._bundles = CatalogBundles(settings)
        self._policies = PolicyAsCodeService(session, self._bundles, policy_engine(settings))
        self._operations = OperationService(session)

    def request(self, principal: Principal, asked: AskImpact) -> Impact:
        """Ask what a bundle would have stopped; a worker finds out. Raises ``InvalidInputError`` for no such bundle."""
        principal.require("policies:write")
        reference = parse_reference(asked.bundle, "/bundle")
        try:
            loaded = self._bundles.newest(self._session, principal.tenant_id, reference)
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/bundle", error.detail)]) from None
        subject = f"policies/{loaded.asset}"
        operation = self._operations.start(principal.tenant_id, "policy.impact", subject, STEPS, principal.actor)
        impact = Impact(
            tenant_id=principal.tenant_id,
            asset=loaded.asset,
            version=loaded.version,
            digest=loaded.compiled.digest,
            level=asked.level,
            points=[str(each) for each in asked.points],
            scope=asked.scope.model_dump(mode="json"),
            most=asked.most,
            operation_id=operation.id,
            created_by=principal.name,
        )
        self._policies.add_impact(impact)
        data = PolicyImpactRequested(impact_id=impact.id, operation_id=operation.id)
        name = f"policies/impacts/{impact.id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=name, actor=principal.actor)
        return impact

    def begin(self, tenant_id: UUID, impact_id: UUID) -> list[Case]:
        """Return what there is to look at; nothing where the report is written already."""
        impact = self._policies.impact(tenant_id, impact_id)
        if impact.finished_at is not None:
            return []
        self._operations.run(tenant_id, impact.operation_id)
        self._operations.step(tenant_id, impact.operation_id, "collect", StepState.RUNNING)
        known = self._policies.latest_of_each(tenant_id, impact.points, impact.most)
        cases = [Case(evaluation=identifier) for identifier, _ in known]
        seen = {about for _, about in known}
        cases += [case for about, case in self._unasked(tenant_id, impact) if about not in seen]
        return cases[: impact.most]

    def _unasked(self, tenant_id: UUID, impact: Impact) -> Iterator[tuple[str, Case]]:
        """Yield releases and living environments by name: there may be no record left of what gates said of them."""
        if not impact.points or GatePoint.RELEASE in impact.points:
            for each in ReleaseService(self._session).page(tenant_id, limit=impact.most):
                yield f"releases/{each.service}@{each.version}", Case(subject=f"releases/{each.id}")
        if not impact.points or GatePoint.ENVIRONMENT_UPDATE in impact.points:
            point, living = GatePoint.ENVIRONMENT_UPDATE, sorted(set(Phase) - {Phase.DESTROYED})
            environments = EphemeralEnvironmentService(self._session, self._settings)
            for row in environments.page(tenant_id, living, limit=impact.most):
                about = f"environments/{row.repository}#{row.pull_request}"
                yield about, Case(subject=f"environments/{row.id}", point=point)

    def look(self, tenant_id: UUID, impact_id: UUID, cases: Sequence[Case]) -> list[dict[str, Any]]:
        """Return what the bundle says of some subjects; those outside the scope are left out."""
        impact = self._policies.impact(tenant_id, impact_id)
        loaded = self._bundles.exactly(self._session, tenant_id, impact.asset, impact.version)
        found = (self._case(tenant_id, impact, loaded, case) for case in cases)
        return [each for each in found if each is not None]

    def progress(self, tenant_id: UUID, impact_id: UUID, done: int, total: int) -> None:
        """Tell how far it is."""
        impact = self._policies.impact(tenant_id, impact_id)
        message = f"{done} of {total}"
        self._operations.step(tenant_id, impact.operation_id, "evaluate", StepState.RUNNING, message)

    def finish(self, tenant_id: UUID, impact_id: UUID, cases: Sequence[dict[str, Any]]) -> Impact:
        """Write the report; one that is written already stays."""
        impact = self._policies.impact(tenant_id, impact_id, lock=True)
        if impact.finished_at is not None:
            return impact
        order = {"blocked": 0, "warned": 1, "kept": 2}
        impact.cases = sorted(cases, key=lambda each: (order[each["outcome"]], each["about"]))
        impact.total = len(cases)
        impact.blocked = sum(each["outcome"] == "blocked" for each in cases)
        impact.warned = sum(each["outcome"] == "warned" for each in cases)
        impact.finished_at = now()
        self._policies.add_impact(impact)
        self._operations.step(tenant_id, impact.operation_id, "report", StepState.RUNNING)
        self._operations.finish(tenant_id, impact.operation_id, OperationState.SUCCEEDED)
        data = PolicyImpactAssessed(
            impact_id=impact.id,
            asset=impact.asset,
            version=impact.version,
            blocked=impact.blocked,
            total=impact.total,
        )
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"policies/impacts/{impact.id}", actor=SYSTEM)
        return impact

    def abandon(self, tenant_id: UUID, impact_id: UUID, reason: str) -> None:
        """End the operation, because no further try is made."""
        impact = self._policies.impact(tenant_id, impact_id)
        problem = Problem(code="impact_failed", message=reason, hint="Ask again, or see the worker's log.")
        self._operations.finish(tenant_id, impact.operation_id, OperationState.FAILED, problem)

    def impacts(self, tenant_id: UUID) -> list[ImpactRead]:
        """Return the latest assessments, newest first."""
        return [ImpactRead.model_validate(each) for each in self._policies.impacts(tenant_id)]

    def impact(self, tenant_id: UUID, impact_id: UUID) -> ImpactRead:
        """Return one assessment; raise ``NotFoundError`` where the tenant has none of that id."""
        return ImpactRead.model_validate(self._policies.impact(tenant_id, impact_id))

    def _case(self, tenant_id: UUID, impact: Impact, loaded: LoadedBundle, case: Case) -> dict[str, Any] | None:
        was_allowed, moment = True, None
        if case.evaluation is not None:
            before = self._policies.evaluation(tenant_id, case.evaluation)
            subject, document = Subject.from_json(before.subject), json.loads(before.input)
            was_allowed, moment = before.allowed, Moment(before.now_ns, before.seed)
        else:
            try:
                inputs = InputService(self._session, self._settings)
                subject, document = inputs.gather(tenant_id, case.point, case.subject, SYSTEM)
            except NotFoundError:
                return None
        if not self._policies.is_meant(impact.scope, impact.points, subject):
            return None
        asked = Asked(tenant_id, SYSTEM, subject, document, self._settings.policy_masks)
        verdict = self._policies.assess_with(asked, loaded, Level(impact.level), moment).verdict
        return {
            "about": subject.about,
            "point": None if subject.point is None else str(subject.point),
            "evaluation": None if case.evaluation is None else str(case.evaluation),
            "was_allowed": was_allowed,
            "outcome": "blocked" if not verdict.allowed else "warned" if verdict.violations else "kept",
            "violations": [each.model_dump(mode="json") for each in verdict.violations],
        }
