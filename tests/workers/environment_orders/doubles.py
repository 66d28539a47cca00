"""Doubles at the providers' edge: a repository, a stack engine and a target that live in memory and can be killed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.providers.scm import CommitNotFoundError, PullRequest, PullRequestNotFoundError, PullRequestState
from catalog.providers.targets import Found, LogTail, TargetUnavailableError
from workers.engine import (
    ApplyResult,
    ChangeSummary,
    DestroyResult,
    EngineError,
    ErrorKind,
    PreviewResult,
    RefreshResult,
    ResourceState,
    StackRef,
    StackRequest,
)
from workers.runtime.context import JobContext


class Crash(BaseException):  # a kill is no error that anything could catch
    """The worker's process is gone, from one moment to the next."""


def ignore(_event: object) -> None:
    """Hear nothing."""


def nothing() -> None:
    """Do nothing."""


def never() -> bool:
    """Go on."""
    return False


_SWITCHES = (
    *("changed", "tip", "meanwhile", "fails", "router_answers", "sticks", "sticks_after_destroy"),
    *("on_recover", "on_inventory", "before_apply", "steps_left"),
)
"""What says how the world behaves, beside what there is in it."""


@dataclass
class Outside:
    """The world beyond Slipway: pull requests, and what runs.

    ``stacks`` is what the engine's state says, ``running`` what there is; both by the stack's name. ``applying`` counts
    who changes stacks at the moment, ``most_at_once`` how many that ever were.
    """

    pulls: dict[int, tuple[PullRequestState, str]] = field(default_factory=dict)
    about: dict[int, dict[str, Any]] = field(default_factory=dict)
    branches: dict[int, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ("app.py",)
    tip: str = "0" * 40
    stacks: dict[str, set[str]] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    owners: dict[str, UUID] = field(default_factory=dict)
    locks: set[str] = field(default_factory=set)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    fails: bool = False
    previews: list[StackRequest] = field(default_factory=list)
    visits: dict[str, datetime] = field(default_factory=dict)
    router_answers: bool = True
    sticks: bool = False
    sticks_after_destroy: bool = False
    on_recover: Callable[[], object] = nothing
    on_inventory: Callable[[], object] = nothing
    applying: int = 0
    most_at_once: int = 0
    before_apply: Callable[[StackRequest], object] = ignore
    steps_left: int | None = None

    def switch_back(self) -> None:
        """Undo what was switched on, however far whoever did that has come; what there is stays."""
        fresh = Outside()
        for name in _SWITCHES:
            setattr(self, name, getattr(fresh, name))

    def reach(self) -> None:
        """Count one step of the worker towards its death."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise Crash

    def happen(self) -> None:
        """Let happen what was to happen while a worker works."""
        while self.meanwhile:
            self.meanwhile.pop(0)()

    def clear(self, environment_id: UUID) -> None:
        """Remove what runs of an environment."""
        for stack in self.of(environment_id):
            del self.running[stack]

    def of(self, environment_id: UUID) -> dict[str, str]:
        """Return what runs of an environment, by stack."""
        return {stack: sha for stack, sha in self.running.items() if self.owners.get(stack) == environment_id}


class Repository:
    """A repository whose pull requests are those of the outside."""

    def __init__(self, outside: Outside, address: str) -> None:
        self._outside = outside
        self.address = address

    def pull_request(self, number: int, branch: str | None = None) -> PullRequest:
        """Return the pull request; a closed one is not shown, as in a local repository."""
        state, sha = self._outside.pulls.get(number, (PullRequestState.CLOSED, ""))
        if state is PullRequestState.CLOSED:
            raise PullRequestNotFoundError(f"There is no pull request {number}.")
        named = branch or self._outside.branches.get(number, "feature")
        return PullRequest(number, state, sha, named, **self._outside.about.get(number, {}))

    def pull_requests(self) -> list[PullRequest]:
        """Return every pull request that is open."""
        numbers = [
            number for number, (state, _) in sorted(self._outside.pulls.items()) if state is PullRequestState.OPEN
        ]
        return [self.pull_request(number, self._outside.branches.get(number)) for number in numbers]

    def resolve(self, ref: str) -> str:
        """Return the commit of the one branch that pull requests go to."""
        if ref != "main":
            raise CommitNotFoundError(f"There is no {ref}.")
        return self._outside.tip

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """Return what every commit here changes; like servers, for commits alone."""
        for each in (base, head):
            if len(each) != 40:
                raise CommitNotFoundError(f"{each} is no commit.")
        return self._outside.changed

    def commit(self, revision: str) -> str:
        """Return the commit."""
        return revision

    def mirror(self, commit: str, number: int, into: Path) -> Path:
        """Bring nothing anywhere."""
        del commit, number
        self._outside.reach()
        return into


class Engine:
    """A stack engine in memory: its lock outlives a kill, and what it made stays made."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    @contextmanager
    def _working(self, stack: str) -> Iterator[None]:
        # Counted before the lock is looked at: whoever comes beside another one has gone past the lease already.
        self._outside.applying += 1
        self._outside.most_at_once = max(self._outside.most_at_once, self._outside.applying)
        if stack in self._outside.locks:
            self._outside.applying -= 1
            raise EngineError(ErrorKind.LOCKED, "Another operation holds the stack.")
        self._outside.locks.add(stack)
        try:
            yield
        except Exception:
            self._outside.locks.discard(stack)
            raise
        else:
            self._outside.locks.discard(stack)
        finally:
            self._outside.applying -= 1

    def preview(
        self,
        request: StackRequest,
        on_progress: Callable[[Any], None] = ignore,
        should_stop: Callable[[], bool] = never,
    ) -> PreviewResult:
        """Look ahead, and keep what was asked."""
        del on_progress, should_stop
        self._outside.previews.append(request)
        if self._outside.fails:
            raise EngineError(ErrorKind.FAILED, "The application does not start.")
        return PreviewResult((), ChangeSummary(), ())

    def up(
        self,
        request: StackRequest,
        on_progress: Callable[[Any], None] = ignore,
        should_stop: Callable[[], bool] = never,
    ) -> ApplyResult:
        """Make what the program says, in two calls to a provider with room for everything between them."""
        del on_progress
        name = request.stack.stack
        self._outside.before_apply(request)
        self._outside.owners[name] = UUID(request.labels["slipway:owner"].partition("/")[2])
        with self._working(name):
            commits = (str(each.inputs["commit"]) for each in request.program.resources if "commit" in each.inputs)
            sha = next(commits, "")
            sleeps = not any(each.type.endswith(":Process") for each in request.program.resources)
            for part in ("process", "route"):
                self._outside.reach()
                self._outside.happen()
                if should_stop():
                    raise EngineError(ErrorKind.CANCELLED, "Interrupted.")
                if self._outside.fails:
                    raise EngineError(ErrorKind.FAILED, "The application does not start.")
                self._outside.stacks.setdefault(name, set()).add(part)
                self._outside.running[name] = sha
                if sleeps:
                    self._outside.running.pop(name)
            self._outside.reach()
        made = tuple(ResourceState(part, part, part, part) for part in sorted(self._outside.stacks[name]))
        return ApplyResult({}, made, ChangeSummary())

    def destroy(
        self,
        request: StackRequest,
        on_progress: Callable[[Any], None] = ignore,
        should_stop: Callable[[], bool] = never,
    ) -> DestroyResult:
        """Remove what runs, and then what is known of it."""
        del on_progress
        name = request.stack.stack
        with self._working(name):
            for forget in (self._outside.running, self._outside.stacks):
                self._outside.reach()
                self._outside.happen()
                if should_stop():
                    raise EngineError(ErrorKind.CANCELLED, "Interrupted.")
                if self._outside.fails:
                    raise EngineError(ErrorKind.FAILED, "The application does not stop.")
                if forget is self._outside.stacks or not self._outside.sticks_after_destroy:
                    forget.pop(name, None)
        return DestroyResult(ChangeSummary())

    def recover(
        self,
        request: StackRequest,
        on_progress: Callable[[Any], None] = ignore,
        should_stop: Callable[[], bool] = never,
    ) -> RefreshResult:
        """Take the lock away from whoever had it."""
        del on_progress, should_stop
        self._outside.reach()
        self._outside.on_recover()
        self._outside.locks.discard(request.stack.stack)
        return RefreshResult((), (), ())

    def stacks(self, project: str) -> tuple[StackRef, ...]:
        """List what is known."""
        return tuple(StackRef(project, name) for name in sorted(self._outside.stacks))

    def exists(self, stack: StackRef) -> bool:
        """Say whether anything is known of the stack."""
        return stack.stack in self._outside.stacks


class Target:
    """What the target says is there."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name what runs of an environment."""
        del hostname
        self._outside.on_inventory()
        return tuple(f"the process in {stack}" for stack in self._outside.of(environment_id))

    def census(self) -> tuple[Found, ...]:
        """Name everything that runs."""
        return tuple(Found(f"the process in {stack}", self._outside.owners[stack]) for stack in self._outside.running)

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove what runs of an environment."""
        del hostname
        if not self._outside.sticks:
            self._outside.clear(environment_id)

    def forget(self, environment_id: UUID) -> None:
        """Forget nothing, as there is nothing else."""

    def last_visit(self, hostname: str) -> datetime | None:
        """Say that somebody was there when somebody was."""
        if not self._outside.router_answers:
            raise TargetUnavailableError("The router does not answer.")
        return self._outside.visits.get(hostname)

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return no logs."""
        del environment_id, lines
        return ()


class MortalContext(JobContext):
    """A job's context that dies where it is told to: before or after any transaction, and for good."""

    outside: Outside
    dead = False

    @contextmanager
    def session(self, tenant_id: UUID | None = None) -> Iterator[Session]:
        """Run a unit of work, if the worker lives so long."""
        self._reach()
        with super().session(tenant_id) as session:
            yield session
        self._reach()

    def _reach(self) -> None:
        if self.dead:
            raise Crash
        try:
            self.outside.reach()
        except Crash:
            self.dead = True
            raise
