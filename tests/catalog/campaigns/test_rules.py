"""How waves are cut, when windows are open, and what keeps an install out."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.campaigns import rules
from catalog.campaigns.models import CampaignState
from catalog.campaigns.shapes import DAYS, AskWave, UpgradeWindow
from catalog.campaigns.written import read_wave, read_window, wave_text, window_text

SIZES = st.one_of(st.integers(1, 60).map(str), st.integers(1, 100).map(lambda each: f"{each}%"))
WAVES = st.lists(st.builds(AskWave, size=SIZES, at_once=st.integers(1, 9)), min_size=1, max_size=8)
CLOCK = st.integers(0, 24 * 60 - 1).map(lambda each: f"{each // 60:02}:{each % 60:02}")
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
WINDOWS = st.lists(
    st.builds(
        UpgradeWindow,
        days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
        begins=CLOCK,
        ends=CLOCK,
        zone=ZONES,
    ),
    min_size=1,
    max_size=3,
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001
BERLIN = UpgradeWindow(days=("sun",), begins="02:00", ends="03:00", zone="Europe/Berlin")


@given(total=st.integers(0, 300), waves=WAVES)
def test_every_install_is_in_exactly_one_wave(total: int, waves: list[AskWave]) -> None:
    sizes = [size for size, _ in rules.cut(total, waves)]
    assert sum(sizes) == total
    assert all(size > 0 for size in sizes)
    assert len(sizes) <= len(waves)
    for size, wave in zip(sizes[:-1], waves, strict=False):
        number = int(wave.size.removesuffix("%"))
        assert size == (-(-total * number // 100) if wave.size.endswith("%") else number)


@given(windows=WINDOWS, at=MOMENTS)
def test_the_next_opening_is_the_first(windows: list[UpgradeWindow], at: datetime) -> None:
    found = rules.opens_at(windows, at)
    assert found is not None
    assert rules.is_open(windows, found)
    step = timedelta(minutes=7)
    before = [at + step * number for number in range(int((found - at) / step) + 1)]
    assert not any(rules.is_open(windows, each) for each in before if each < found)


def test_an_hour_that_is_there_twice_counts_twice_and_one_left_out_is_never_open() -> None:
    spring = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(rules.is_open([BERLIN], spring + timedelta(minutes=each)) for each in range(24 * 60))
    autumn = datetime(2026, 10, 25, tzinfo=UTC)
    minutes = [each for each in range(24 * 60) if rules.is_open([BERLIN], autumn + timedelta(minutes=each))]
    assert (minutes[0], minutes[-1], len(minutes)) == (0, 119, 120)


def test_a_window_over_midnight_belongs_to_the_day_it_begins() -> None:
    night = UpgradeWindow(days=("fri",), begins="22:00", ends="06:00")
    friday = datetime(2026, 11, 27, tzinfo=UTC)
    hours = [each for each in range(48) if rules.is_open([night], friday + timedelta(hours=each))]
    assert hours == list(range(22, 30))
    assert rules.opens_at([night], friday) == friday + timedelta(hours=22)
    assert rules.is_open([], friday)


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        ({}, None),
        ({rules.PINNED: "we wait for 3.0"}, "pinned"),
        ({rules.FROZEN: "2026-11-26"}, "frozen"),
        ({rules.FROZEN: "2026-11-25"}, None),
        ({rules.FROZEN: "until easter"}, "frozen"),
    ],
)
def test_what_keeps_an_install_out(labels: dict[str, str], code: str | None) -> None:
    found = rules.kept_out(labels, date(2026, 11, 26))
    assert (found and found[0]) == code


def test_the_share_is_what_may_fail() -> None:
    assert [rules.is_over_share(failed, 10, 0.2) for failed in range(4)] == [False, False, False, True]
    assert rules.is_over_share(1, 1000, 0.0)


@given(path=st.lists(st.sampled_from(list(CampaignState)), max_size=12))
def test_what_is_over_stays_over_and_an_end_is_always_near(path: list[CampaignState]) -> None:
    state = CampaignState.PLANNING
    for each in path:
        state = each if rules.may_move(state, each) else state
    assert state in rules.FINAL or rules.may_move(state, CampaignState.ABORTED)
    assert state not in rules.FINAL or not rules.MOVES[state]


@given(windows=WINDOWS, waves=WAVES)
def test_what_is_written_in_one_line_is_read_back(windows: list[UpgradeWindow], waves: list[AskWave]) -> None:
    for window in windows:
        read = UpgradeWindow.model_validate(read_window(window_text(window.model_dump())))
        assert (set(read.days), read.begins, read.ends, read.zone) == (
            *(set(window.days), window.begins),
            *(window.ends, window.zone),
        )
    for wave in waves:
        assert AskWave.model_validate(read_wave(wave_text(wave.model_dump()))) == wave


def test_days_are_ranges_and_lists() -> None:
    assert read_window("fri-mon,wed 22:00-05:00")["days"] == ["mon", "wed", "fri", "sat", "sun"]
    for wrong in ("mon-fri", "22:00", "mon-xyz 1:00-2:00", "1:00-2:00 UTC again", ""):
        with pytest.raises(ValueError, match=r"names no hours|no days|too many"):
            read_window(wrong)
    for wrong in ("10%:x", ":5", ""):
        with pytest.raises(ValueError, match="SIZE"):
            read_wave(wrong)
