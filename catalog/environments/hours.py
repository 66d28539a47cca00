"""Active hours: on which days and between which times of which zone an environment is awake; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from catalog.assets.blueprint_spec import WEEKDAYS, ActiveHours


@dataclass(frozen=True)
class Hours:
    """Active hours as the clock reads them: each begins on one of ``days`` (0 is Monday) and lasts until ``end``.

    Where ``end`` is not after ``begin`` they last until that time of the next day.
    """

    days: frozenset[int]
    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, spec: ActiveHours) -> "Hours":
        """Read what a blueprint says."""
        days = frozenset(WEEKDAYS.index(each) for each in spec.days)
        return cls(days, time.fromisoformat(spec.begin), time.fromisoformat(spec.end), ZoneInfo(spec.zone))

    def are_open(self, moment: datetime) -> bool:
        """Tell whether ``moment`` is within active hours."""
        return any(begin <= moment < end for begin, end in self._around(moment))

    def next_change(self, moment: datetime) -> datetime:
        """Return when active hours begin or end next, in UTC; the moment itself is not meant."""
        edges = [edge for span in self._around(moment) for edge in span]
        # Two that touch, as of days around the clock, are no change.
        return min(each for each in edges if each > moment and self.are_open(each) != self._just_before(each))

    def never_close(self) -> bool:
        """Tell whether they are all hours of all days."""
        return len(self.days) == len(WEEKDAYS) and self.begin == self.end

    def _just_before(self, moment: datetime) -> bool:
        return self.are_open(moment - timedelta(microseconds=1))

    def _around(self, moment: datetime) -> list[tuple[datetime, datetime]]:
        """Return the active hours that begin from the day before ``moment`` to eight days after it."""
        today = moment.astimezone(self.zone).date()
        found = []
        for offset in range(-1, 9):
            day = today + timedelta(days=offset)
            if day.weekday() not in self.days:
                continue
            last = day if self.end > self.begin else day + timedelta(days=1)
            begin = datetime.combine(day, self.begin, self.zone).astimezone(UTC)
            found.append((begin, datetime.combine(last, self.end, self.zone).astimezone(UTC)))
        return found
