"""A commit that comes while another one is deployed: that one ends safely, or is finished, and the newest follows."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.gating import PolicyRefusedError, Verdict
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.doubles import ignore
from tests.workers.environment_orders.slipway import JOBS, Slipway
from workers.environment_watch import expire_due
from workers.runtime.worker import Retry

FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40


def asked(slipway: Slipway, concurrency: str) -> UUID:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, FIRST)
    wish = RequestEnvironment(repository="/srv/shop", pull_request=1, blueprint="acme/preview")
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, wish).id)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        changed = text("UPDATE environments SET spec = spec || jsonb_build_object('follow', CAST(:follow AS jsonb))")
        session.execute(changed, {"follow": f'{{"concurrency": "{concurrency}"}}'})
    return made


def pushes(slipway: Slipway, made: UUID, *commits: str) -> None:
    for sha in commits:
        slipway.outside.pulls[1] = (PullRequestState.OPEN, sha)
        slipway.do(lambda service: service.watch(slipway.principal.tenant_id, made))


def explained(slipway: Slipway) -> tuple[str, str]:
    decision = slipway.do(lambda service: service.explain(slipway.principal, "/srv/shop", 1)).decision
    return str(decision.act), decision.rule


def phase(slipway: Slipway, made: UUID) -> Phase:
    return Phase(slipway.do(lambda service: service.get(slipway.principal.tenant_id, made).phase))


@pytest.mark.parametrize(("concurrency", "finished"), [("replace", []), ("latest", [FIRST])])
def test_the_newest_commit_follows(slipway: Slipway, concurrency: str, finished: list[str]) -> None:
    made = asked(slipway, concurrency)
    slipway.outside.meanwhile = [lambda: pushes(slipway, made, SECOND, THIRD)]
    slipway.work(made)
    assert phase(slipway, made) is Phase.QUEUED, "an older commit is never advertised"
    assert list(slipway.outside.of(made).values()) == finished
    while slipway.pending(made):
        slipway.work(made)
    assert (phase(slipway, made), list(slipway.outside.of(made).values())) == (Phase.READY, [THIRD])


@pytest.mark.parametrize("concurrency", ["queue", "allow"])
def test_each_commit_is_deployed_in_its_turn(slipway: Slipway, concurrency: str) -> None:
    made = asked(slipway, concurrency)
    seen: list[str] = []
    slipway.outside.before_apply = lambda request: seen.append(
        next(str(each.inputs["commit"]) for each in request.program.resources if "commit" in each.inputs)
    )
    slipway.outside.meanwhile = [lambda: pushes(slipway, made, SECOND, THIRD)]
    slipway.work(made)
    assert (phase(slipway, made), list(slipway.outside.of(made).values())) == (Phase.READY, [FIRST])
    assert explained(slipway) == ("keep", "unchanged")
    for _ in range(3):
        slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, made))
        while slipway.pending(made):
            slipway.work(made)
    assert (seen, phase(slipway, made)) == ([FIRST, SECOND, THIRD], Phase.READY)
    assert sum("commit_queued" in each.type for each in slipway.events(made)) == 2


def test_a_commit_is_left_out_where_two_are_forbidden(slipway: Slipway) -> None:
    made = asked(slipway, "forbid")
    slipway.outside.meanwhile = [lambda: pushes(slipway, made, SECOND)]
    slipway.work(made)
    pushes(slipway, made, SECOND)
    assert (phase(slipway, made), list(slipway.outside.of(made).values())) == (Phase.READY, [FIRST])
    pushes(slipway, made, THIRD)
    slipway.work(made)
    assert list(slipway.outside.of(made).values()) == [THIRD]


@pytest.mark.parametrize("concurrency", ["replace", "latest", "queue", "allow", "forbid"])
def test_a_closing_stops_what_is_under_way(slipway: Slipway, concurrency: str) -> None:
    made = asked(slipway, concurrency)
    slipway.outside.meanwhile = [lambda: slipway.do(lambda service: service.destroy(slipway.principal, made))]
    slipway.work(made)
    assert slipway.outside.of(made) == {}
    while slipway.pending(made):
        slipway.work(made)
    assert phase(slipway, made) is Phase.DESTROYED


def test_a_refusal_gives_the_turn_to_the_next_commit(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    made = asked(slipway, "queue")
    slipway.outside.meanwhile = [lambda: pushes(slipway, made, SECOND, THIRD)]
    slipway.work(made)

    def refuse(_: EphemeralEnvironmentService, environment: Environment, *__: object, **___: object) -> None:
        if environment.head_sha == SECOND:
            raise PolicyRefusedError(Verdict(allowed=False), ignore)

    monkeypatch.setattr(EphemeralEnvironmentService, "_ask_policies", refuse)
    slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, made))
    slipway.work(made)
    assert (phase(slipway, made), list(slipway.outside.of(made).values())) == (Phase.READY, [THIRD])


def test_a_queue_waits_while_in_quarantine_and_the_clock_goes_on_with_it(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked(slipway, "queue")
    slipway.outside.meanwhile = [lambda: pushes(slipway, made, SECOND)]
    slipway.work(made)
    with monkeypatch.context() as patched:
        patched.setattr(AssetService, "is_held", lambda *_: True)
        slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, made))
    waits = slipway.do(lambda service: service.get(slipway.principal.tenant_id, made))
    assert (waits.backlog, slipway.pending(made)) == ([SECOND], [])
    assert [each["reason"] for each in waits.conditions if each["type"] == "Following"] == ["Quarantine"]
    assert waits.due_at <= now() + timedelta(minutes=1)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE environments SET due_at = now() - interval '1 second'"))
    expire_due(slipway.context())
    slipway.work(made)
    assert (phase(slipway, made), list(slipway.outside.of(made).values())) == (Phase.READY, [SECOND])
    after = slipway.do(lambda service: service.get(slipway.principal.tenant_id, made))
    assert [each for each in after.conditions if each["type"] == "Following"] == []


def test_no_second_worker_touches_a_stack_while_one_applies(slipway: Slipway) -> None:
    made, waited = asked(slipway, "latest"), list[str]()

    def others_come() -> None:
        pushes(slipway, made, SECOND)
        slipway.do(lambda service: service.destroy(slipway.principal, made))
        for record in slipway.pending(made):
            try:
                JOBS[record.type](slipway.context(record))
            except Retry:
                waited.append(record.type)

    slipway.outside.meanwhile = [others_come]
    slipway.work(made)
    while slipway.pending(made):
        slipway.work(made)
    assert waited == ["dev.slipway.environment.destroy_requested.v1"]
    assert (phase(slipway, made), slipway.outside.applying, slipway.outside.most_at_once) == (Phase.DESTROYED, 0, 1)
