"""The life of environments by the clock: limits hold, warnings come once, and nothing due is overlooked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from catalog.environments import life
from catalog.environments.life import Life, TtlBase

BORN = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SPANS = st.integers(60, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    ttl, maximum = draw(SPANS), draw(SPANS)
    hard = BORN + max(ttl, maximum)
    return Life(
        ttl=ttl,
        base=draw(st.sampled_from(TtlBase)),
        lived_since=BORN,
        expires_at=min(BORN + ttl, hard),
        hard_expires_at=hard,
        last_activity_at=BORN + draw(SPANS),
        sleep_after=draw(st.none() | SPANS),
        pinned_until=draw(st.none() | SPANS.map(lambda span: BORN + span)),
    )


@given(lives(), SPANS, SPANS)
def test_nothing_lives_beyond_its_limit(one: Life, passed: timedelta, by: timedelta) -> None:
    moment = BORN + passed
    for expires in (life.deployed(one, moment), life.used(one, moment), life.extended(one, moment, by)):
        assert expires <= one.hard_expires_at
    assert one.ends_at <= one.hard_expires_at
    assert life.deployed(one, moment) >= one.expires_at, "a deployment takes no time away"


@given(lives())
def test_the_clock_looks_before_anything_ends(one: Life) -> None:
    for rests in (False, True):
        assert life.due_at(one, one.lived_since, rests=rests, ready=rests, failed=False) <= one.ends_at


@given(lives(), st.integers(1, 400))
def test_each_warning_is_given_once_and_before_the_end(one: Life, step_minutes: int) -> None:
    given_: list[timedelta] = []
    moment = BORN
    while moment < one.ends_at and len(given_) < 10:
        warning = life.warning_due(one, moment)
        if warning is not None:
            given_.append(warning)
            one = replace(one, warned=warning)
        assert life.warning_due(one, moment) is None, "the same moment warns once"
        moment += max(timedelta(minutes=step_minutes), (one.ends_at - BORN) / 200)
    assert given_ == sorted(given_, reverse=True)
    assert set(given_) <= set(life.warnings(one.ttl))


def test_time_counts_from_where_the_blueprint_says() -> None:
    one = Life(DAY, TtlBase.CREATED, BORN, BORN + DAY, BORN + 10 * DAY, BORN)
    noon = BORN + DAY / 2
    assert life.deployed(one, noon) == life.used(one, noon) == BORN + DAY
    deploys = replace(one, base=TtlBase.LAST_DEPLOY)
    assert (life.deployed(deploys, noon), life.used(deploys, noon)) == (noon + DAY, BORN + DAY)
    uses = replace(one, base=TtlBase.LAST_ACTIVITY)
    assert life.deployed(uses, noon) == life.used(uses, noon) == noon + DAY


def test_short_lives_are_warned_once() -> None:
    assert life.warnings(timedelta(minutes=20)) == (timedelta(minutes=5),)
    assert life.warnings(timedelta(hours=1)) == (timedelta(minutes=30),)
    assert life.warnings(timedelta(days=7)) == life.WARNINGS


def test_a_pin_keeps_it_until_its_end_and_no_longer_than_the_limit() -> None:
    one = Life(DAY, TtlBase.CREATED, BORN, BORN + DAY, BORN + 3 * DAY, BORN, pinned_until=BORN + 2 * DAY)
    assert one.ends_at == BORN + 2 * DAY
    assert one.is_pinned(BORN + DAY)
    assert not one.is_pinned(BORN + 2 * DAY)
    assert replace(one, pinned_until=BORN + 9 * DAY).ends_at == BORN + 3 * DAY


def test_an_idle_environment_is_due_when_it_may_sleep_and_not_before_its_pin_ends() -> None:
    one = Life(DAY, TtlBase.CREATED, BORN, BORN + DAY, BORN + DAY, BORN, sleep_after=timedelta(hours=1))
    due = {"rests": False, "ready": True, "failed": False}
    assert life.due_at(one, BORN, **due) == BORN + timedelta(hours=1)
    assert life.due_at(replace(one, pinned_until=BORN + DAY / 2), BORN, **due) == BORN + DAY / 2
