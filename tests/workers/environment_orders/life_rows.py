"""The rows of an environment's life, each as one scenario: what was, what happens, what follows and what is told."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from catalog.clock import now
from catalog.environments.models import Desired, Phase
from catalog.environments.service import EnvironmentReports, room
from catalog.errors import ConflictError
from catalog.gating import Level, PolicyRefusedError, Verdict, Violation
from catalog.providers.scm import DeploymentState
from tests.workers.environment_orders.doubles import ignore, nothing
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway
from workers.engine import EngineError, ErrorKind
from workers.environment_watch import watch_pull_requests

Scenario = Callable[[Slipway], None]
ROWS: dict[str, Scenario] = {}


def row(name: str) -> Callable[[Scenario], Scenario]:
    """Register a scenario under the row that it plays: from, what happens, to."""

    def register(scenario: Scenario) -> Scenario:
        ROWS[name] = scenario
        return scenario

    return register


def limited(slipway: Slipway, **limits: object) -> None:
    """Let other limits hold."""
    slipway.settings = slipway.settings.model_copy(update=limits)


def refused(action: Callable[[], object]) -> None:
    """Do something while policies refuse everything, by the rule ``no-previews``."""
    said = Violation(rule="no-previews", level=Level.MANDATORY, message="No previews today.")

    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False, violations=(said,)), lambda _session: None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room, "pass_gate", refuse)
        action()


@row("nothing: wanted: requested, and queued at once")
def _(slipway: Slipway) -> None:
    one = One(slipway).request()
    assert (one.row.phase, one.row.incarnation, one.row.generation) == (Phase.QUEUED, 1, 1)
    assert (one.row.observed_generation, one.told("environment.requested")) == (0, 1)


@row("requested: policies refuse: rejected, with the rule in the comment; asked again with each event")
def _(slipway: Slipway) -> None:
    one = automated(slipway, lambda one: refused(lambda: look(one)))
    assert (one.row.phase, one.row.generation, one.runs) == (Phase.REJECTED, 1, [])
    assert "no-previews" in one.signs.comment
    refused(one.push)
    assert one.row.phase is Phase.REJECTED
    one.push()
    assert (one.row.phase, one.row.incarnation, "no-previews" in one.signs.comment) == (Phase.QUEUED, 1, False)


@row("requested: it needs an approval: pending_approval, bound to the commit")
def _(slipway: Slipway) -> None:
    one = automated(slipway, look, is_fork=True, author="mallory")
    assert (one.row.phase, one.row.waiting_sha, one.slipway.pending(one.id)) == (Phase.PENDING_APPROVAL, one.head, [])
    assert one.told("approval_needed") == 1


@row("pending_approval: another commit: pending_approval, and no approval of the one before counts")
def _(slipway: Slipway) -> None:
    one = automated(slipway, look, is_fork=True, author="mallory")
    before = one.head
    one.push()
    assert (one.row.phase, one.row.waiting_sha, one.row.approved_sha) == (Phase.PENDING_APPROVAL, one.head, None)
    with pytest.raises(ConflictError):
        one.ask("approve", before)
    assert one.row.phase is Phase.PENDING_APPROVAL


@row("pending_approval: approved for this commit: queued")
def _(slipway: Slipway) -> None:
    one = automated(slipway, look, is_fork=True, author="mallory")
    one.ask("approve", one.head)
    assert (one.row.phase, one.row.approved_sha) == (Phase.QUEUED, one.head)
    assert one.work().runs == [one.head]


@row("pending_approval: approved, and policies refuse: rejected, and made once they allow it")
def _(slipway: Slipway) -> None:
    one = automated(slipway, look, is_fork=True, author="mallory")
    refused(lambda: one.ask("approve", one.head))
    assert (one.row.phase, one.row.waiting_sha, one.slipway.pending(one.id)) == (Phase.REJECTED, None, [])
    assert "no-previews" in one.signs.comment
    one.system("ask_again")
    assert (one.row.phase, one.work().runs) == (Phase.QUEUED, [one.head])


@row("pending_approval: approved, and the queue is full: it has its turn as soon as there is room")
def _(slipway: Slipway) -> None:
    one = automated(slipway, look, is_fork=True, author="mallory")
    limited(slipway, environment_quota=len(awake(slipway)), environment_queue=0)
    one.ask("approve", one.head)
    assert (one.row.phase, one.row.backlog, one.condition["Following"]) == (
        Phase.PENDING_APPROVAL,
        [one.head],
        "NoRoom",
    )
    assert "waits for its turn" in one.signs.comment
    limited(slipway, environment_quota=10_000)
    one.system("next_commit")
    assert (one.row.phase, one.row.backlog, one.work().runs) == (Phase.QUEUED, [], [one.head])


@row("queued: no room: the place is shown, and a newer commit keeps it")
def _(slipway: Slipway) -> None:
    limited(slipway, environment_quota=len(awake(slipway)))
    one = One(slipway).request()
    assert (one.read.queue.place, one.slipway.pending(one.id)) == (1, [])  # type: ignore[union-attr]
    assert "place 1 of 1" in one.signs.comment
    since, generation = one.row.waits_since, one.row.generation
    one.push()
    assert (one.row.phase, one.row.waits_since, one.row.generation) == (Phase.QUEUED, since, generation + 1)
    refused(lambda: slipway.do(lambda service: service.admit_waiting(one.tenant_id)))
    assert one.row.phase is Phase.QUEUED, "there is no room yet, so nobody is asked"
    limited(slipway, environment_quota=10_000)
    slipway.do(lambda service: service.admit_waiting(one.tenant_id))
    assert one.work().runs == [one.head]


@row("queued: there is room, and policies refuse now: destroyed, with nothing to do")
def _(slipway: Slipway) -> None:
    limited(slipway, environment_quota=len(awake(slipway)))
    one = One(slipway).request()
    limited(slipway, environment_quota=10_000)
    refused(lambda: slipway.do(lambda service: service.admit_waiting(one.tenant_id)))
    assert (one.row.phase, one.work().told("environment.destroyed"), one.runs) == (Phase.DESTROYED, 1, [])
    assert one.condition["Allowed"] == "PolicyRefused"


@row("queued: the lease is taken: provisioning, and the deployment is in progress")
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request(), list[tuple[Phase, DeploymentState]]()
    one.work(meanwhile=lambda: seen.append((one.row.phase, one.signs.deployment.state)))  # type: ignore[union-attr]
    assert seen == [(Phase.PROVISIONING, DeploymentState.IN_PROGRESS)]


@row("provisioning, updating: done, and nothing newer is wanted: ready, observed, addressed, its time begun")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    assert (one.row.phase, one.row.observed_generation, one.row.deployed_sha) == (Phase.READY, 1, one.head)
    assert (one.signs.deployment.state, one.signs.deployment.url) == (DeploymentState.SUCCESS, one.row.url)  # type: ignore[union-attr]
    first = one.row.expires_at
    one.push()
    one.work()
    assert (one.row.phase, one.row.observed_generation, one.runs) == (Phase.READY, 2, [one.head])
    assert one.row.expires_at > first, "its time counts from the last deployment"


@row("provisioning, updating: done, and something newer is wanted: queued, never advertised")
def _(slipway: Slipway) -> None:
    one = One(slipway).request(slipway.blueprint("latest"))
    one.work(meanwhile=one.push)
    assert (one.row.phase, one.row.observed_generation, one.row.generation) == (Phase.QUEUED, 0, 2)
    assert (one.told("superseded"), one.told("environment.ready")) == (1, 0)
    assert one.work_all().row.deployed_sha == one.head
    one.push()
    one.work(meanwhile=one.push)
    assert (one.row.phase, one.row.observed_generation) == (Phase.QUEUED, 2)


@row("provisioning, updating: done, and not wanted any more: destroying, the guard against late deployments")
def _(slipway: Slipway) -> None:
    for again in (False, True):
        one = One(slipway).request()
        if again:
            one.work()
            one.push()
        one.outside.before_apply = ignore
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("workers.ephemeral_env.LOOK_AGAIN_SECONDS", 3600.0)
            one.work(meanwhile=one.close)
        assert (one.row.phase, one.runs) == (Phase.DESTROYING, [one.head]), "it came up too late"
        assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])


@row("provisioning, updating: closed, expired or moved on: the same, only what is wanted changes; cut between calls")
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request(), list[tuple[Phase, Desired, int]]()

    def happen() -> None:
        one.push()
        one.close()
        one.ask("destroy")
        seen.append((one.row.phase, one.row.desired, one.row.generation))

    one.work(meanwhile=happen)
    assert seen == [(Phase.PROVISIONING, Desired.ABSENT, 3)]
    assert (one.row.phase, one.outside.applying) == (Phase.DESTROYING, 0)
    assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])
    expiring = One(slipway).request()
    expiring.work(meanwhile=lambda: expiring.time_passes(timedelta(days=30)))
    assert (expiring.row.phase, expiring.work_all().row.phase) == (Phase.DESTROYING, Phase.DESTROYED)


@row("provisioning, updating: failed, and not wanted any more: destroying")
def _(slipway: Slipway) -> None:
    one = One(slipway).request()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workers.ephemeral_env.LOOK_AGAIN_SECONDS", 3600.0)
        one.work(fails=True, meanwhile=one.close)
    assert (one.row.phase, one.work_all().row.phase) == (Phase.DESTROYING, Phase.DESTROYED)


@row("provisioning, updating: failed: failed with its reason; tried again only where that may pass")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work(fails=True)
    failure = one.row.failure or {}
    assert (one.row.phase, one.row.attempt, one.row.retry_at) == (Phase.FAILED, 1, None)
    assert ("does not start" in failure["message"], one.signs.deployment.state) == (True, DeploymentState.FAILURE)  # type: ignore[union-attr]
    one.push()
    assert (one.row.phase, one.work().row.phase) == (Phase.UPDATING, Phase.READY)
    one.push()
    one.work(fails=True)
    assert (one.row.phase, one.condition["Serving"]) == (Phase.FAILED, "PreviousVersion")


@row("provisioning, updating: failed for a passing reason: tried again after a while, with the next attempt")
def _(slipway: Slipway) -> None:
    one = One(slipway).request()
    one.outside.before_apply = unavailable
    one.work()
    one.outside.before_apply = ignore
    assert (one.row.phase, one.row.retry_at is not None) == (Phase.FAILED, True)
    one.time_passes(timedelta(minutes=1))
    assert (one.row.attempt, one.row.phase) == (1, Phase.UPDATING)
    assert one.work().row.phase is Phase.READY


@row("provisioning, updating: the worker is gone: unknown, looked at first, then queued and made")
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request(), list[Phase]()
    one.dies_while_applying()
    assert (one.row.phase, bool(one.outside.locks)) == (Phase.PROVISIONING, True)
    one.outside.on_recover = lambda: seen.append(one.row.phase)
    one.work()
    one.outside.on_recover = nothing
    assert (seen, one.row.phase, one.runs) == ([Phase.UNKNOWN], Phase.READY, [one.head])


@row("provisioning, updating: the worker is gone and it is not wanted any more: unknown, then destroying")
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request().work(), list[Phase]()
    one.push()
    one.dies_while_applying()

    def close() -> None:
        one.close()
        seen.append(one.row.phase)

    one.outside.on_recover = close
    one.work()
    one.outside.on_recover = nothing
    assert seen == [Phase.DESTROYING]
    assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])


@row("provisioning, updating: the worker is gone, and closed before anybody looks: unknown, looked at, destroying")
def _(slipway: Slipway) -> None:
    one, lose = One(slipway).request().work(), EnvironmentReports.lose
    one.push()
    one.dies_while_applying()

    def late(self: EnvironmentReports, *who: UUID) -> None:
        one.close()
        lose(self, *who)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EnvironmentReports, "lose", late)
        one.work()
    assert (one.row.phase, one.row.desired) == (Phase.DESTROYING, Desired.ABSENT)
    assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])


@row("unknown: closed meanwhile: destroying")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.push()
    one.dies_while_applying()
    one.outside.steps_left = 6  # it takes the lease, says that the one before is lost, and dies as well
    one.slipway.work(one.id)
    one.outside.steps_left = None
    one.lease_runs_out()
    assert one.row.phase is Phase.UNKNOWN
    one.close()
    assert (one.row.phase, one.row.desired) == (Phase.DESTROYING, Desired.ABSENT)
    assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])


@row("ready, sleeping, failed: another commit, blueprint or wish: updating, and what serves goes on")
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request().work(), list[list[str]]()
    before = one.head
    one.push()
    assert (one.row.phase, one.row.generation, one.row.observed_generation) == (Phase.UPDATING, 2, 1)
    assert (one.runs, one.row.url) == ([before], one.signs.deployment and one.row.url)
    one.work(meanwhile=lambda: seen.append(one.runs))
    one.ask("sleep")
    one.work()
    one.push()
    assert (one.row.phase, one.work().row.phase) == (Phase.UPDATING, Phase.READY)
    one.request(slipway.blueprint("queue"))
    assert (one.row.phase, one.row.blueprint) == (Phase.UPDATING, "acme/preview-queue")
    assert one.work().row.phase is Phase.READY


@row("ready: idle, and nobody keeps it: sleeping, with nothing running")
def _(slipway: Slipway) -> None:
    one = One(slipway).request(slipway.blueprint(sleep={"after": "PT1H"})).work()
    one.ask("pin", by="PT3H", reason="shown to customers")
    one.time_passes(timedelta(hours=2))
    assert one.row.phase is Phase.READY
    one.ask("unpin")
    one.time_passes(timedelta(minutes=1))
    assert (one.row.phase, one.work().runs) == (Phase.SLEEPING, [])
    assert one.signs.deployment is not None
    assert one.signs.deployment.state is DeploymentState.SUCCESS


@row("sleeping: somebody visits, asks or pushes: waking, then ready; a visit counts as use where the blueprint says so")
def _(slipway: Slipway) -> None:
    for counts in (True, False):
        one = One(slipway).request(slipway.blueprint(sleep={"after": "PT1H", "visitsCount": counts})).work()
        slipway.outside.visits[one.row.hostname] = now() + timedelta(hours=2)
        one.time_passes(timedelta(hours=2))
        assert one.row.phase is (Phase.READY if counts else Phase.SLEEPING)
    one.work()
    one.ask("extend", "PT1H")
    assert (one.row.phase, one.work().row.phase) == (Phase.WAKING, Phase.READY), "whoever prolongs it means to use it"
    one.ask("sleep")
    one.work()
    one.ask("extend", "PT1H")
    assert one.row.phase is Phase.SLEEPING, "what somebody put to sleep stays asleep"
    one.system("wake_for_visitor")
    assert (one.row.phase, one.work().row.phase, one.runs) == (Phase.WAKING, Phase.READY, [one.head])


@row("waking: the worker is gone, or something newer is wanted: unknown, or queued, and then made")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.ask("sleep")
    one.work()
    one.ask("wake")
    one.dies_while_applying()
    assert (one.row.phase, one.work_all().row.phase) == (Phase.WAKING, Phase.READY)


@row("ready, sleeping, failed: it ends soon: the same, with Expiring told once for each warning")
def _(slipway: Slipway) -> None:
    one = One(slipway).request(ttl="P5D").work()
    for _ in range(2):
        one.time_passes(timedelta(days=3, hours=1) if not one.told("expiring") else timedelta(minutes=1))
    assert (one.row.phase, one.condition["Expiring"], one.told("expiring")) == (Phase.READY, "Within172800Seconds", 1)
    one.time_passes(timedelta(days=1, hours=21))
    assert (one.condition["Expiring"], one.told("expiring")) == ("Within7200Seconds", 2)
    assert "removed soon" in one.signs.comment


@row("requested, rejected, pending_approval, queued: closed before anything was made: destroyed, a success")
def _(slipway: Slipway) -> None:
    queued = One(slipway).request()
    queued.close()
    rejected = automated(slipway, lambda one: refused(lambda: look(one)))
    rejected.close()
    held = automated(slipway, look, is_fork=True, author="mallory")
    held.close()
    for one in (queued, rejected, held):
        assert (one.row.phase, one.row.generation) == (Phase.DESTROYED, 2)
        assert (one.work_all().told("environment.destroyed"), one.signs.deployment) == (1, None)
        assert slipway.open_operations(one.id) == []


@row("destroying, verifying_gone, destroy_failed: reopened or asked for: the same, the wish kept until it is gone")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.close()
    one.reopen()
    assert one.row.phase is Phase.DESTROYING
    one.request()
    assert (one.row.phase, one.row.wanted_again) == (Phase.DESTROYING, True)
    one.ask("destroy")
    assert one.row.wanted_again is False, "and taken back"
    one.request()
    one.work()
    assert (one.row.phase, one.row.incarnation, one.work().row.phase) == (Phase.QUEUED, 2, Phase.READY)


@row("ready, sleeping, failed, queued: closed, out of its labels, expired, asked for: destroying, a generation on")
def _(slipway: Slipway) -> None:
    for state, end in (("ready", "destroy"), ("sleeping", "expire"), ("failed", "close"), ("queued", "close")):
        one = One(slipway).request().work(fails=state == "failed")
        if state == "sleeping":
            one.ask("sleep")
            one.work()
        if state == "queued":
            one.push()
            one.work(meanwhile=one.push)
        assert one.row.phase is Phase(state)
        generation = one.row.generation
        if end == "close":
            one.close()
        elif end == "destroy":
            one.ask("destroy")
        else:
            one.time_passes(timedelta(days=20))
        assert (one.row.phase, one.row.desired) == (Phase.DESTROYING, Desired.ABSENT)
        assert one.row.generation == generation + 1
        assert (one.work_all().row.phase, one.runs) == (Phase.DESTROYED, [])
    one.ask("destroy")
    assert (one.row.phase, one.row.generation) == (Phase.DESTROYED, generation + 1), "once more changes nothing"


@row(
    "destroying: removed: verifying_gone, found empty: destroyed; deployment and name gone, a last word in the comment"
)
def _(slipway: Slipway) -> None:
    one, seen = One(slipway).request().work(), list[Phase]()
    one.ask("destroy")
    one.outside.on_inventory = lambda: seen.append(one.row.phase)
    one.work()
    one.outside.on_inventory = nothing
    assert (seen, one.row.phase) == ([Phase.VERIFYING_GONE], Phase.DESTROYED)
    assert (one.signs.deployment, "nothing of it is left" in one.signs.comment) == (None, True)
    assert one.row.removal["left"] == []  # type: ignore[index]
    assert len(one.row.removal["looked_for"]) == 3  # type: ignore[index]


@row("destroying, verifying_gone: an error, or something left: destroy_failed, tried again later and later, then shown")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.ask("destroy")
    one.work(fails=True)
    assert (one.row.phase, one.condition["Leaked"]) == (Phase.DESTROY_FAILED, "DestroyFailed")
    waits = []
    for attempt in range(2, 7):
        one.work(fails=True)
        next_try = one.read.removal.next_try_at  # type: ignore[union-attr]
        waits.append(round((next_try - now()).total_seconds() / 60))  # type: ignore[operator]
        assert one.row.attempt == attempt
    assert waits == [5, 30, 360, 360, 360]
    assert one.id in awake(slipway), "what is left takes its room"
    one.leaks_since(timedelta(hours=25))
    one.work(fails=True)
    assert one.condition["NeedsOperator"] == "StillThere"
    told = one.told("destroy_requested")
    one.ask("destroy")
    assert one.told("destroy_requested") == told + 1, "whoever mended the cause need not wait"
    one.outside.sticks_after_destroy = True
    one.work()
    assert (one.row.phase, bool(one.runs)) == (Phase.DESTROY_FAILED, True)
    one.outside.sticks_after_destroy = False
    assert (one.work().row.phase, one.runs, one.row.conditions) == (Phase.DESTROYED, [], [])


@row("destroyed: asked for again: requested, in its next life; the old fence is dead")
def _(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.ask("destroy")
    one.work()
    stacks = set(slipway.outside.stacks)
    one.request()
    assert (one.row.phase, one.row.incarnation, one.row.observed_generation) == (Phase.QUEUED, 2, 0)
    one.work()
    assert (one.row.phase, len(set(slipway.outside.stacks) - stacks)) == (Phase.READY, 1)


def automated(slipway: Slipway, begin: Callable[[One], None], **about: object) -> One:
    """Return a pull request whose environment began by itself, by ``begin``."""
    one = One(slipway, labels=frozenset({"by-itself"}), **about)
    begin(one)
    found = slipway.do(lambda service: service.page(one.tenant_id, limit=200))
    one.id = next(each.id for each in found if each.pull_request == one.number)
    return one


def look(one: One) -> None:
    """Let environments begin that begin by themselves: those with the label ``by-itself``."""
    one.slipway.automate("by-itself")
    watch_pull_requests(one.slipway.context())


def awake(slipway: Slipway) -> set[object]:
    """Return the environments that take room."""
    without = {Phase.DESTROYED, Phase.SLEEPING, Phase.REJECTED, Phase.PENDING_APPROVAL}
    found = slipway.do(lambda service: service.page(slipway.principal.tenant_id, limit=1000))
    return {each.id for each in found if each.phase not in without and each.waits_since is None}


def unavailable(_request: object) -> None:
    """Be an engine that does not answer."""
    raise EngineError(ErrorKind.UNAVAILABLE, "The engine is not there.")
