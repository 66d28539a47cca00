"""PolicyDesk: questions to policies that need the input document made first."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import Session

from catalog.assets.references import parse_reference
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.gates.compiled import CatalogBundles
from catalog.gates.holding import held
from catalog.gates.inputs import InputService
from catalog.gates.plans import previewed_plan
from catalog.gating import GatePoint, Level, Violation
from catalog.policies.engine import DenialCode, OpaServerEngine, PolicyEngine, WasmEngine
from catalog.policies.errors import EngineMissingError, EngineUnavailableError, NotEvaluatedError
from catalog.policies.models import Mode
from catalog.policies.rules import UNEVALUATED, Subject
from catalog.policies.service import Asked, Assessment, PolicyAsCodeService
from catalog.policies.shapes import Effective, Evaluate, Evaluated, ReplayedEvaluation
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal


@cache
def _engine(opa_url: str) -> PolicyEngine:
    return OpaServerEngine(opa_url) if opa_url else WasmEngine()


def policy_engine(settings: Settings) -> PolicyEngine:
    """Return the engine that the settings name, one for the process; it may be asked from several threads at once."""
    return _engine(settings.opa_url)


class PolicyDesk:
    """One unit of work on questions to policies; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._settings = settings
        self._inputs = InputService(session, settings)
        self._session = session
        self._bundles = CatalogBundles(settings)
        self.policies = PolicyAsCodeService(session, self._bundles, policy_engine(settings))

    def at_gate(
        self, tenant_id: UUID, point: GatePoint, subject: str, actor: str, plan: Mapping[str, Any] | None = None
    ) -> Assessment:
        """Return what everything that is bound says at a gate, and what is blocked there; nothing is written.

        ``plan`` is what the engine would do, and takes the place of what is known of the plan without it.
        """
        about, document = self._inputs.gather(tenant_id, point, subject, actor)
        if plan is not None:
            document["plan"] = previewed_plan(plan, document.get("plan", {}))
        stopping = held(self._session, self._settings, tenant_id, point, subject)
        return self.policies.assess(self._asked(tenant_id, actor, about, document), stopping)

    def wants_plan(self, tenant_id: UUID, point: GatePoint, subject: str, *, enforced: bool = False) -> bool:
        """Tell whether any bundle that is bound, in whatever mode, looks at the part ``plan`` of the input.

        With ``enforced`` only those count that decide.
        """
        about, _ = self._inputs.gather(tenant_id, point, subject, "")
        standing = self.policies.standing(tenant_id, about, now())
        counting = [each for each in standing if each.mode is Mode.ENFORCED or not enforced]
        return any(each.loaded is not None and each.loaded.reads("plan") for each in counting)

    def evaluate(self, principal: Principal, asked: Evaluate) -> Evaluated:
        """Answer a question and keep the record of it.

        ``bundle`` is asked about ``input`` (or about the release or environment that is named beside it); without a
        bundle everything that is bound is asked. Raises ``InvalidInputError`` for a question that is none, and
        ``NotEvaluatedError`` where a policy has no answer: then nothing is allowed.
        """
        principal.require("policies:read")
        about, document = self._about(principal, asked)
        question = self._asked(principal.tenant_id, principal.actor, about, document)
        if asked.bundle is None:
            subject = f"releases/{asked.release}" if asked.release else f"environments/{asked.environment}"
            stopping = held(self._session, self._settings, principal.tenant_id, None, subject)
            assessment = self.policies.assess(question, stopping)
        else:
            reference = parse_reference(asked.bundle, "/bundle")
            try:
                loaded = self._bundles.newest(self._session, principal.tenant_id, reference)
            except NotFoundError as error:
                raise InvalidInputError(error.detail, [FieldError("/bundle", error.detail)]) from None
            assessment = self.policies.assess_with(question, loaded, Level.MANDATORY)
        _hold_to_answers(assessment)
        self.policies.keep(assessment)
        return _evaluated(assessment)

    def effective(self, principal: Principal, subject: str, point: GatePoint | None = None) -> Effective:
        """Return everything that counts now for ``releases/<id>`` or ``environments/<id>``, at one gate if asked."""
        about, _ = self._inputs.gather(principal.tenant_id, point, subject, principal.actor)
        return self.policies.effective(principal.tenant_id, about)

    def effective_for(self, principal: Principal, service: str, asset: str, point: GatePoint | None) -> Effective:
        """Return everything that counts now for a service or an asset by name; for neither, for the whole tenant."""
        about = self._inputs.named(principal.tenant_id, service, asset, point)
        return self.policies.effective(principal.tenant_id, about)

    def blocks_of(self, tenant_id: UUID, subject: str) -> list[Violation]:
        """Return what agents hold ``releases/<id>`` or ``environments/<id>`` for, as gates tell it; waivers aside."""
        return held(self._session, self._settings, tenant_id, None, subject)

    def services(self, tenant_id: UUID) -> list[str]:
        """Return the names of what the tenant ships."""
        return [each.name for each in ReleaseService(self._session).services(tenant_id)]

    def replay(self, principal: Principal, evaluation_id: UUID) -> ReplayedEvaluation:
        """Evaluate again what was evaluated, with the kind of engine that decided, and compare bit for bit.

        Raises ``EngineMissingError`` where an OPA server decided and the settings name none any more.
        """
        decided_by = self.policies.evaluation(principal.tenant_id, evaluation_id).engine
        here = {each.name: each for each in (_engine(""), policy_engine(self._settings))}
        if decided_by not in here:
            fix = "Set SLIPWAY_OPA_URL to one" if decided_by == OpaServerEngine.name else "Nothing here can ask it"
            raise EngineMissingError(f"The engine {decided_by} decided this, and there is none here. {fix}.")
        return self.policies.replay(principal.tenant_id, evaluation_id, here[decided_by])

    def document_of(self, principal: Principal, subject: str) -> dict[str, Any]:
        """Return the input document of a subject as it is now."""
        return self._inputs.gather(principal.tenant_id, None, subject, principal.actor)[1]

    def _about(self, principal: Principal, asked: Evaluate) -> tuple[Subject, Any]:
        named = {
            "release": f"releases/{asked.release}" if asked.release else "",
            "environment": f"environments/{asked.environment}" if asked.environment else "",
        }
        given = [name for name, subject in named.items() if subject]
        if asked.bundle is not None and "input" in asked.model_fields_set and not given:
            return Subject(about=f"inputs/{uuid4()}"), asked.input
        if len(given) != 1 or "input" in asked.model_fields_set:
            detail = "Give a bundle with an input, or one release, or one environment."
            raise InvalidInputError(detail, [FieldError("", detail)])
        try:
            return self._inputs.gather(principal.tenant_id, None, named[given[0]], principal.actor)
        except NotFoundError as error:
            raise InvalidInputError(error.detail, [FieldError(f"/{given[0]}", error.detail)]) from None

    def _asked(self, tenant_id: UUID, actor: str, subject: Subject, document: Any) -> Asked:
        return Asked(tenant_id, actor, subject, document, self._settings.policy_masks)


def _hold_to_answers(assessment: Assessment) -> None:
    for each in assessment.unanswered:
        denied = each["denied"]
        detail = f"{each['asset']} {each['version']}, {each['entrypoint']}: {denied['reason']}"
        if denied["code"] == DenialCode.UNAVAILABLE:
            raise EngineUnavailableError(detail)
        raise NotEvaluatedError(detail, [FieldError("/input", f"{denied['code']}: {denied['reason']}")])
    for missing in assessment.record.violations:
        if missing["rule"] == UNEVALUATED:
            raise NotEvaluatedError(missing["message"])


def _evaluated(assessment: Assessment) -> Evaluated:
    verdict = assessment.verdict
    return Evaluated(
        allowed=verdict.allowed,
        level=verdict.level,
        violations=list(verdict.violations),
        bundles=list(verdict.bundles),
        evaluation=assessment.record.id,
        waived=list(verdict.waived),
        overridden=list(verdict.overridden),
        shadow=list(verdict.shadow),
    )
