"""The quota counts what is awake, makes room where the settings say so, and never stands in the way of a removal."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.environments.models import Phase, RequestEnvironment
from catalog.errors import QuotaExceededError
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
        moved = text("UPDATE environments SET last_deploy_at = last_deploy_at - :span WHERE id = :id")
        session.execute(moved, {"span": span, "id": environment_id})


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
    with pytest.raises(QuotaExceededError):
        act(slipway, "wake", first)
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
