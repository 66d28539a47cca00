"""Evaluations as others read them, and evaluating again what was evaluated."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from catalog.errors import NotFoundError
from catalog.gating import Violation
from catalog.policies import queries
from catalog.policies.decision_log import clean
from catalog.policies.engine import Decided, Denied, Moment, PolicyEngine, Question
from catalog.policies.errors import EngineMissingError
from catalog.policies.grounds import Grounds, findings
from catalog.policies.models import Evaluation, Trial
from catalog.policies.rules import Decision, Subject
from catalog.policies.service.exempting import Exempting
from catalog.policies.shapes import EvaluationFilter, EvaluationRead, EvaluationSummary, ReplayedEvaluation


class History(Exempting):
    """What was decided, and why."""

    def evaluation(self, tenant_id: UUID, evaluation_id: UUID) -> Evaluation:
        """Return one evaluation; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.evaluation(self._session, tenant_id, evaluation_id)
        if found is None:
            raise NotFoundError(f"There is no evaluation {evaluation_id}.")
        return found

    def evaluations(
        self,
        tenant_id: UUID,
        wanted: EvaluationFilter,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> Sequence[Evaluation]:
        """Return evaluations, newest first; ``before`` is the time and id of the last one already seen."""
        return queries.evaluations(self._session, tenant_id, wanted, before, limit)

    def replay(self, tenant_id: UUID, evaluation_id: UUID, engine: PolicyEngine) -> ReplayedEvaluation:
        """Evaluate the same bytes with the same bundles at the same moment; compare results and verdict bit for bit.

        ``engine`` has to be of the kind that decided (``Evaluation.engine``), as another may rightly answer otherwise;
        ``EngineMissingError`` is raised where it is not. The verdict is made again from the bindings, waivers and
        overrides that counted then. Raises ``AssetNotFoundError`` or ``BundleNotCompiledError`` where a bundle is no
        longer there.
        """
        before = self.evaluation(tenant_id, evaluation_id)
        if engine.name != before.engine:
            raise EngineMissingError(f"The engine {before.engine} decided this, and {engine.name} would answer.")
        document = json.loads(before.input)
        moment = Moment(before.now_ns, before.seed)
        results: list[dict[str, Any]] = []
        answered: dict[tuple[str, str], list[Violation]] = {}
        for used in before.bundles:
            loaded = self._bundles.exactly(self._session, tenant_id, used["asset"], used["version"])
            again = ask(engine, loaded.asset, loaded.version, [loaded.compiled], document, moment)
            answered[loaded.asset, loaded.version] = findings(again, loaded.asset, loaded.level)
            results += again
        differences = [_place(one) for one, other in _pairs(before.results, clean(results)) if one != other]
        grounds, same_verdict = Grounds.from_json(before.grounds), None
        if grounds is not None:
            verdict = said(grounds.decide(answered, Subject.from_json(before.subject), before.created_at))
            differing = [name for name, value in verdict.items() if getattr(before, name) != value]
            same_verdict = not differing
            differences += [f"verdict: {name}" for name in differing]
        return ReplayedEvaluation(
            evaluation=before.id,
            equal=digest_of(results) == before.results_digest and same_verdict is not False,
            verdict_equal=same_verdict,
            engine=engine.name,
            engine_version=engine.version,
            results_digest=before.results_digest,
            replayed_digest=digest_of(results),
            differences=differences,
        )

    def forget_before(self, tenant_id: UUID, moment: datetime) -> int:
        """Remove the evaluations (and trials) from before a moment, as the settings ask; return how many."""
        tried = delete(Trial).where(col(Trial.tenant_id) == tenant_id, col(Trial.created_at) < moment)
        self._session.connection().execute(tried)
        old = delete(Evaluation).where(col(Evaluation.tenant_id) == tenant_id, col(Evaluation.created_at) < moment)
        return int(self._session.connection().execute(old).rowcount)


def ask(
    engine: PolicyEngine, asset: str, version: str, compiled: Sequence[Any], document: Any, moment: Moment
) -> list[dict[str, Any]]:
    """Return what each entry point of a bundle answers, in the form in which it is stored."""
    answers = []
    for bundle in compiled:
        for entrypoint in bundle.entrypoints:
            outcome = engine.evaluate(Question(bundle, entrypoint, document, moment))
            answer: dict[str, Any] = {
                "asset": asset,
                "version": version,
                "digest": bundle.digest,
                "entrypoint": entrypoint,
            }
            match outcome:
                case Decided(value=value):
                    answer["value"] = value
                case Denied(code=code, reason=reason):
                    answer["denied"] = {"code": str(code), "reason": reason}
            answers.append(answer)
    return answers


def said(decision: Decision) -> dict[str, Any]:
    """Return a verdict as the columns of an evaluation keep it."""
    lists = {name: getattr(decision, name) for name in ("violations", "waived", "overridden", "shadow")}
    kept = {name: [each.model_dump(mode="json") for each in found] for name, found in lists.items()}
    return {"allowed": decision.allowed, "level": decision.level, **kept}


def digest_of(value: Any) -> str:
    """Return the SHA-256 of JSON data, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def summarise_evaluation(evaluation: Evaluation) -> EvaluationSummary:
    """Return one line of the list of evaluations."""
    return EvaluationSummary.model_validate(evaluation)


def read_evaluation(evaluation: Evaluation) -> EvaluationRead:
    """Return an evaluation with its input."""
    values = {name: getattr(evaluation, name) for name in EvaluationRead.model_fields if name != "input"}
    return EvaluationRead(**values, input=json.loads(evaluation.input))


def _pairs(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[tuple[Any, Any]]:
    longest = max(len(before), len(after))
    padded = [*before, *[{}] * (longest - len(before))], [*after, *[{}] * (longest - len(after))]
    return list(zip(*padded, strict=True))


def _place(result: dict[str, Any]) -> str:
    return f"{result.get('asset', '')} {result.get('entrypoint', '')}".strip()
