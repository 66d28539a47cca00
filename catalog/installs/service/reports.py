"""The side of installs that workers speak to: what is to be worked out or brought about, and how that went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.approvals.models import Grant
from catalog.clock import now
from catalog.gating import GatePoint, PolicyRefusedError, Verdict, pass_gate
from catalog.installs import queries, rules
from catalog.installs.events import InstallPlanFailed, InstallPlanMoved, InstallPlanned
from catalog.installs.files import File, digest_of, listed
from catalog.installs.models import (
    Action,
    Install,
    InstallPlan,
    InstallRevision,
    InstallState,
    OutcomeState,
    PlanState,
)
from catalog.installs.service.approving import kept_grants
from catalog.installs.service.base import stamp, subject_of
from catalog.installs.service.drafting import Draft
from catalog.installs.service.holding import Holding
from catalog.installs.service.settling import Applied
from catalog.operations.models import OperationState, Problem, StepState


@dataclass(frozen=True)
class Proposal:
    """What an installer found out: ``changes`` is part of what the plan's digest stands for, ``evidence`` is not.

    ``files`` is everything that the asset renders to, ``writes`` what would be written (None: removed). ``names`` are
    blobs where both are kept. ``preview`` is what an engine says that it would do (``workers.installers.previewing``),
    and part of what the digest stands for too.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    files_blob: str | None = None
    writes_blob: str | None = None
    preview: dict[str, Any] | None = None


@dataclass(frozen=True)
class Work:
    """A revision that is to be brought about; ``waiting`` are the outputs of one before that still waits."""

    tenant_id: UUID
    install_id: UUID
    plan_id: UUID
    operation_id: UUID
    name: str
    asset: str
    action: Action
    number: int
    revision_id: UUID
    content: dict[str, Any]
    document: dict[str, Any]
    evidence: dict[str, Any]
    writes_blob: str | None
    outputs: dict[str, Any]
    previous: dict[str, Any]
    waiting: dict[str, Any]
    actor: str
    created_by: str


class InstallReports(Holding):
    """One unit of work on installs as a worker does it; everything happens in the session's transaction."""

    def begin_plan(self, tenant_id: UUID, plan_id: UUID) -> Draft | None:
        """Return what is to be worked out, None where that was done; raises ``SlipwayError`` where it is refused."""
        plan = self._plan(tenant_id, plan_id)
        if plan.state is not PlanState.PLANNING:
            return None
        self._operations.run(tenant_id, plan.operation_id)
        self._operations.step(tenant_id, plan.operation_id, "compare", StepState.RUNNING)
        return self.draft(plan)

    def refuse_plan(self, tenant_id: UUID, plan_id: UUID, problem: Problem) -> None:
        """Record that a plan cannot be made, and why."""
        plan = self._plan(tenant_id, plan_id, lock=True)
        if plan.state is not PlanState.PLANNING:
            return
        plan.state, plan.problem, plan.finished_at = PlanState.FAILED, problem.model_dump(), now()
        self._session.add(plan)
        if plan.auto and plan.install_id is not None:
            self._fail_install(self._install(tenant_id, plan.install_id, lock=True), None, problem)
        self._finish(tenant_id, plan.operation_id, OperationState.FAILED, problem)
        data = InstallPlanFailed(plan_id=plan.id, install_id=plan.install_id, code=problem.code)
        self._tell(tenant_id, _subject(plan), data, "system")

    def conclude_plan(self, draft: Draft, proposal: Proposal) -> InstallPlan:
        """Write a plan down with what the gates say; one that is to be applied by itself goes on, or says why not."""
        plan = self._plan(draft.tenant_id, draft.plan_id, lock=True)
        if plan.state is not PlanState.PLANNING:
            return plan
        self._operations.step(draft.tenant_id, plan.operation_id, "gates", StepState.RUNNING)
        verdict = self._write(plan, draft, proposal)
        plan.state, plan.finished_at = PlanState.READY, now()
        self._session.add(plan)
        files = plan.document.get("changes", {}).get("files", ())
        conflicts = [each for each in files if each.get("conflict") and not each.get("resolved")]
        data = InstallPlanned(
            plan_id=plan.id,
            install_id=plan.install_id,
            action=plan.action,
            asset=draft.head["asset"],
            version=draft.head["version"],
            digest=plan.digest or "",
            allowed=verdict.allowed,
            conflicts=len(conflicts),
        )
        self._tell(draft.tenant_id, _subject(plan), data, "system")
        if plan.auto and plan.install_id is not None:
            self._go_on(plan, self._install(draft.tenant_id, plan.install_id, lock=True), verdict)
        else:
            self._finish(draft.tenant_id, plan.operation_id, OperationState.SUCCEEDED)
        return plan

    def begin(self, tenant_id: UUID, plan_id: UUID) -> Draft | Work | None:
        """Return what is to be compared once more, or, where that was done, what is to be brought about.

        None where the plan was dealt with already. Raises ``SlipwayError`` where the draft is refused by now.
        """
        plan = self._plan(tenant_id, plan_id, lock=True)
        if plan.state is not PlanState.APPLYING or plan.install_id is None:
            return None
        install = self._install(tenant_id, plan.install_id, lock=True)
        operation_id = self._operation_of(install)
        self._operations.run(tenant_id, operation_id)
        install.state = InstallState.APPLYING
        self._touch(install)
        revision = queries.revision_of_plan(self._session, tenant_id, plan_id)
        if revision is not None:
            return self._work(plan, install, revision)
        self._operations.step(tenant_id, operation_id, "check", StepState.RUNNING)
        return self.draft(plan)

    def record(self, draft: Draft, proposal: Proposal) -> Work | None:
        """Write the revision down, if the plan is still what it was; None where it has moved and was made anew."""
        plan = self._plan(draft.tenant_id, draft.plan_id, lock=True)
        if plan.state is not PlanState.APPLYING or plan.install_id is None:
            return None
        install = self._install(draft.tenant_id, plan.install_id, lock=True)
        before = plan.digest
        if plan.base_revision != (install.applied_revision or install.desired_revision):
            self.move(plan, install)
            return None
        self._write(plan, draft, proposal)
        if plan.digest != before:
            self.move(plan, install)
            return None
        grants = self._grants(plan)
        self._operations.step(draft.tenant_id, self._operation_of(install), "record", StepState.RUNNING)
        return self._work(plan, install, self._new_revision(plan, install, draft, proposal, grants))

    def move(self, plan: InstallPlan, install: Install) -> InstallPlan:
        """Set a plan aside because something has moved, and ask for another one in its place."""
        plan.state, plan.finished_at = PlanState.MOVED, now()
        self._session.add(plan)
        self._void_approvals(plan, "Something has moved since the plan was made, so it was planned anew.")
        self._rest(install)
        # A first install whose plan moved is not there at all; what was looked at was another one.
        fresh = self.plan_again(plan)
        problem = Problem(
            code="plan_moved",
            message="Something has moved since the plan was made, so nothing was changed.",
            hint=f"A new plan was made: look at it and apply it. Its id is {fresh.id}.",
        )
        install.failure = problem.model_dump()
        self._finish(plan.tenant_id, self._operation_of(install), OperationState.FAILED, problem)
        self._touch(install)
        data = InstallPlanMoved(**stamp(install), plan_id=plan.id, new_plan_id=fresh.id)
        self._tell(plan.tenant_id, subject_of(install.id), data, "system")
        return fresh

    def applying(self, work: Work) -> None:
        """Tell whoever follows that the revision is being brought about."""
        self._operations.step(work.tenant_id, work.operation_id, "apply", StepState.RUNNING)

    def conclude(self, work: Work, applied: Applied) -> None:
        """Record how far a revision was brought."""
        install = self._install(work.tenant_id, work.install_id, lock=True)
        revision = self._revision(work.tenant_id, work.install_id, work.number)
        plan = self._plan(work.tenant_id, work.plan_id, lock=True)
        if plan.state is PlanState.APPLYING:
            plan.state = PlanState.FAILED if applied.state is OutcomeState.FAILED else PlanState.APPLIED
            self._session.add(plan)
        install.plan_id = None
        self._settle(install, revision, applied)
        state = OperationState.FAILED if applied.state is OutcomeState.FAILED else OperationState.SUCCEEDED
        self._finish(work.tenant_id, work.operation_id, state, applied.problem)

    def fail(self, tenant_id: UUID, plan_id: UUID, problem: Problem) -> None:
        """Record that a plan could not be applied; what was there before still is."""
        plan = self._plan(tenant_id, plan_id, lock=True)
        if plan.state is PlanState.PLANNING:
            self.refuse_plan(tenant_id, plan_id, problem)
            return
        if plan.state is not PlanState.APPLYING or plan.install_id is None:
            return
        plan.state, plan.problem = PlanState.FAILED, problem.model_dump()
        self._session.add(plan)
        install = self._install(tenant_id, plan.install_id, lock=True)
        revision = queries.revision_of_plan(self._session, tenant_id, plan_id)
        operation_id = self._operation_of(install)
        install.plan_id = None
        if revision is None:
            self._fail_install(install, None, problem)
        else:
            self._settle(install, revision, Applied(state=OutcomeState.FAILED, problem=problem))
        self._finish(tenant_id, operation_id, OperationState.FAILED, problem)

    def waiting(self, tenant_id: UUID, install_id: UUID) -> Work | None:
        """Return the revision that waits for somebody outside, None where none does (any more)."""
        install = self._install(tenant_id, install_id, lock=True)
        if install.state is not InstallState.WAITING or install.desired_revision is None:
            return None
        revision = self._revision(tenant_id, install_id, install.desired_revision)
        return self._work(self._plan(tenant_id, revision.plan_id), install, revision)

    def note(self, tenant_id: UUID, install_id: UUID, problem: Problem | None) -> None:
        """Record what is in the way of an install that waits; nothing is written where that is known already."""
        install = self._install(tenant_id, install_id, lock=True)
        told = problem.model_dump() if problem else None
        if install.state is InstallState.WAITING and install.failure != told:
            install.failure = told
            self._touch(install)

    def waiting_for(self, tenant_id: UUID, becomes: str, repository: str | None = None) -> list[UUID]:
        """Return the tenant's installs of one sort, in one repository if given, that wait for somebody outside."""
        found = queries.of(self._session, tenant_id, becomes)
        return [
            each.id
            for each in found
            if each.state is InstallState.WAITING and repository in (None, each.target.get("repository"))
        ]

    def inputs_of(self, work: Work) -> dict[str, Any]:
        """Return the complete inputs of a revision, secrets and all; for workers, never for readers."""
        return self._opened(work.tenant_id, work.content["inputs"])

    def secrets_of(self, tenant_id: UUID, install_id: UUID | None) -> frozenset[str]:
        """Return every secret text that any revision of an install was given; for workers, which mask it."""
        known = () if install_id is None else queries.revisions(self._session, tenant_id, install_id)
        found = [self._secrets_in(tenant_id, each.content["inputs"]) for each in known]
        return frozenset(each for texts in found for each in texts)

    def settle(self, work: Work, applied: Applied) -> None:
        """Record what somebody outside has decided about a revision that waited."""
        install = self._install(work.tenant_id, work.install_id, lock=True)
        if install.state is InstallState.WAITING and install.desired_revision == work.number:
            self._settle(install, self._revision(work.tenant_id, work.install_id, work.number), applied)

    @staticmethod
    def all_waiting(session: Session, limit: int) -> list[tuple[UUID, UUID]]:
        """Return tenant and id of installs that wait for somebody outside; needs a session of the system role."""
        return queries.waiting(session, limit)

    def _write(self, plan: InstallPlan, draft: Draft, proposal: Proposal) -> Verdict:
        """Write what is known of a plan into its row, the gates' answer included, and return that answer."""
        preview = {} if proposal.preview is None else {"preview": proposal.preview}
        plan.document = {**draft.head, "changes": proposal.changes, **preview}
        plan.files_blob = proposal.writes_blob
        self._session.add(plan)
        self._session.flush()
        verdict = self._ask_gate(plan)
        gates = [{"gate": "policy", **_said(verdict)}]
        plan.document = {**plan.document, "gates": gates}
        plan.evidence = {**proposal.evidence, "evaluation": str(verdict.evaluation) if verdict.evaluation else None}
        plan.digest = digest_of(plan.document)
        self._session.add(plan)
        self._session.flush()
        return verdict

    def _ask_gate(self, plan: InstallPlan) -> Verdict:
        subject = f"install-plans/{plan.id}"
        try:
            return pass_gate(self._session, plan.tenant_id, GatePoint.INSTALL, subject, plan.actor)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            return refusal.verdict

    def _new_revision(
        self, plan: InstallPlan, install: Install, draft: Draft, proposal: Proposal, grants: Sequence[tuple[str, Grant]]
    ) -> InstallRevision:
        head = draft.head
        names = ("asset", "version", "kind", "digest", "becomes", "place", "target", "lock", "given", "inputs")
        content = {**{name: head[name] for name in names}, "files": listed(proposal.files)}
        number = queries.last_number(self._session, install.tenant_id, install.id)
        parent = self._revision(install.tenant_id, install.id, number).content_digest if number else None
        self._supersede(install)
        revision = InstallRevision(
            tenant_id=install.tenant_id,
            install_id=install.id,
            number=number + 1,
            action=plan.action,
            content=content,
            content_digest=rules.chained(content, parent),
            parent_digest=parent,
            files_blob=proposal.files_blob,
            plan_id=plan.id,
            plan_digest=plan.digest or "",
            operation_id=self._operation_of(install),
            verification=head["verification"],
            verdicts=[{**each, "evaluation": plan.evidence.get("evaluation")} for each in plan.document["gates"]],
            approvals=kept_grants(grants),
            created_by=plan.created_by,
        )
        self._session.add(revision)
        install.desired_revision = revision.number
        self._touch(install)
        return revision

    def _work(self, plan: InstallPlan, install: Install, revision: InstallRevision) -> Work:
        known = queries.revisions(self._session, install.tenant_id, install.id)
        lines = queries.outcomes(self._session, install.tenant_id, [each.id for each in known])
        own = lines.get(revision.id, [])
        applied = next((each for each in known if each.number == install.applied_revision), None)
        waited = [
            line.outputs
            for each in known
            if each.number < revision.number
            for line in lines.get(each.id, [])[-1:]
            if line.state in {OutcomeState.WAITING, OutcomeState.SUPERSEDED}
        ]
        return Work(
            tenant_id=install.tenant_id,
            install_id=install.id,
            plan_id=plan.id,
            operation_id=revision.operation_id,
            name=install.name,
            asset=install.asset,
            action=revision.action,
            number=revision.number,
            revision_id=revision.id,
            content=revision.content,
            document=plan.document,
            evidence=plan.evidence,
            writes_blob=plan.files_blob,
            outputs=own[-1].outputs if own else {},
            previous=lines[applied.id][-1].outputs if applied is not None and lines.get(applied.id) else {},
            waiting=waited[-1] if waited else {},
            actor=plan.actor,
            created_by=plan.created_by,
        )


def _subject(plan: InstallPlan) -> str:
    return subject_of(plan.install_id) if plan.install_id else f"install-plans/{plan.id}"


def _said(verdict: Verdict) -> dict[str, Any]:
    names = ("violations", "bundles", "waived", "overridden", "shadow")
    parts = {name: [each.model_dump(mode="json") for each in getattr(verdict, name)] for name in names}
    return {"allowed": verdict.allowed, "level": str(verdict.level), **parts}
