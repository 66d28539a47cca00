"""The life of an environment by the clock: when it expires, when somebody is warned, when it sleeps; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from catalog.environments.hours import Hours


class TtlBase(StrEnum):
    """From when on the time to live counts."""

    CREATED = "created"
    LAST_DEPLOY = "last_deploy"
    LAST_ACTIVITY = "last_activity"


WARNINGS = (timedelta(days=2), timedelta(hours=2), timedelta(minutes=30))
"""How long before the end somebody is warned, where the whole life is at least twice as long."""
OUTSIDE = timedelta(minutes=15)
"""How long an environment must not have been used before it sleeps outside its active hours."""


@dataclass(frozen=True)
class Life:
    """What the clock has to know of an environment.

    ``warned`` is the warning that was given last for the present expiry. ``sleep_after`` is None where it never sleeps
    by itself. ``pinned_until`` is None where nobody keeps it. ``hours`` are its active hours, None where it has none;
    ``sleeps_for_hours`` says that it sleeps because they were over.
    """

    ttl: timedelta
    base: TtlBase
    lived_since: datetime
    expires_at: datetime
    hard_expires_at: datetime
    last_activity_at: datetime
    warned: timedelta | None = None
    sleep_after: timedelta | None = None
    pinned_until: datetime | None = None
    retry_at: datetime | None = None
    hours: Hours | None = None
    sleeps_for_hours: bool = False

    def is_pinned(self, moment: datetime) -> bool:
        """Tell whether somebody keeps it as it is at ``moment``."""
        return self.pinned_until is not None and self.pinned_until > moment

    @property
    def ends_at(self) -> datetime:
        """When it is dismissed: at its expiry, or at the end of its pin; never after its hard limit."""
        ends = self.expires_at if self.pinned_until is None else max(self.expires_at, self.pinned_until)
        return min(ends, self.hard_expires_at)


def idle_at(life: Life, moment: datetime) -> datetime | None:
    """Return when it falls asleep unless it is used, as things are at ``moment``; None: not by itself."""
    after = life.sleep_after
    if life.hours is not None and not life.hours.are_open(moment):
        after = OUTSIDE if after is None else min(after, OUTSIDE)
    if after is None:
        return None
    idle = life.last_activity_at + after
    return idle if life.pinned_until is None else max(idle, life.pinned_until)


def is_woken_by_hours(life: Life, moment: datetime) -> bool:
    """Tell whether it sleeps only because its active hours were over, and they have begun."""
    return life.sleeps_for_hours and (life.hours is None or life.hours.are_open(moment))


def warnings(ttl: timedelta) -> tuple[timedelta, ...]:
    """Return how long before the end somebody is warned, longest first: as usual, or once where life is short."""
    usual = tuple(each for each in WARNINGS if each <= ttl / 2)
    return usual or (ttl / 4,)


def warning_due(life: Life, moment: datetime) -> timedelta | None:
    """Return the warning that is to be given at ``moment``; the nearest of several, and none twice."""
    left = life.ends_at - moment
    passed = [each for each in warnings(life.ttl) if left <= each and (life.warned is None or each < life.warned)]
    return passed[-1] if passed else None


def deployed(life: Life, moment: datetime) -> datetime:
    """Return when it expires after a deployment; a deployment never takes time away."""
    return later(life, moment) if life.base is not TtlBase.CREATED else life.expires_at


def used(life: Life, moment: datetime) -> datetime:
    """Return when it expires after somebody used it; that counts only where its time is counted from there."""
    return later(life, moment) if life.base is TtlBase.LAST_ACTIVITY else life.expires_at


def later(life: Life, moment: datetime) -> datetime:
    """Return the expiry counted from ``moment``, never sooner than it stands and never after the hard limit."""
    return min(max(life.expires_at, moment + life.ttl), life.hard_expires_at)


def asked(base: TtlBase, lived_since: datetime, moment: datetime, ttl: timedelta, hard_limit: datetime) -> datetime:
    """Return when an environment expires that is asked for at ``moment`` with a time to live."""
    anchor = lived_since if base is TtlBase.CREATED else moment
    return min(anchor + ttl, hard_limit)


def extended(life: Life, moment: datetime, by: timedelta) -> datetime:
    """Return the expiry prolonged by ``by``, counted from now where it has passed, never after the hard limit."""
    return min(max(life.expires_at, moment) + by, life.hard_expires_at)


def due_at(life: Life, moment: datetime, *, rests: bool, ready: bool, failed: bool, asleep: bool = False) -> datetime:
    """Return the next moment at which the clock has something to do with the environment.

    ``rests`` says that nobody works on it, so that people are warned of its end; ``ready`` that it may fall asleep;
    ``failed`` that it may be tried again; ``asleep`` that its active hours may wake it.
    """
    due = [life.ends_at]
    if rests:
        given = life.warned or timedelta.max
        due += [life.ends_at - each for each in warnings(life.ttl) if each < given][:1]
    idle = idle_at(life, moment) if ready else None
    if idle is not None:
        due.append(idle)
    if asleep and is_woken_by_hours(life, moment):
        due.append(moment)
    elif life.hours is not None and (ready or (asleep and life.sleeps_for_hours)):
        due.append(life.hours.next_change(moment))
    if failed and life.retry_at is not None:
        due.append(life.retry_at)
    return min(due)
