"""Waves and windows as people write them in one line, on pages and on the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.campaigns.shapes import DAYS


def read_wave(text: str) -> dict[str, Any]:
    """Read ``10%:5`` (a size, and how many at once); raise ``ValueError`` for what is no wave."""
    size, colon, at_once = (part.strip() for part in text.partition(":"))
    if not size or (colon and not at_once.isascii()) or (colon and not at_once.isdigit()):
        raise ValueError(f"{text!r} is not of the form SIZE or SIZE:N, as 10%:5.")
    return {"size": size, **({"at_once": int(at_once)} if colon else {})}


def read_window(text: str) -> dict[str, Any]:
    """Read ``mon-fri 22:00-05:00 Europe/Berlin``: days may be left out, and the zone, which is UTC then.

    Raises ``ValueError`` for what is no window.
    """
    window: dict[str, Any] = {}
    for word in text.split():
        begins, dash, ends = word.partition("-")
        if ":" in word and dash:
            window |= {"begins": begins, "ends": ends}
        elif word[:3].lower() in DAYS and "/" not in word:
            window["days"] = _days(word.lower())
        elif "zone" not in window:
            window["zone"] = word
        else:
            raise ValueError(f"{word!r} is one word too many. Write it as mon-fri 22:00-05:00 Europe/Berlin.")
    if "begins" not in window:
        raise ValueError(f"{text!r} names no hours. Write it as mon-fri 22:00-05:00 Europe/Berlin.")
    return window


def window_text(window: Mapping[str, Any]) -> str:
    """Return a window as it is written in one line."""
    days: Sequence[str] = [each for each in DAYS if each in window["days"]]
    named = "" if len(days) == len(DAYS) else ",".join(days) + " "
    return f"{named}{window['begins']}-{window['ends']} {window['zone']}"


def wave_text(wave: Mapping[str, Any]) -> str:
    """Return a wave as it is written in one line."""
    return f"{wave['size']}:{wave['at_once']}"


def _days(word: str) -> list[str]:
    found: list[str] = []
    names: list[str] = list(DAYS)
    for part in word.split(","):
        first, dash, last = part.partition("-")
        if first not in names or (dash and last not in names):
            raise ValueError(f"{word!r} are no days. Use {', '.join(DAYS)}, such as mon-fri or sat,sun.")
        begin, end = names.index(first), names.index(last or first)
        found += [names[(begin + each) % 7] for each in range((end - begin) % 7 + 1)]
    return [each for each in names if each in found]
