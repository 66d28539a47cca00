"""The life of an environment by the clock: when it expires, when somebody is warned, when it sleeps; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class TtlBase(StrEnum):
    """From when on the time to live counts."""

    CREATED = "created"
    LAST_DEPLOY = "last_deploy"
    LAST_ACTIVITY = "last_activity"


WARNINGS = (timedelta(days=2), timedelta(hours=2), timedelta(minutes=30))
"""How long before the end somebody is warned, where the whole life is at least twice as long."""


@dataclass(frozen=True)
class Life:
    """What the clock has to know of an environment.

    ``warned`` is the warning that was given last for the present expiry. ``sleep_after`` is None where it never sleeps
    by itself. ``pinned_until`` is None where nobody keeps it.
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

    def is_pinned(self, moment: datetime) -> bool:
        """Tell whether somebody keeps it as it is at ``moment``."""
        return self.pinned_until is not None and self.pinned_until > moment

    @property
    def ends_at(self) -> datetime:
        """When it is dismissed: at its expiry, or at the end of its pin; never after its hard limit."""
        ends = self.expires_at if self.pinned_until is None else max(self.expires_at, self.pinned_until)
        return min(ends, self.hard_expires_at)


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


def due_at(life: Life, *, rests: bool, ready: bool, failed: bool) -> datetime:
    """Return the next moment at which the clock has something to do with the environment.

    ``rests`` says that nobody works on it, so that people are warned of its end; ``ready`` that it may fall asleep;
    ``failed`` that it may be tried again.
    """
    due = [life.ends_at]
    if rests:
        given = life.warned or timedelta.max
        due += [life.ends_at - each for each in warnings(life.ttl) if each < given][:1]
    if ready and life.sleep_after is not None:
        idle = life.last_activity_at + life.sleep_after
        due.append(idle if life.pinned_until is None else max(idle, life.pinned_until))
    if failed and life.retry_at is not None:
        due.append(life.retry_at)
    return min(due)
