"""Specs that cannot be read any more, as another version wrote them or after damage: they keep nothing from going."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog.environments.errors import UnreadableSpecError
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway
from workers.environment_watch import watch_pull_requests

FROM_LATER: dict[str, Any] = {
    "environment": {
        "components": {"web": {"type": "quantum", "env": {"KEY": "${secrets.key}", "OTHER": "${"}}},
        "repositories": 7,
    },
    "follow": "closely",
    "active": 3,
}
DAMAGED = [{}, {"environment": {"components": [1]}}, FROM_LATER, [1], None, "spec"]


def damage(one: One, spec: object = FROM_LATER) -> One:
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        statement = "UPDATE environments SET spec = CAST(:spec AS jsonb) WHERE id = :id"
        session.execute(text(statement), {"spec": json.dumps(spec), "id": one.id})
    return one


def phase(one: One) -> Phase:
    return Phase(one.row.phase)


def told(one: One) -> list[str]:
    return [each.message for each in one.read.conditions if each.type == "Specified"]


@pytest.mark.parametrize("spec", DAMAGED)
def test_what_cannot_be_read_is_shown_with_the_reason_and_removed(shared: Slipway, spec: object) -> None:
    one = One(shared).request().work()
    assert told(one) == []
    damage(one, spec)
    (why,) = told(one)
    assert "cannot be read (" in why
    assert "it can be destroyed" in why
    one.ask("destroy")
    one.work_all()
    assert (one.row.phase, one.runs, told(one)) == (Phase.DESTROYED, [], [])


@pytest.mark.parametrize("spec", DAMAGED)
def test_it_goes_when_its_time_is_over_when_its_pull_request_closes_and_after_a_worker_died(
    shared: Slipway, spec: object
) -> None:
    expires, closes, died = (One(shared).request().work() for _ in range(3))
    died.push()
    died.dies_while_applying()
    for one in (expires, closes, died):
        damage(one, spec)
    expires.time_passes(timedelta(days=400))
    closes.close()
    died.ask("destroy")
    for one in (expires, closes, died):
        one.work_all()
        assert (one.row.phase, one.runs) == (Phase.DESTROYED, [])


def test_one_that_could_not_be_removed_at_first_is_removed_later(shared: Slipway) -> None:
    one = damage(One(shared).request().work())
    one.ask("destroy")
    one.work(fails=True)
    assert phase(one) is Phase.DESTROY_FAILED
    one.ask("destroy")
    one.work_all()
    assert phase(one) is Phase.DESTROYED


def test_nothing_is_made_of_it_and_what_runs_stays(shared: Slipway) -> None:
    one = damage(One(shared).request().work())
    (runs,) = one.runs
    one.push()
    assert (one.row.phase, one.row.seen_sha, one.runs) == (Phase.READY, runs, [runs])
    for verb in ("rebuild", "sleep"):
        with pytest.raises(UnreadableSpecError):
            one.ask(verb)
    one.time_passes(timedelta(hours=20))
    assert (one.row.phase, one.runs) == (Phase.READY, [runs]), "it does not fall asleep: nobody knows what to stop"

    def read(service: EphemeralEnvironmentService) -> tuple[str, str]:
        environment = service.get(one.tenant_id, one.id)
        return service.limits(environment), service.explain(shared.principal, "/srv/shop", one.number).decision.rule

    assert shared.do(read)[0] == ""
    assert one.signs.deployment is not None


def test_what_was_asked_for_before_fails_with_the_reason_and_a_new_request_repairs_it(shared: Slipway) -> None:
    one = One(shared).request().work()
    one.push()
    damage(one).work_all()
    row = one.row
    assert (row.phase, (row.failure or {})["code"]) == (Phase.FAILED, "environment_spec_unreadable")
    assert "environment.repositories: Input should be an object" in (row.failure or {})["message"]
    one.request().work_all()
    assert (one.row.phase, one.runs, told(one)) == (Phase.READY, [one.head], [])
    damage(one).request()
    assert one.row.phase is Phase.UPDATING, "the same once more writes what it is made of anew"
    one.work_all()
    assert (one.row.phase, told(one)) == (Phase.READY, [])


def test_one_that_was_to_sleep_says_that_it_is_still_awake(shared: Slipway) -> None:
    one = One(shared).request().work()
    one.ask("sleep")
    damage(one).work_all()
    assert (one.row.phase, one.condition["StillAwake"]) == (Phase.SLEEPING, "NotStopped")
    with pytest.raises(UnreadableSpecError):
        one.ask("wake")
    one.ask("destroy")
    one.work_all()
    assert (one.row.phase, one.runs) == (Phase.DESTROYED, [])


def test_it_keeps_no_other_pull_request_of_its_repository_from_being_watched(shared: Slipway) -> None:
    odd, one = One(shared).request().work(), One(shared).request().work()
    damage(odd)
    odd.push(watch=False)
    one.push(watch=False)
    watch_pull_requests(shared.context())
    assert (odd.row.phase, one.row.phase) == (Phase.READY, Phase.UPDATING)
    uses = shared.do(lambda service: service.uses_of_secrets(shared.principal.tenant_id))
    assert (odd.id, odd.row.name) in uses["key"]
