"""What a comment offers is obeyed in the state that it tells of, and what would be refused is not offered."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import text

from catalog.environments.models import Phase, RequestEnvironment
from catalog.errors import SlipwayError
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.pull_request_rows import says
from tests.workers.environment_orders.slipway import Slipway

COMMANDS = {"up", "down", "extend 24h", "rebuild", "status"}
Made = Callable[[Slipway], One]


def ready(slipway: Slipway) -> One:
    return One(slipway).request(ttl="P1D").work()


def asked_for(slipway: Slipway) -> One:
    return One(slipway).request(ttl="P1D")


def failed(slipway: Slipway) -> One:
    return One(slipway).request(ttl="P1D").work(fails=True)


def asleep(slipway: Slipway) -> One:
    one = ready(slipway)
    one.ask("sleep")
    return one.work()


def leaving(slipway: Slipway) -> One:
    one = ready(slipway)
    one.ask("destroy")
    return one


def stuck(slipway: Slipway) -> One:
    return leaving(slipway).work(fails=True)


def waiting(slipway: Slipway) -> One:
    one = One(slipway, is_fork=True)
    asked = {"repository": "/srv/shop", "pull_request": one.number, "blueprint": slipway.blueprint(), "ttl": "P1D"}
    wanted = RequestEnvironment.model_validate(asked)
    one.id = slipway.do(lambda service: service.request(slipway.principal, wanted).id)
    return one


def at_its_limit(slipway: Slipway) -> One:
    one = ready(slipway)
    _write(one, "expires_at = hard_expires_at")
    return one


def unreadable(slipway: Slipway) -> One:
    one = ready(slipway)
    _write(one, "spec = '{}'")
    return one


def _write(one: One, changed: str) -> None:
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text(f"UPDATE environments SET {changed} WHERE id = :id"), {"id": one.id})  # noqa: S608


STATES: list[tuple[Made, Phase, set[str]]] = [
    (asked_for, Phase.QUEUED, {"down", "extend 24h", "rebuild", "status"}),
    (ready, Phase.READY, {"down", "extend 24h", "rebuild", "status"}),
    (failed, Phase.FAILED, COMMANDS),
    (asleep, Phase.SLEEPING, COMMANDS),
    (leaving, Phase.DESTROYING, {"up", "status"}),
    (stuck, Phase.DESTROY_FAILED, {"up", "status"}),
    (waiting, Phase.PENDING_APPROVAL, {"down", "extend 24h", "status"}),
    (at_its_limit, Phase.READY, {"down", "rebuild", "status"}),
    (unreadable, Phase.READY, {"down", "extend 24h", "status"}),
]


def offered(one: One) -> set[str]:
    (line,) = [each for each in one.signs.comment.splitlines() if each.startswith("Commands: ")]
    first, *others = re.findall(r"`([^`]+)`", line)
    assert first.startswith("/preview ")
    return {first.removeprefix("/preview "), *others}


@pytest.mark.parametrize(("make", "phase", "expected"), STATES, ids=[make.__name__ for make, _, _ in STATES])
def test_only_what_is_obeyed_is_offered(shared: Slipway, make: Made, phase: Phase, expected: set[str]) -> None:
    one = make(shared)
    assert (one.row.phase, offered(one)) == (phase, expected)
    for command in sorted(COMMANDS):
        another = make(shared)
        before = another.row.model_dump(exclude={"signs_due_at"})
        try:
            says(another, f"/preview {command}")
        except SlipwayError:
            assert command not in expected
        else:
            # What is obeyed and not offered changes nothing.
            changes = another.row.model_dump(exclude={"signs_due_at"}) != before
            assert command in expected or not changes, command
