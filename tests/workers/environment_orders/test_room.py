"""The quota counts what is awake, makes room where the settings say so, and never stands in the way of a removal."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments.models import Phase, RequestEnvironment
from catalog.environments.service import life, read
from catalog.errors import ConflictError, QuotaExceededError, SlipwayError
from catalog.gating import PolicyRefusedError, Verdict
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.slipway import Slipway


def ask(slipway: Slipway, number: int) -> UUID:
    slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")
    asked = RequestEnvironment(repository="/srv/shop", pull_request=number, blueprint="acme/preview")
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    slipway.work(made)
    return made


def phase(slipway: Slipway, environment_id: UUID) -> Phase:
    return Phase(slipway.do(lambda service: service.get(slipway.principal.tenant_id, environment_id).phase))


def unused_for(slipway: Slipway, environment_id: UUID, span: timedelta) -> None:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        moved = "last_deploy_at = last_deploy_at - :span, lived_since = lived_since - :span"
        session.execute(
            text(f"UPDATE environments SET {moved} WHERE id = :id"),  # noqa: S608  # names from above
            {"span": span, "id": environment_id},
        )


def act(slipway: Slipway, verb: str, environment_id: UUID, **more: str) -> None:
    slipway.do(lambda service: getattr(service, verb)(slipway.principal, environment_id, **more))
    slipway.work(environment_id)


def test_what_sleeps_makes_room_and_waking_needs_it(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 2})
    first, second = ask(slipway, 1), ask(slipway, 2)
    with pytest.raises(QuotaExceededError):
        ask(slipway, 3)
    act(slipway, "sleep", first)
    assert (phase(slipway, first), slipway.outside.of(first)) == (Phase.SLEEPING, {})
    third = ask(slipway, 3)
    for verb in ("wake", "rebuild"):
        with pytest.raises(QuotaExceededError):
            act(slipway, verb, first)
    with pytest.raises(QuotaExceededError):
        ask(slipway, 1)
    act(slipway, "destroy", second)
    act(slipway, "wake", first)
    assert (phase(slipway, first), phase(slipway, third)) == (Phase.READY, Phase.READY)
    assert set(slipway.outside.of(first).values()) == {f"{1:040x}"}


def test_the_one_unused_longest_makes_room_but_never_a_pinned_one(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 3, "environment_eviction": "sleep"})
    pinned, oldest, older = ask(slipway, 1), ask(slipway, 2), ask(slipway, 3)
    with pytest.raises(QuotaExceededError):
        ask(slipway, 4)
    act(slipway, "pin", pinned, by="P1D", reason="shown to customers")
    for environment_id, hours in ((pinned, 9), (oldest, 5), (older, 2)):
        unused_for(slipway, environment_id, timedelta(hours=hours))
    fourth = ask(slipway, 4)
    assert [phase(slipway, each) for each in (pinned, oldest, older)] == [Phase.READY, Phase.SLEEPING, Phase.READY]
    assert phase(slipway, fourth) is Phase.READY
    slipway.work(oldest)
    assert slipway.outside.of(oldest) == {}


def test_nothing_that_somebody_just_visited_makes_room(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 2, "environment_eviction": "sleep"})
    visited, unvisited = ask(slipway, 1), ask(slipway, 2)
    unused_for(slipway, visited, timedelta(hours=5))
    unused_for(slipway, unvisited, timedelta(hours=2))
    slipway.outside.visits[host(slipway, visited)] = now()
    slipway.outside.router_answers = False
    with pytest.raises(QuotaExceededError):
        ask(slipway, 3)
    slipway.outside.router_answers = True
    ask(slipway, 3)
    assert (phase(slipway, visited), phase(slipway, unvisited)) == (Phase.READY, Phase.SLEEPING)


def test_a_deployment_counts_as_use_after_an_earlier_visit(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 1, "environment_eviction": "sleep"})
    only = ask(slipway, 1)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        statement = text("UPDATE environments SET last_activity_at = :then, sleep_after_seconds = 3600 WHERE id = :id")
        session.execute(statement, {"then": now() - timedelta(hours=5), "id": only})
    found = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, only)))
    assert found.sleeps_at == found.last_deploy_at + timedelta(hours=1)
    with pytest.raises(QuotaExceededError):
        ask(slipway, 2)


def test_policies_and_quarantine_stand_before_every_waking(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = ask(slipway, 1)
    act(slipway, "sleep", sleeper)

    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False), lambda _session: None)

    with monkeypatch.context() as patched:
        patched.setattr(life, "pass_gate", refuse)
        for verb in ("wake", "rebuild"):
            with pytest.raises(PolicyRefusedError):
                act(slipway, verb, sleeper)
        with pytest.raises(SlipwayError):
            slipway.do(lambda service: service.wake_for_visitor(slipway.principal.tenant_id, sleeper))
    with monkeypatch.context() as patched:
        patched.setattr(AssetService, "is_held", lambda *_: True)
        for verb in ("wake", "rebuild"):
            with pytest.raises(ConflictError, match="quarantine"):
                act(slipway, verb, sleeper)
    assert phase(slipway, sleeper) is Phase.SLEEPING
    slipway.do(lambda service: service.wake_for_visitor(slipway.principal.tenant_id, sleeper))
    assert phase(slipway, sleeper) is Phase.WAKING


def host(slipway: Slipway, environment_id: UUID) -> str:
    return str(slipway.do(lambda service: service.get(slipway.principal.tenant_id, environment_id).hostname))
