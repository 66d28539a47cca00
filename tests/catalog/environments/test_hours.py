"""Active hours: open on their days between their times, whatever the zone's clocks do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from catalog.assets.blueprint_spec import WEEKDAYS, ActiveHours
from catalog.environments import life
from catalog.environments.hours import Hours
from catalog.environments.life import Life, TtlBase

BERLIN = Hours.of(ActiveHours(days=("mon", "tue"), begin="08:00", end="18:00", zone="Europe/Berlin"))
HOURS = st.builds(
    Hours,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    begin=st.times(timezones=st.none()).map(lambda each: each.replace(second=0, microsecond=0)),
    end=st.times(timezones=st.none()).map(lambda each: each.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo),
)
MOMENTS = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants them so


@pytest.mark.parametrize(
    ("moment", "are_open"),
    [
        (datetime(2026, 7, 6, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 6, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 7, 6, 16, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 8, 9, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 5, 6, 30, tzinfo=UTC), False),
        (datetime(2026, 1, 5, 7, 0, tzinfo=UTC), True),
    ],
)
def test_they_are_those_of_the_zone_in_summer_and_winter(moment: datetime, are_open: bool) -> None:  # noqa: FBT001  # a parameter
    assert BERLIN.are_open(moment) is are_open


def test_they_may_last_beyond_midnight() -> None:
    night = Hours(frozenset({4}), time(22), time(2), ZoneInfo("UTC"))
    friday = datetime(2026, 7, 10, 23, tzinfo=UTC)
    assert night.are_open(friday)
    assert night.are_open(friday + timedelta(hours=2))
    assert night.next_change(friday) == datetime(2026, 7, 11, 2, tzinfo=UTC)
    assert night.next_change(friday + timedelta(hours=3)) == datetime(2026, 7, 17, 22, tzinfo=UTC)


@given(hours=HOURS, moment=MOMENTS)
def test_the_next_change_is_one_and_there_is_none_before_it(hours: Hours, moment: datetime) -> None:
    if hours.never_close():
        return
    change = hours.next_change(moment)
    assert moment < change <= moment + timedelta(days=9)
    assert hours.are_open(change) is not hours.are_open(change - timedelta(microseconds=1))
    assert hours.are_open(moment) is hours.are_open(change - timedelta(microseconds=1))


def test_a_zone_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        ActiveHours(zone="Middle/Earth")
    assert Hours.of(ActiveHours.model_validate({"days": WEEKDAYS, "begin": "00:00", "end": "00:00"})).never_close()


def test_outside_them_it_sleeps_soon_after_its_last_use_and_wakes_with_them() -> None:
    evening = datetime(2026, 7, 6, 16, 0, tzinfo=UTC)
    used = evening - timedelta(minutes=5)
    one = Life(
        ttl=timedelta(days=3),
        base=TtlBase.CREATED,
        lived_since=used,
        expires_at=used + timedelta(days=3),
        hard_expires_at=used + timedelta(days=9),
        last_activity_at=used,
        hours=BERLIN,
    )
    due = {"rests": False, "ready": True, "failed": False}
    assert life.due_at(one, used, **due) == evening
    assert life.due_at(one, evening, **due) == used + life.OUTSIDE
    asleep = Life(**{**one.__dict__, "sleeps_for_hours": True})
    morning = datetime(2026, 7, 7, 6, 0, tzinfo=UTC)
    assert life.due_at(asleep, evening, rests=False, ready=False, failed=False, asleep=True) == morning
    assert life.is_woken_by_hours(asleep, morning)
    assert not life.is_woken_by_hours(one, morning)
