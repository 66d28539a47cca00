"""Agents: one file each that reads facts and returns a finding or nothing; everything else about them is here.

An agent says which subjects an event concerns, looks at one of them at a time, and may declare what it can do itself.
What becomes of a finding, and whether the agent may act, is decided in ``catalog.proposals``: an agent that only looks
cannot write anything, because whatever it writes while it looks is rolled back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.discovery import DiscoveryError
from catalog.errors import NotFoundError, SlipwayError
from catalog.events.registry import EventData
from catalog.proposals.errors import AgentStoppedError, ProposalMoveError
from catalog.proposals.events import AgentLimited, ProposalApproved
from catalog.proposals.models import AgentRun, Autonomy, KnownAgent, Proposal, RunState
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import Fact, Finding
from catalog.settings import Settings
from catalog.tenancy import AREAS, Principal
from catalog.tenants.service import TenantService
from workers.runtime.worker import Backoff, Interrupted, Job, JobContext, Retry, Worker

AT_ONCE = 100
"""How many subjects an agent names at a time."""
_PATIENCE = timedelta(minutes=10)
_AGAIN = timedelta(seconds=3)
_READS = frozenset(f"{area}:read" for area in AREAS if area != "tenants")


class Later(Exception):  # noqa: N818  # a request, not an error
    """Raised by an agent that looks at a subject whose facts are not there yet: it looks again some seconds later."""


@dataclass
class Facts:
    """What an agent is given: a session to read with, as the agent's principal, and a place to note what it saw."""

    session: Session
    settings: Settings
    principal: Principal
    seen: list[Fact] = field(default_factory=list)

    def see(self, title: str, detail: str = "", href: str = "", *, is_fault: bool = False) -> None:
        """Note something that was seen, for the agent's page; ``href`` leads to it."""
        self.seen.append(Fact(title=title[:300], detail=detail[:2000], href=href[:500], is_fault=is_fault))


Concerned = Callable[[Facts, EventData, str], Sequence[str]]
Look = Callable[[Facts, str], Finding | None]
Act = Callable[[Facts, Proposal], str]
C = TypeVar("C", bound=Concerned)
L = TypeVar("L", bound=Look)
A = TypeVar("A", bound=Act)


class Agent(Worker):
    """An agent by its name; a module's ``AGENT`` is found by discovery in the group ``slipway.agents``.

    ``usual`` is how far it goes where a tenant has not chosen, ``scopes`` what it may do beyond reading and proposing
    when it acts. ``time_limit`` bounds one run; a longer one goes on where it was interrupted.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        summary: str,
        usual: Autonomy = Autonomy.PROPOSE,
        scopes: frozenset[str] = frozenset(),
        time_limit: timedelta = timedelta(minutes=2),
    ) -> None:
        super().__init__(name, queue="agents", concurrency=2)
        self.title = title
        self.summary = summary
        self.usual = usual
        self.scopes = _READS | {"proposals:write"} | scopes
        self.time_limit = time_limit
        self._events: tuple[type[EventData], ...] = ()
        self._concerned: Concerned | None = None
        self._look: Look | None = None
        self._acts: dict[str, Act] = {}

    def concerns(self, *events: type[EventData]) -> Callable[[C], C]:
        """Start the agent by these events; the function names the subjects that one concerns.

        It is called with the facts, the event, and the last subject that was looked at (``""`` at first), until it
        names none that come after it. So a function that may name many names the next ``AT_ONCE`` in ascending order;
        one that names few need not care. The agent is started as well when its limits change.
        """

        def register(function: C) -> C:
            self._events = (*events, AgentLimited)
            self._concerned = function
            return function

        return register

    def looks(self, function: L) -> L:
        """Look at one subject with this function, which returns what it found, or None; nothing it writes is kept."""
        self._look = function
        return function

    def acts(self, kind: str) -> Callable[[A], A]:
        """Carry out proposals whose action is of this kind with the function, in the transaction of its facts.

        It is called only where autonomy and the gate ``agent_action`` let the agent act; it writes what is wanted, for
        workers to bring about, and returns one sentence about what it did.
        """

        def register(function: A) -> A:
            self._acts[kind] = function
            return function

        return register

    def jobs(self) -> tuple[Job, ...]:
        """Return the agent's jobs: looking, and carrying out what a person approved."""
        if self._concerned is None or self._look is None:
            raise DiscoveryError(f"the agent {self.name} needs @AGENT.concerns(...) and @AGENT.looks")
        name = f"agents.{self.name}"
        looking = Job(
            *(name, partial(run, self), self.queue, self.time_limit, 5),
            *(Backoff(), partial(give_up, self), tuple(dict.fromkeys(self._events))),
            is_patient=True,
        )
        acting = Job(
            *(f"{name}_carry_out", partial(carry_out, self), self.queue, self.time_limit, 5),
            *(Backoff(), partial(give_up_acting, self), (ProposalApproved,)),
        )
        return (*super().jobs(), looking, acting)

    def declaration(self) -> KnownAgent:
        """Return how the portal knows the agent."""
        return KnownAgent(
            name=self.name,
            title=self.title,
            summary=self.summary,
            usual=self.usual,
            watches=[each.event_name for each in self._events],
            actions=sorted(self._acts),
            declared_at=now(),
        )

    def concerned(self, facts: Facts, happened: EventData, after: str) -> Sequence[str]:
        """Return the next subjects that an event concerns."""
        if isinstance(happened, AgentLimited) and happened.agent not in {"", self.name}:
            return []
        named = self._concerned(facts, happened, after) if self._concerned is not None else []
        return sorted({each for each in named if each > after})[:AT_ONCE]

    def look(self, facts: Facts, subject: str) -> Finding | None:
        """Return what the agent finds at a subject; whatever it writes meanwhile is rolled back."""
        savepoint = facts.session.begin_nested()
        try:
            return self._look(facts, subject) if self._look is not None else None
        finally:
            if savepoint.is_active:
                savepoint.rollback()

    def effects(self, facts: Facts) -> dict[str, Callable[[Proposal], str]]:
        """Return what the agent can do, by the kind of action."""
        return {kind: partial(act, facts) for kind, act in self._acts.items()}

    def facts(self, session: Session, context: JobContext) -> Facts:
        """Return what the agent is given in a session."""
        if context.tenant_id is None:
            raise NotFoundError(f"{context.job} needs a tenant.")
        tenant = TenantService(session).get(context.tenant_id)
        principal = Principal(tenant.id, tenant.name, f"agent:{self.name}", self.title, self.scopes)
        return Facts(session, context.settings, principal)


def run(agent: Agent, context: JobContext) -> None:
    """Look at every subject that an event concerns, each in a transaction of its own, and write down how it went."""
    run_id: UUID | None = None
    after = ""
    try:
        while True:
            begun, subjects = _begin(agent, context, after, first=run_id is None)
            if begun is not None:
                run_id, after = begun.id, begun.place
            if run_id is None or not subjects:
                break
            for subject in subjects:
                _look_at(agent, context, run_id, subject, alone=len(subjects) == 1)
                after = subject
    except AgentStoppedError as error:
        _finish(context, run_id, RunState.STOPPED, error.detail)
        return
    except (Interrupted, Retry):
        raise
    except Exception as error:
        _finish(context, run_id, RunState.FAILED, _words(error))
        raise
    _finish(context, run_id, RunState.DONE, "")


def carry_out(agent: Agent, context: JobContext) -> None:
    """Do what a person approved, where the agent may; what it may not do is left to people."""
    approved = context.event(ProposalApproved)
    if approved.agent != agent.name:
        return
    problem = ""
    try:
        with context.session() as session:
            facts, service = agent.facts(session, context), ProposalService(session)
            proposal = service.get(facts.principal.tenant_id, approved.proposal_id)
            effect = agent.effects(facts).get(str(proposal.action.get("kind", "")))
            if effect is None:
                return
            service.carry_out(facts.principal.tenant_id, proposal, agent.usual, effect)
            context.complete(session)
    except ProposalMoveError:
        return
    except SlipwayError as error:
        problem = error.detail
    if problem and context.tenant_id is not None:
        with context.session() as session:
            ProposalService(session).hinder(context.tenant_id, approved.proposal_id, problem)


def give_up(agent: Agent, context: JobContext, reason: str) -> None:
    """Say in the run that no further try is made."""
    if context.envelope is None or context.tenant_id is None:
        return
    with context.session() as session:
        found = ProposalService(session).run_of(context.tenant_id, agent.name, context.envelope.id)
    _finish(context, None if found is None else found.id, RunState.FAILED, reason)


def give_up_acting(_agent: Agent, context: JobContext, reason: str) -> None:
    """Say beside the proposal that no further try is made."""
    approved = context.event(ProposalApproved)
    if context.tenant_id is not None:
        with context.session() as session:
            ProposalService(session).hinder(context.tenant_id, approved.proposal_id, reason)


def _begin(agent: Agent, context: JobContext, after: str, *, first: bool) -> tuple[AgentRun | None, Sequence[str]]:
    envelope = context.envelope
    if envelope is None:
        raise NotFoundError(f"{context.job} needs an event.")
    with context.session() as session:
        facts, service = agent.facts(session, context), ProposalService(session)
        level = service.hold(envelope.tenantid, agent.name, agent.usual)
        found = service.run_of(envelope.tenantid, agent.name, envelope.id) if first else None
        subjects = agent.concerned(facts, envelope.event(), found.place if found is not None else after)
        if not first or not (subjects or found):
            return None, subjects
        return service.begin(envelope.tenantid, agent.name, level, envelope), subjects


def _look_at(agent: Agent, context: JobContext, run_id: UUID, subject: str, *, alone: bool) -> None:
    if context.should_stop():
        raise Interrupted
    with context.session() as session:
        facts, service = agent.facts(session, context), ProposalService(session)
        tenant_id = facts.principal.tenant_id
        # Held while the agent looks, so that of two looks at one subject the one with the newer facts comes last.
        service.hold_subject(tenant_id, agent.name, subject)
        try:
            finding = agent.look(facts, subject)
        except Later as reason:
            if alone and context.envelope is not None and now() - context.envelope.time < _PATIENCE:
                raise Retry(_AGAIN, str(reason)) from None
            facts.see(f"{subject} could not be judged", str(reason), is_fault=True)
            service.note(tenant_id, run_id, subject, facts.seen, [], found=False)
            return
        did = service.report(
            tenant_id, agent.name, subject, finding, usual=agent.usual, effects=agent.effects(facts), run_id=run_id
        )
        service.note(tenant_id, run_id, subject, facts.seen, did, found=finding is not None)


def _finish(context: JobContext, run_id: UUID | None, state: RunState, error: str) -> None:
    if run_id is None or context.tenant_id is None:
        return
    with context.session() as session:
        ProposalService(session).finish(context.tenant_id, run_id, state, error)


def _words(error: Exception) -> str:
    return error.detail if isinstance(error, SlipwayError) else f"{type(error).__name__}; the worker's log says more."
