"""How campaigns move, how waves are cut and when windows are open: pure functions; time is a parameter."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from catalog.campaigns.models import CampaignState, MemberState
from catalog.campaigns.shapes import DAYS, AskWave, UpgradeWindow
from catalog.installs.models import OutcomeState, PlanState

S, M = CampaignState, MemberState
FINAL = frozenset({S.DONE, S.ABORTED})
UNDER_WAY = frozenset({M.RUNNING, M.HELD, M.WAITING, M.ROLLING_BACK})
SETTLED = frozenset({M.UPGRADED, M.FAILED, M.SKIPPED, M.LEFT, M.ROLLED_BACK, M.KEPT})
PINNED, FROZEN = "slipway/pinned", "slipway/frozen"
"""Labels that keep an install out of campaigns: for good, and until the day that the label names."""
MOVES: Mapping[CampaignState, frozenset[CampaignState]] = {
    S.PLANNING: frozenset({S.PLANNED, S.ABORTED}),
    S.PLANNED: frozenset({S.RUNNING, S.DONE, S.ABORTED}),
    S.RUNNING: frozenset({S.SOAKING, S.PAUSED, S.STOPPED, S.ROLLING_BACK, S.ABORTED}),
    S.SOAKING: frozenset({S.RUNNING, S.PAUSED, S.STOPPED, S.ROLLING_BACK, S.DONE, S.ABORTED}),
    S.PAUSED: frozenset({S.RUNNING, S.SOAKING, S.STOPPED, S.ROLLING_BACK, S.DONE, S.ABORTED}),
    S.STOPPED: frozenset({S.RUNNING, S.SOAKING, S.ROLLING_BACK, S.DONE, S.ABORTED}),
    S.ROLLING_BACK: frozenset({S.STOPPED, S.ABORTED}),
    S.DONE: frozenset(),
    S.ABORTED: frozenset(),
}
_QUARTER = timedelta(minutes=15)
_LOOK_AHEAD = timedelta(days=9)


class Progress(StrEnum):
    """How far a plan of an install came."""

    UNDER_WAY = "under_way"
    READY = "ready"
    MOVED = "moved"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


def may_move(current: CampaignState, target: CampaignState) -> bool:
    """Tell whether a campaign may go from one state to another."""
    return target in MOVES[current]


def cut(total: int, waves: Sequence[AskWave]) -> list[tuple[int, int]]:
    """Return size and how many at once of each wave that has installs; the last takes whatever is left.

    A share is of all installs, rounded up, so that no wave that was asked for is empty while installs are left.
    """
    found: list[tuple[int, int]] = []
    left = total
    for index, wave in enumerate(waves):
        number = int(wave.size.removesuffix("%"))
        wanted = -(-total * number // 100) if wave.size.endswith("%") else number
        size = left if index == len(waves) - 1 else min(left, wanted)
        if size:
            found.append((size, wave.at_once))
        left -= size
    return found


def progress(plan: PlanState, outcome: OutcomeState | None) -> Progress:
    """Return how far a plan came, by its own state and the last line of the revision that it became."""
    if plan is not PlanState.APPLIED:
        return {
            PlanState.PLANNING: Progress.UNDER_WAY,
            PlanState.APPLYING: Progress.UNDER_WAY,
            PlanState.READY: Progress.READY,
            PlanState.MOVED: Progress.MOVED,
        }.get(plan, Progress.FAILED)
    if outcome is OutcomeState.APPLIED:
        return Progress.DONE
    return Progress.WAITING if outcome is OutcomeState.WAITING else Progress.FAILED


def is_over_share(failed: int, size: int, share: float) -> bool:
    """Tell whether more than the share of a wave has failed; with a share of 0 the first failure is."""
    return failed > share * size + 1e-9


def is_open(windows: Sequence[UpgradeWindow], at: datetime) -> bool:
    """Tell whether upgrades may begin: any window is open, or there is none.

    The clock on the wall decides. An hour that is there twice counts twice, one that is left out is never open.
    """
    return not windows or any(_is_in(each, at) for each in windows)


def opens_at(windows: Sequence[UpgradeWindow], at: datetime) -> datetime | None:
    """Return the first moment from ``at`` on at which a window is open; None where none is within nine days."""
    if is_open(windows, at):
        return at
    # Clocks are set at quarters of an hour; besides those, a window can only open when one begins.
    quarter = at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    steps = int(_LOOK_AHEAD / _QUARTER)
    candidates = {quarter + _QUARTER * number for number in range(1, steps)}
    for window in windows:
        zone = ZoneInfo(window.zone)
        first = at.astimezone(zone).date()
        for offset in range(-1, _LOOK_AHEAD.days + 1):
            candidates |= _begins(window, first + timedelta(days=offset), zone)
    return next((each for each in sorted(candidates) if each > at and is_open(windows, each)), None)


def _begins(window: UpgradeWindow, day: date, zone: ZoneInfo) -> set[datetime]:
    hour, minute = map(int, window.begins.split(":"))
    return {
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    }


def _is_in(window: UpgradeWindow, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(window.zone))
    clock = f"{local:%H:%M}"
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if window.begins < window.ends:
        return today in window.days and window.begins <= clock < window.ends
    return (today in window.days and clock >= window.begins) or (yesterday in window.days and clock < window.ends)


def matches(
    install: Mapping[str, Any], *, labels: Mapping[str, str], owner: str, service: str, environment: str
) -> bool:
    """Tell whether an install (its ``labels``, ``owner`` and ``target``) is one that a selector means."""
    own: Mapping[str, str] = install["labels"]
    target: Mapping[str, Any] = install["target"]
    scope = target.get("applies_to") or {}

    def named(kind: str) -> set[str]:
        found = {own.get(kind, ""), str(target.get(kind) or "")}
        return found | ({str(scope.get("name", ""))} if scope.get("kind") == kind else set())

    return (
        all(own.get(name) == value for name, value in labels.items())
        and (not owner or install["owner"] == owner)
        and (not service or service in named("service"))
        and (not environment or environment in named("environment"))
    )


def kept_out(labels: Mapping[str, str], today: date) -> tuple[str, str] | None:
    """Return code and reason of what keeps an install out of every campaign, None where nothing does.

    A day that cannot be read freezes without end, because somebody wanted it frozen.
    """
    if PINNED in labels:
        said = labels[PINNED].strip()
        return "pinned", f"It is pinned ({PINNED})" + (f": {said}." if said not in {"", "true", "yes"} else ".")
    if FROZEN not in labels:
        return None
    text = labels[FROZEN].strip()
    try:
        over = date.fromisoformat(text) < today
    except ValueError:
        over = False
    return None if over else ("frozen", f"It is frozen ({FROZEN}: {text or 'without end'}).")
