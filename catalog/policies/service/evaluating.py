"""Evaluating: a finished input document in, a decision and the record of it out."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.gating import Level, Verdict, Violation
from catalog.policies import queries, rules
from catalog.policies.bundles import Bundles, LoadedBundle
from catalog.policies.decision_log import clean
from catalog.policies.engine import Moment, PolicyEngine
from catalog.policies.events import PolicyEvaluated
from catalog.policies.grounds import Counted, Grounds, findings
from catalog.policies.masking import mask
from catalog.policies.models import Evaluation, Impact
from catalog.policies.rules import Decision, Subject
from catalog.policies.service.binding import Standing
from catalog.policies.service.history import ask, digest_of, said
from catalog.policies.service.received import Received
from catalog.policies.shapes import Scope


@dataclass(frozen=True)
class Asked:
    """Who asks what about whom: ``document`` is the finished input."""

    tenant_id: UUID
    actor: str
    subject: Subject
    document: Any
    masks: Sequence[str] = ()


@dataclass(frozen=True)
class Assessment:
    """What policies say, with the record of it that is not written yet, and the entry points without an answer."""

    verdict: Verdict
    record: Evaluation
    unanswered: tuple[Mapping[str, Any], ...] = ()


@dataclass
class _Run:
    """One evaluation while it is made."""

    document: Any
    moment: Moment
    results: list[dict[str, Any]] = field(default_factory=list)
    held: tuple[Violation, ...] = ()
    counted: list[Counted] = field(default_factory=list)
    loaded: dict[tuple[str, str], LoadedBundle] = field(default_factory=dict)
    answered: dict[tuple[str, str], list[Violation]] = field(default_factory=dict)


class Evaluating(Received):
    """What policies say of a subject."""

    def __init__(self, session: Session, bundles: Bundles, engine: PolicyEngine) -> None:
        super().__init__(session, bundles)
        self._engine = engine

    def assess(self, asked: Asked, held: Sequence[Violation] = ()) -> Assessment:
        """Ask everything that counts for the subject now; nothing is written, see ``keep``.

        ``held`` is what stops the subject whatever policies say; it can be waived as a rule can.
        """
        at = now()
        return self._assess(asked, self.standing(asked.tenant_id, asked.subject, at), at, held)

    def assess_with(self, asked: Asked, loaded: LoadedBundle, level: Level, moment: Moment | None = None) -> Assessment:
        """Ask one bundle, as if it were in force at ``level`` and nothing else were; ``moment`` is now by default."""
        at = now()
        began = time.perf_counter()
        run = self._run(asked, at)
        run.moment = moment or run.moment
        self._ask(run, loaded)
        run.counted.append(Counted(loaded.asset, loaded.version, level))
        return self._conclude(asked, run, at, began)

    def is_meant(self, scope: Mapping[str, Any], points: Sequence[str], subject: Subject) -> bool:
        """Tell whether a binding with this scope and these gates would mean the subject."""
        return rules.covers(Scope.model_validate(scope), subject) and rules.stands_at(points, subject)

    def add_impact(self, impact: Impact) -> None:
        """Write an assessment of impact."""
        self._session.add(impact)
        self._session.flush()

    def impact(self, tenant_id: UUID, impact_id: UUID, *, lock: bool = False) -> Impact:
        """Return one assessment of impact; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.impact(self._session, tenant_id, impact_id, lock=lock)
        if found is None:
            raise NotFoundError(f"There is no assessment {impact_id}.")
        return found

    def impacts(self, tenant_id: UUID, limit: int = 50) -> Sequence[Impact]:
        """Return the latest assessments of impact, newest first."""
        return queries.impacts(self._session, tenant_id, limit)

    def latest_of_each(self, tenant_id: UUID, points: Sequence[str], limit: int) -> Sequence[tuple[UUID, str]]:
        """Return id and subject of the latest evaluation at a gate of each subject, newest first."""
        return queries.latest_of_each(self._session, tenant_id, points, limit)

    @staticmethod
    def tenants_with_old(session: Session, before: datetime) -> Sequence[UUID]:
        """Return the tenants that have evaluations from before a moment; needs a session of the system role."""
        return queries.tenants_with_old(session, before)

    def keep(self, assessment: Assessment) -> Evaluation:
        """Write the record of an assessment, with its event where anything was asked or found."""
        record = assessment.record
        self._session.add(record)
        self._session.flush()
        if record.bundles or record.violations:
            data = PolicyEvaluated(
                evaluation_id=record.id,
                point=record.point,
                about=record.about,
                allowed=record.allowed,
                level=record.level,
                rules=sorted({each["rule"] for each in record.violations}),
            )
            subject = f"policies/evaluations/{record.id}"
            outbox.append(self._session, data, tenant_id=record.tenant_id, subject=subject, actor=record.actor)
        return record

    def _run(self, asked: Asked, at: datetime) -> _Run:
        document = mask(asked.document, asked.masks)
        return _Run(document, Moment(int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000, uuid4().hex))

    def _assess(
        self, asked: Asked, standing: Sequence[Standing], at: datetime, held: Sequence[Violation] = ()
    ) -> Assessment:
        began = time.perf_counter()
        run = self._run(asked, at)
        run.held = tuple(held)
        for each in standing:
            binding, loaded = each.binding, each.loaded
            asset, version = (binding.asset, None) if loaded is None else (loaded.asset, loaded.version)
            problem = "" if loaded else each.problem or "there is no version to ask"
            run.counted.append(Counted(asset, version, binding.level, each.mode, problem, str(binding.id)))
            if loaded is not None and (loaded.asset, loaded.version) not in run.answered:
                self._ask(run, loaded)
        return self._conclude(asked, run, at, began)

    def _ask(self, run: _Run, loaded: LoadedBundle) -> None:
        results = ask(self._engine, loaded.asset, loaded.version, [loaded.compiled], run.document, run.moment)
        run.results += results
        run.loaded[loaded.asset, loaded.version] = loaded
        run.answered[loaded.asset, loaded.version] = findings(results, loaded.asset, loaded.level)

    def _conclude(self, asked: Asked, run: _Run, at: datetime, began: float) -> Assessment:
        exemptions = self._exemptions(asked.tenant_id, asked.subject, at)
        grounds = Grounds(tuple(run.counted), run.held, tuple(exemptions))
        decision = grounds.decide(run.answered, asked.subject, at)
        record = self._record(asked, run, decision, at)
        record.grounds = grounds.as_json()
        record.microseconds = int((time.perf_counter() - began) * 1_000_000)
        verdict = Verdict(
            allowed=decision.allowed,
            level=decision.level,
            violations=decision.violations,
            bundles=tuple(each.used for each in run.loaded.values()),
            evaluation=record.id,
            waived=decision.waived,
            overridden=decision.overridden,
            shadow=decision.shadow,
        )
        unanswered = tuple(each for each in run.results if "denied" in each)
        return Assessment(verdict, record, unanswered)

    def _record(self, asked: Asked, run: _Run, decision: Decision, at: datetime) -> Evaluation:
        text = json.dumps(run.document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        return Evaluation(
            tenant_id=asked.tenant_id,
            point=asked.subject.point,
            about=asked.subject.about,
            subject=asked.subject.as_json(),
            actor=asked.actor,
            **said(decision),
            bundles=[each.used.model_dump(mode="json") for each in run.loaded.values()],
            # The digest is of what the policies said; what is kept of it leaves out what the database cannot hold.
            results=clean(run.results),
            results_digest=digest_of(run.results),
            input=text,
            input_digest=hashlib.sha256(text).hexdigest(),
            engine=self._engine.name,
            engine_version=self._engine.version,
            now_ns=run.moment.now_ns,
            seed=run.moment.seed,
            created_at=at,
        )
