"""Commands in comments, `/preview ...`: what is one, and who may give it; pure."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from catalog.providers.scm import Association

_COMMAND = re.compile(r"^/preview[ \t]+(\w+)(?:[ \t]+(\S{1,20}))?[ \t]*\r?$", re.MULTILINE)
_DURATION = re.compile(r"(\d{1,3})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Verb(StrEnum):
    """What a comment may ask of a pull request's environment."""

    UP = "up"
    DOWN = "down"
    EXTEND = "extend"
    REBUILD = "rebuild"
    STATUS = "status"


@dataclass(frozen=True)
class Command:
    """A command as it was written; ``by`` is how much longer, for ``extend``."""

    verb: Verb
    by: timedelta | None = None

    @property
    def line(self) -> str:
        """Return the command as ``parse_command`` reads it after ``/preview``."""
        if self.by is None:
            return self.verb.value
        minutes = int(self.by.total_seconds() // 60)
        unit, size = next((unit, size) for unit, size in (("d", 1440), ("h", 60), ("m", 1)) if minutes % size == 0)
        return f"{self.verb} {minutes // size}{unit}"


def parse_command(comment: str) -> Command | None:
    """Return the first line of a comment that is a whole ``/preview`` command; None where none is.

    A quoted line (``> /preview``) or one in the middle of a sentence is none. ``extend`` takes minutes, hours or days
    (``90m``, ``24h``, ``2d``) and nothing else does.
    """
    for match in _COMMAND.finditer(comment[:65_536]):
        try:
            verb = Verb(match[1])
        except ValueError:
            continue
        duration = _DURATION.fullmatch(match[2] or "")
        if verb is Verb.EXTEND and duration and int(duration[1]):
            return Command(verb, timedelta(**{_UNITS[duration[2]]: int(duration[1])}))
        if verb is not Verb.EXTEND and match[2] is None:
            return Command(verb)
    return None


def may_command(command: Command, association: Association, *, is_fork: bool) -> bool:
    """Tell whether somebody may give a command: those with a part in the repository, on forks its maintainers alone.

    Asking for the status is open to all, because it tells nothing that the pull request does not show.
    """
    if command.verb is Verb.STATUS:
        return True
    if is_fork:
        return association in {Association.OWNER, Association.MEMBER}
    return association.is_trusted
