"""Reading events by cursor, dead letters of a tenant, and what is cleaned away when."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.db import Database
from catalog.deliveries import relaying
from catalog.deliveries.service import DeliveryService
from catalog.errors import ConflictError, ForbiddenError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData, event
from catalog.events.service import EventService
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

QUEUES = {"tests.note": "test", "tests.other": "other"}


@event("test.noted", version=1)
class Noted(EventData):
    """Something was noted."""

    number: int


SUBSCRIPTIONS = [(Noted.event_type(), "tests.note")]


def _append(database: Database, tenant: Principal, *numbers: int, subject: str = "notes/1") -> None:
    with database.tenant_session(tenant.tenant_id) as session:
        for number in numbers:
            data = Noted(number=number)
            outbox.append(session, data, tenant_id=tenant.tenant_id, subject=subject, actor="test")


def _relay(database: Database) -> int:
    with database.system_session() as session:
        assert relaying.take_turn(session)
        return relaying.expand(session, SUBSCRIPTIONS, 500)


def _numbers(database: Database, tenant: Principal, cursor: int, limit: int = 100) -> tuple[list[int], int]:
    with database.tenant_session(tenant.tenant_id) as session:
        page = EventService(session).after(tenant.tenant_id, cursor, limit)
        return [each.data["number"] for each in page.events], page.cursor


def _execute(database: Database, statement: str) -> None:
    with database.system_session() as session:
        session.connection().execute(text(statement))


def test_a_reader_with_a_cursor_sees_every_event_once(database: Database, acme: Principal, rival: Principal) -> None:
    _append(database, acme, 1, 2, 3)
    _append(database, rival, 9)
    assert _numbers(database, acme, 0) == ([], 0)
    assert _relay(database) == 4
    first, cursor = _numbers(database, acme, 0, limit=2)
    second, cursor = _numbers(database, acme, cursor, limit=2)
    assert first + second == [1, 2, 3]
    assert _numbers(database, acme, cursor) == ([], cursor)
    assert _numbers(database, rival, 0)[0] == [9]
    with database.tenant_session(acme.tenant_id) as session:
        assert EventService(session).latest(acme.tenant_id) == cursor


def test_an_event_that_commits_late_is_not_hidden_behind_the_cursor(database: Database, acme: Principal) -> None:
    appended, go_on = threading.Event(), threading.Event()

    def late() -> None:
        with database.tenant_session(acme.tenant_id) as session:
            outbox.append(session, Noted(number=1), tenant_id=acme.tenant_id, subject="notes/1", actor="test")
            appended.set()
            assert go_on.wait(10)

    thread = threading.Thread(target=late)
    thread.start()
    assert appended.wait(10)
    _append(database, acme, 2, subject="notes/2")
    _relay(database)
    seen, cursor = _numbers(database, acme, 0)
    go_on.set()
    thread.join()
    _relay(database)
    assert seen == [2]
    assert _numbers(database, acme, cursor)[0] == [1]


def test_events_can_be_asked_for_by_subject_and_type(database: Database, acme: Principal) -> None:
    _append(database, acme, 1, subject="notes/1")
    _append(database, acme, 2, subject="notes/2")
    _relay(database)
    with database.tenant_session(acme.tenant_id) as session:
        service = EventService(session)
        assert [each.data["number"] for each in service.after(acme.tenant_id, subject="notes/2").events] == [2]
        assert service.after(acme.tenant_id, types=["dev.slipway.other.v1"]).events == ()


def test_replaying_is_audited_and_refused_to_those_who_may_not(
    database: Database, acme: Principal, rival: Principal
) -> None:
    _append(database, acme, 1, 2)
    _relay(database)
    _execute(database, "UPDATE deliveries SET state = 'dead', finished_at = now(), last_error = 'no', failures = 5")
    viewer = Principal(acme.tenant_id, "acme", "member:1", "viewer", frozenset({"events:read"}))
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(ForbiddenError):
        DeliveryService(session).replay_all(viewer)
    with database.tenant_session(rival.tenant_id) as session, pytest.raises(NotFoundError):
        DeliveryService(session).replay(rival, 1)
    with database.tenant_session(acme.tenant_id) as session:
        newest, oldest = DeliveryService(session).dead_letters(acme.tenant_id)
        assert DeliveryService(session).dead_letters(acme.tenant_id, before=newest.id) == [oldest]
        DeliveryService(session).replay(acme, oldest.id)
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(ConflictError):
        DeliveryService(session).replay(acme, oldest.id)
    with database.tenant_session(acme.tenant_id) as session:
        assert DeliveryService(session).replay_all(acme, job="tests.other") == 0
        assert DeliveryService(session).replay_all(acme) == 1
    with database.tenant_session(acme.tenant_id) as session:
        actions = [entry.action for entry in TenantService(session).audit_log(acme.tenant_id)]
    assert actions.count("delivery.replay") == 2


def test_a_replayed_dead_letter_waits_behind_what_is_under_way(database: Database, acme: Principal) -> None:
    _append(database, acme, 1, 2)
    _relay(database)
    _execute(database, "UPDATE deliveries SET state = 'dead' WHERE id = 1")
    assert _hand_out(database) == [2]
    with database.tenant_session(acme.tenant_id) as session:
        DeliveryService(session).replay(acme, 1)
    assert _hand_out(database) == []
    _execute(database, "UPDATE deliveries SET state = 'done' WHERE id = 2")
    assert _hand_out(database) == [1]


def _hand_out(database: Database, window: int = 64) -> list[int]:
    with database.system_session() as session:
        assert relaying.take_turn(session)
        relaying.reclaim(session)
        return [each.delivery_id for each in relaying.hand_out(session, QUEUES, relaying.Window(window))]


def test_only_one_relay_works_at_a_time(database: Database) -> None:
    with database.system_session() as first:
        assert relaying.take_turn(first)
        with database.system_session() as second:
            assert not relaying.take_turn(second)
    with database.system_session() as third:
        assert relaying.take_turn(third)


def test_what_is_old_and_finished_is_cleaned_away_in_batches(database: Database, acme: Principal) -> None:
    _append(database, acme, *range(10))
    _relay(database)
    _execute(database, "UPDATE deliveries SET state = 'done', finished_at = now() - interval '8 days'")
    _execute(database, "UPDATE deliveries SET state = 'dead' WHERE id = 1")
    _execute(database, "UPDATE events SET relayed_at = now() - interval '100 days'")

    def sweep() -> int:
        with database.system_session() as session:
            return relaying.sweep(session, timedelta(days=7), timedelta(days=90), limit=4)

    rounds = 0
    while sweep():
        rounds += 1
    assert rounds >= 3
    assert _numbers(database, acme, 0)[0] == [0], "the event of a dead letter is kept"


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "hand out", "finish", "fail", "lose", "kill", "replay"]), st.integers(0, 5)),
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_a_subject_has_one_delivery_under_way_and_none_overtakes(
    database: Database, acme: Principal, steps: list[Step]
) -> None:
    _execute(database, "DELETE FROM events")
    for what, pick in steps:
        _step(database, acme, what, pick)
        with database.system_session() as session:
            rows = session.connection().execute(text("SELECT subject, position, state FROM deliveries")).all()
        for subject in {row.subject for row in rows}:
            mine = [row for row in rows if row.subject == subject]
            under_way = [row.position for row in mine if row.state in {"sent", "running"}]
            waiting = [row.position for row in mine if row.state == "pending"]
            assert len(under_way) <= 1
            assert what != "hand out" or not waiting or under_way, "nothing is left waiting without cause"
            assert what != "hand out" or all(mine > under_way[0] for mine in waiting)


def _step(database: Database, acme: Principal, what: str, pick: int) -> None:
    changes = {
        "finish": "state = 'done'",
        "fail": "state = 'pending'",
        "lose": "lease_until = now() - interval '1 s'",
        "kill": "state = 'dead'",
    }
    match what:
        case "append":
            _append(database, acme, pick, subject=f"notes/{pick % 3}")
            _relay(database)
        case "hand out":
            _hand_out(database)
        case "finish" | "fail" | "lose" | "kill":
            chosen = f"SELECT id FROM deliveries WHERE state = 'sent' ORDER BY id OFFSET {pick % 3} LIMIT 1"  # noqa: S608
            _execute(database, f"UPDATE deliveries SET {changes[what]} WHERE id = ({chosen})")  # noqa: S608
        case _:
            with database.tenant_session(acme.tenant_id) as session:
                letters = DeliveryService(session).dead_letters(acme.tenant_id)
                if letters:
                    DeliveryService(session).replay(acme, letters[pick % len(letters)].id)


def test_tenants_take_turns(database: Database, acme: Principal, rival: Principal) -> None:
    for number in range(20):
        _append(database, acme, number, subject=f"notes/{number}")
    for number in range(3):
        _append(database, rival, number, subject=f"notes/{number}")
    _relay(database)
    with database.system_session() as session:
        assert relaying.take_turn(session)
        owners: list[UUID] = [each.tenant_id for each in relaying.hand_out(session, QUEUES, relaying.Window(6))]
    assert owners == [acme.tenant_id, rival.tenant_id] * 3


def test_a_queue_of_slow_jobs_has_fewer_places(database: Database, acme: Principal, rival: Principal) -> None:
    for number in range(5):
        _append(database, acme, number, subject=f"notes/{number}")
    _relay(database)
    window = relaying.Window(6, {next(iter(QUEUES.values())): 2})

    def handed_out() -> list[UUID]:
        with database.system_session() as session:
            assert relaying.take_turn(session)
            return [each.tenant_id for each in relaying.hand_out(session, QUEUES, window)]

    assert handed_out() == [acme.tenant_id] * 2
    with database.system_session() as session:
        assert relaying.pause(session, QUEUES, window).crowded
        assert not relaying.pause(session, QUEUES, relaying.Window(6)).crowded
    assert handed_out() == []
    _append(database, rival, 1, subject="notes/1")
    _relay(database)
    _execute(database, "UPDATE deliveries SET state = 'done' WHERE state = 'sent'")
    assert handed_out() == [acme.tenant_id, rival.tenant_id], "tenants take turns"


def test_what_nobody_waits_for_gives_way_for_a_while(database: Database, acme: Principal) -> None:
    both = [*SUBSCRIPTIONS, (Noted.event_type(), "tests.other")]
    hour, day = timedelta(hours=1), timedelta(days=1)

    def handed_out(longest: timedelta, calm: timedelta = timedelta()) -> list[str]:
        courtesy = relaying.Courtesy(["tests.note"], ["tests.other"], calm, longest)
        with database.system_session() as session:
            assert relaying.take_turn(session)
            found = relaying.hand_out(session, QUEUES, relaying.Window(6), courtesy=courtesy)
            waits = relaying.pause(session, QUEUES, relaying.Window(6), courtesy).held_back
        assert waits is bool(_count(database, "state = 'pending'"))
        return [each.job for each in found]

    def note(number: int) -> None:
        _append(database, acme, number, subject=f"notes/{number}")
        with database.system_session() as session:
            assert relaying.take_turn(session)
            relaying.expand(session, both, 500)

    note(1)
    assert handed_out(hour) == ["tests.note"], "the awaited one waits itself"
    assert handed_out(hour) == [], "it is on its way"
    _execute(database, "UPDATE deliveries SET state = 'running' WHERE state = 'sent'")
    assert handed_out(hour) == [], "it runs"
    _execute(database, "UPDATE deliveries SET state = 'done', finished_at = now() WHERE state = 'running'")
    assert handed_out(hour, calm=day) == [], "it was there a moment ago"
    assert handed_out(hour) == ["tests.other"]
    note(2)
    _execute(database, "UPDATE deliveries SET next_attempt_at = now() - interval '2 hours' WHERE job = 'tests.other'")
    assert sorted(handed_out(hour)) == ["tests.note", "tests.other"], "nothing gives way for ever"
    note(3)
    late = "UPDATE deliveries SET next_attempt_at = now() + interval '1 hour' WHERE job = 'tests.note' "
    _execute(database, f"{late} AND state = 'pending'")
    _execute(database, "UPDATE deliveries SET state = 'done', finished_at = now() WHERE state = 'sent'")
    assert handed_out(hour) == ["tests.other"], "what is tried again later is not waited for"


def _count(database: Database, condition: str) -> int:
    with database.system_session() as session:
        statement = f"SELECT count(*) FROM deliveries WHERE {condition} AND next_attempt_at <= clock_timestamp()"  # noqa: S608
        return int(session.connection().execute(text(statement)).scalar_one())
