"""Settling: what became of a revision, written as one more line of its story and as the state of its install."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from catalog.assets.models import AssetVersion
from catalog.clock import now
from catalog.installs import queries
from catalog.installs.events import InstallDeclined, InstallFailed, InstallReady, InstallRemoved, InstallWaiting
from catalog.installs.files import digest_of
from catalog.installs.models import (
    Action,
    Install,
    InstallOutcome,
    InstallRevision,
    InstallState,
    OutcomeState,
)
from catalog.installs.service.applying import Applying
from catalog.installs.service.base import stamp, subject_of
from catalog.operations.models import OperationState, Problem
from catalog.operations.rules import FINAL

BY_HAND = "by_hand"
"""The output that says, by path, how what people merged departs from what was planned."""
DECLINED = Problem(
    code="declined",
    message="Whoever decides about it has said no.",
    hint="What was there before is still there. Plan again when the time has come.",
)


@dataclass(frozen=True)
class Applied:
    """How far an installer came: ``waiting`` says that somebody outside has to decide, at ``outputs["url"]``."""

    outputs: dict[str, Any] = field(default_factory=dict)
    state: OutcomeState = OutcomeState.APPLIED
    problem: Problem | None = None


class Settling(Applying):
    """What follows from how far an installer came."""

    def _settle(self, install: Install, revision: InstallRevision, applied: Applied) -> None:
        self._line(revision, applied.state, applied.outputs, applied.problem)
        subject = subject_of(install.id)
        install.failure = applied.problem.model_dump() if applied.problem else None
        if applied.state is OutcomeState.FAILED and applied.problem is not None:
            self._fail_install(install, revision, applied.problem)
        elif applied.state is OutcomeState.DECLINED:
            install.desired_revision = install.applied_revision
            install.state = InstallState.DECLINED if install.applied_revision is None else InstallState.APPLIED
            install.failure = (applied.problem or DECLINED).model_dump()
            data = InstallDeclined(**stamp(install), revision=revision.number)
            self._tell(install.tenant_id, subject, data, "system")
        elif applied.state is OutcomeState.WAITING:
            install.state = InstallState.WAITING
            url = str(applied.outputs.get("url", ""))
            data_waiting = InstallWaiting(**stamp(install), revision=revision.number, url=url)
            self._tell(install.tenant_id, subject, data_waiting, "system")
        else:
            self._ready(install, revision, applied)
        self._use(install, revision)
        self._touch(install)

    def _ready(self, install: Install, revision: InstallRevision, applied: Applied) -> None:
        subject = subject_of(install.id)
        install.applied_revision = revision.number
        install.state = InstallState.APPLIED
        if revision.action is Action.UNINSTALL:
            install.state, install.removed_at = InstallState.REMOVED, now()
            data = InstallRemoved(**stamp(install), revision=revision.number)
            self._tell(install.tenant_id, subject, data, "system")
            return
        version = str(revision.content["version"])
        ready = InstallReady(
            **stamp(install),
            revision=revision.number,
            version=version,
            action=revision.action,
            by_hand=sorted(applied.outputs.get(BY_HAND, ())),
        )
        self._tell(install.tenant_id, subject, ready, "system")

    def _use(self, install: Install, revision: InstallRevision) -> None:
        """Tell the marketplace what the install runs now: what is there, and what is about to be."""
        subject = subject_of(install.id)
        if install.state is InstallState.REMOVED:
            self._assets.release(install.tenant_id, subject)
            return
        numbers = {each for each in (install.applied_revision, install.desired_revision) if each is not None}
        locks = [self._revision(install.tenant_id, install.id, number).content["lock"] for number in numbers]
        versions: dict[UUID, AssetVersion] = {}
        for entry in (each for lock in locks for each in lock):
            namespace, _, name = entry["asset"].partition("/")
            found = self._assets.version(install.tenant_id, namespace, name, entry["version"])
            versions[found.id] = found
        self._assets.use(install.tenant_id, subject, install.name, versions.values())
        if install.state in {InstallState.APPLIED, InstallState.FAILED}:
            took: timedelta = now() - revision.created_at
            succeeded = install.state is InstallState.APPLIED and install.applied_revision == revision.number
            self._assets.record_outcome(install.tenant_id, subject, succeeded=succeeded, seconds=took.total_seconds())

    def _fail_install(self, install: Install, revision: InstallRevision | None, problem: Problem) -> None:
        install.state = InstallState.FAILED
        install.failure = problem.model_dump()
        self._touch(install)
        number = None if revision is None else revision.number
        data = InstallFailed(**stamp(install), revision=number, code=problem.code)
        self._tell(install.tenant_id, subject_of(install.id), data, "system")

    def _line(
        self, revision: InstallRevision, state: OutcomeState, outputs: dict[str, Any], problem: Problem | None
    ) -> None:
        line = InstallOutcome(
            tenant_id=revision.tenant_id,
            revision_id=revision.id,
            state=state,
            outputs=outputs,
            outputs_digest=digest_of(outputs),
            problem=problem.model_dump() if problem else None,
        )
        self._session.add(line)
        self._session.flush()

    def _rest(self, install: Install, *, held: bool = False) -> None:
        """Let an install stand as it did before a change that did not come to be, or is ``held`` by people."""
        install.plan_id = None
        first = InstallState.HELD if held else InstallState.FAILED
        install.state = first if install.applied_revision is None else InstallState.APPLIED
        if install.desired_revision not in {None, install.applied_revision} and self._last_line(install):
            install.state = InstallState.WAITING

    def _last_line(self, install: Install) -> InstallOutcome | None:
        """Return the line that says what the wanted revision waits for, None where it waits for nothing."""
        number = install.desired_revision
        if number is None:
            return None
        revision = self._revision(install.tenant_id, install.id, number)
        lines = queries.outcomes(self._session, install.tenant_id, [revision.id]).get(revision.id, [])
        return lines[-1] if lines and lines[-1].state is OutcomeState.WAITING else None

    def _supersede(self, install: Install) -> None:
        """Say of a revision that still waited that another one has taken its place."""
        line = self._last_line(install)
        if line is not None and install.desired_revision is not None:
            before = self._revision(install.tenant_id, install.id, install.desired_revision)
            self._line(before, OutcomeState.SUPERSEDED, line.outputs, None)

    def _operation_of(self, install: Install) -> UUID:
        if install.operation_id is None:
            raise LookupError(f"{install.id} has no operation")
        return install.operation_id

    def _finish(
        self, tenant_id: UUID, operation_id: UUID, state: OperationState, problem: Problem | None = None
    ) -> None:
        if self._operations.get(tenant_id, operation_id).state not in FINAL:
            self._operations.finish(tenant_id, operation_id, state, problem)
