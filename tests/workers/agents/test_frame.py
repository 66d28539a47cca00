"""The frame of agents: what each level lets one do, that a stop works at once, and that nothing is done twice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlmodel import SQLModel, select

from catalog.db import Database
from catalog.events.models import EventRecord
from catalog.events.registry import EventData
from catalog.gates import PolicyDesk
from catalog.gating import Level
from catalog.policies.models import Evaluation
from catalog.policies.shapes import CreateBinding
from catalog.proposals.errors import ProposalMoveError
from catalog.proposals.models import AgentRun, Autonomy, Proposal, ProposalState, RunState
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import ChangeLimit, Decide, Fact, Finding, ProposedAction, StopAgent
from catalog.releases.events import ServiceRecorded
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.models import AuditEntry
from workers.runtime.agent import Agent, Facts, Later

State = ProposalState
T = TypeVar("T", bound=SQLModel)


@dataclass
class World:
    """What the agent of these tests finds, and what it has done."""

    agent: Agent
    found: dict[str, str] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=lambda: ["things/1"])
    done: list[str] = field(default_factory=list)
    before_each: Callable[[Facts, str], None] = lambda _facts, _subject: None


@pytest.fixture
def world() -> World:
    """An agent that finds what the test says, and can mend it."""
    agent = Agent("tidy", title="Tidy", summary="Keeps things tidy.", usual=Autonomy.PROPOSE)
    made = World(agent)

    @agent.concerns(ServiceRecorded)
    def concerned(_facts: Facts, _happened: EventData, _after: str) -> Sequence[str]:
        return made.subjects

    @agent.looks
    def look(facts: Facts, subject: str) -> Finding | None:
        made.before_each(facts, subject)
        facts.see(f"Looked at {subject}")
        if subject not in made.found:
            return None
        return Finding(
            kind="untidy",
            label=subject,
            title=f"{subject} is untidy",
            summary=made.found[subject],
            evidence=[Fact(title="It lies about", href="/somewhere", is_fault=True)],
            action=ProposedAction(kind="tidy_up", title="Tidy it up"),
            same_by={"how": made.found[subject]},
        )

    @agent.acts("tidy_up")
    def tidy_up(_facts: Facts, proposal: Proposal) -> str:
        made.done.append(proposal.subject)
        return f"Tidied {proposal.subject} up."

    return made


@dataclass
class Stage:
    """A tenant with the agent of the test, and the hands that move it."""

    database: Database
    acme: Principal
    world: World
    work: Any
    tell: Any
    proposals: Callable[[], list[Proposal]]

    def happen(self) -> None:
        """Let something happen that the agent is started by."""
        service = uuid4()
        self.tell(ServiceRecorded(service_id=service, name="web", repository="r"), f"services/{service}")
        self.work(self.world.agent)

    def limit(self, autonomy: Autonomy, name: str = "tidy") -> None:
        """Choose how far the agent may go."""
        with self.service() as service:
            service.limit(self.acme, name, ChangeLimit(autonomy=autonomy))

    @contextmanager
    def service(self) -> Iterator[ProposalService]:
        """Open a unit of work."""
        with self.database.tenant_session(self.acme.tenant_id) as session:
            yield ProposalService(session)

    def runs(self) -> list[AgentRun]:
        """Return the runs, oldest first."""
        return self.rows(AgentRun, "started_at")

    def rows(self, table: type[T], *order: str) -> list[T]:
        """Return every row that acme sees of a table."""
        with self.database.tenant_session(self.acme.tenant_id) as session:
            return list(session.exec(select(table).order_by(*order)).all())

    @property
    def states(self) -> list[State]:
        """Return the states of the proposals, oldest first."""
        return [each.state for each in self.proposals()]


@pytest.fixture
def stage(database: Database, acme: Principal, world: World, work: Any, tell: Any, proposals: Any, known: Any) -> Stage:
    """The agent, known to the portal."""
    known(world.agent)
    return Stage(database, acme, world, work, tell, proposals)


@pytest.mark.parametrize(
    ("level", "states", "done"),
    [
        (Autonomy.OFF, [], []),
        (Autonomy.OBSERVE, [], []),
        (Autonomy.PROPOSE, [State.PROPOSED], []),
        (Autonomy.ACT_WITH_APPROVAL, [State.PROPOSED], []),
        (Autonomy.ACT, [State.APPLIED], ["things/1"]),
    ],
)
def test_how_far_an_agent_goes(stage: Stage, level: Autonomy, states: list[State], done: list[str]) -> None:
    stage.world.found["things/1"] = "dusty"
    stage.limit(level)
    stage.happen()
    stage.happen()  # the same finding again changes nothing
    assert (stage.states, stage.world.done) == (states, done)
    for run in stage.runs():
        assert (run.state, run.autonomy, run.looked, run.found) == (RunState.DONE, level, 1, 1)
        assert [each["title"] for each in run.saw] == ["Looked at things/1"]
    notes = [each["title"] for run in stage.runs() for each in run.did]
    if level is Autonomy.OBSERVE:
        assert set(notes) == {"Would propose: things/1 is untidy"}
    if level is Autonomy.ACT:
        assert notes == ["Proposed: things/1 is untidy", "Tidied things/1 up."]


def test_all_agents_together_are_bounded(stage: Stage) -> None:
    stage.world.found["things/1"] = "dusty"
    stage.limit(Autonomy.ACT)
    stage.limit(Autonomy.PROPOSE, "")
    stage.happen()
    assert stage.states == [State.PROPOSED]
    stage.limit(Autonomy.ACT, "")  # the agent looks again when it may do more
    stage.happen()
    assert (stage.states, stage.world.done) == ([State.APPLIED], ["things/1"])


def test_what_a_person_approves_is_carried_out_once_where_the_agent_may(stage: Stage) -> None:
    stage.world.found["things/1"] = "dusty"
    stage.limit(Autonomy.PROPOSE)
    stage.happen()

    def approve() -> None:
        with stage.service() as service:
            service.approve(stage.acme, stage.proposals()[0].id, Decide(comment="Go on."))

    approve()
    assert stage.work(stage.world.agent) == ["agents.tidy_carry_out"]
    (proposal,) = stage.proposals()
    assert (proposal.state, proposal.problem != "", stage.world.done) == (State.APPROVED, True, [])
    stage.limit(Autonomy.ACT_WITH_APPROVAL)
    stage.happen()
    (proposal,) = stage.proposals()
    assert (proposal.state, proposal.outcome, proposal.decided_by) == (State.APPLIED, "Tidied things/1 up.", "acme")
    approve()
    stage.work(stage.world.agent)
    assert stage.world.done == ["things/1"]
    told = [each.type for each in stage.rows(EventRecord, "sequence") if ".proposal." in each.type]
    assert told == [f"dev.slipway.proposal.{done}.v1" for done in ("made", "approved", "applied")]
    audited = [each.action for each in stage.rows(AuditEntry) if each.subject.startswith("proposal")]
    assert sorted(audited) == ["proposal.apply", "proposal.approve"]


def test_another_finding_supersedes_and_none_ends_and_a_rejected_one_stays_away(stage: Stage) -> None:
    stage.world.found["things/1"] = "dusty"
    stage.happen()
    stage.world.found["things/1"] = "dusty and loud"
    stage.happen()
    first, second = stage.proposals()
    assert (first.state, first.successor_id, second.state) == (State.SUPERSEDED, second.id, State.PROPOSED)
    with stage.service() as service:
        service.reject(stage.acme, second.id, Decide(comment="It is art."))
    stage.happen()
    assert len(stage.proposals()) == 2
    stage.world.found.clear()
    stage.happen()
    stage.world.found["things/1"] = "dusty and loud"
    stage.happen()
    assert stage.states == [State.SUPERSEDED, State.REJECTED, State.PROPOSED]
    stage.world.found.clear()
    stage.happen()
    last = stage.proposals()[-1]
    assert (last.state, last.reason) == (State.SUPERSEDED, "What it was about no longer holds.")
    with stage.service() as service, pytest.raises(ProposalMoveError):
        service.approve(stage.acme, last.id, Decide())


@pytest.mark.parametrize("name", ["tidy", ""])
def test_an_agent_in_the_middle_stops_before_its_next_effect(stage: Stage, name: str) -> None:
    stage.world.subjects = ["things/1", "things/2", "things/3"]
    stage.world.found = dict.fromkeys(stage.world.subjects, "dusty")
    stage.limit(Autonomy.ACT)

    def stop_at_the_second(_facts: Facts, subject: str) -> None:
        if subject == "things/2":  # somebody presses the switch while the agent looks
            with stage.service() as service:
                service.stop(stage.acme, name, StopAgent(reason="It is too eager."))

    stage.world.before_each = stop_at_the_second
    stage.happen()
    assert (stage.world.done, [each.subject for each in stage.proposals()]) == (["things/1"], ["things/1"])
    last = stage.runs()[-1]
    assert (last.state, last.looked) == (RunState.STOPPED, 1)
    stage.happen()
    assert len(stage.world.done) == 1
    stage.world.before_each = lambda _facts, _subject: None
    with stage.service() as service:
        service.start(stage.acme, name, StopAgent())
    stage.happen()
    assert stage.world.done == ["things/1", "things/2", "things/3"]


def test_the_switch_waits_for_the_effect_that_is_being_committed(stage: Stage) -> None:
    stage.limit(Autonomy.ACT)
    stopped = threading.Event()

    def stop() -> None:
        with stage.service() as service:
            service.stop(stage.acme, "tidy", StopAgent())
        stopped.set()

    with stage.service() as service:
        service.hold(stage.acme.tenant_id, "tidy", stage.world.agent.usual)
        thread = threading.Thread(target=stop)
        thread.start()
        assert not stopped.wait(0.3)
    assert stopped.wait(10)
    thread.join()


def test_what_an_agent_writes_while_it_looks_is_not_kept(stage: Stage) -> None:
    def meddle(facts: Facts, _subject: str) -> None:
        facts.session.add(
            AuditEntry(
                tenant_id=facts.principal.tenant_id, actor="agent", action="meddled", subject="things/1", detail={}
            )
        )
        facts.session.flush()

    stage.world.before_each = meddle
    stage.happen()
    assert "meddled" not in {each.action for each in stage.rows(AuditEntry)}
    assert stage.runs()[-1].state is RunState.DONE


def test_a_run_that_was_interrupted_goes_on_where_it_was_and_its_failures_are_seen(stage: Stage) -> None:
    stage.world.subjects = ["things/1", "things/2"]
    stage.world.found = dict.fromkeys(stage.world.subjects, "dusty")
    looked: list[str] = []

    def fail_once(_facts: Facts, subject: str) -> None:
        looked.append(subject)
        if looked == ["things/1", "things/2"]:
            raise RuntimeError("the database was on fire")

    stage.world.before_each = fail_once
    stage.happen()
    failed = stage.runs()[-1]
    assert (failed.state, "RuntimeError" in failed.error, "fire" in failed.error) == (RunState.FAILED, True, False)
    stage.work(stage.world.agent, patience=3)
    (run,) = stage.runs()
    assert looked == ["things/1", "things/2", "things/2"]
    assert (run.state, run.attempts, run.looked, len(stage.proposals())) == (RunState.DONE, 2, 2, 2)


def test_facts_that_are_not_there_yet_are_waited_for(stage: Stage) -> None:
    tries: list[str] = []

    def not_yet(_facts: Facts, subject: str) -> None:
        tries.append(subject)
        if len(tries) == 1:
            raise Later("It is being signed.")

    stage.world.before_each = not_yet
    stage.happen()
    stage.work(stage.world.agent, patience=4)
    assert (len(tries), [each.state for each in stage.runs()]) == (2, [RunState.DONE])


@pytest.fixture
def forbid(database: Database, settings: Settings, acme: Principal, publish_policy: Any) -> None:
    """A policy that lets no agent tidy up what is dusty unless a person approved it."""
    rules = """
deny contains {"rule": "no-tidying", "message": "Ask first."} if {
    input.point == "agent_action"
    input.proposal.agent == "tidy"
    input.proposal.action == "tidy_up"
    not input.proposal.approved
}
"""
    publish_policy(acme, "agents", rules)
    with database.tenant_session(acme.tenant_id) as session:
        asked = CreateBinding(bundle="acme/agents", level=Level.MANDATORY)
        PolicyDesk(session, settings).policies.bind(acme, asked)


@pytest.mark.usefixtures("forbid")
def test_policies_bound_what_an_agent_does_itself(stage: Stage) -> None:
    stage.world.found["things/1"] = "dusty"
    stage.limit(Autonomy.ACT)
    stage.happen()
    (proposal,) = stage.proposals()
    assert (proposal.state, stage.world.done) == (State.PROPOSED, [])
    assert "no-tidying" in proposal.problem
    record = next(each for each in stage.rows(Evaluation) if each.point == "agent_action")
    assert (record.allowed, record.actor) == (False, "agent:tidy")
    assert record.about == "agents/tidy/untidy/things/1"
    with stage.service() as service:
        service.approve(stage.acme, proposal.id, Decide())
    stage.work(stage.world.agent)
    (proposal,) = stage.proposals()
    assert (proposal.state, proposal.problem, stage.world.done) == (State.APPLIED, "", ["things/1"])
