"""The buttons of lists and mappings: rows added, removed and moved in what a form sent, nothing else touched."""

import re
from collections.abc import Mapping, Sequence

from portal.pages.schema_input import MOST_ROWS, ROWS
from portal.pages.schema_shape import Submitted

DO = "do"
"""The name of the buttons that change a form without sending it off."""
REFRESH = "refresh"

_PLACE = re.compile(r"(~?)([0-9]{1,4})")


def rearranged(submitted: Submitted) -> dict[str, Sequence[str]]:
    """Return what was sent as the button wants it that was pressed: ``add:NAME``, ``remove:NAME:3`` and the like.

    ``~3`` stands for the row of a mapping, ``up`` and ``down`` move a row of a list. Anything else changes nothing.
    """
    sent = submitted.get(DO, ())
    action, _, rest = (sent[-1] if sent else "").partition(":")
    fields = dict(submitted)
    if action == "add":
        fields[rest + ROWS] = [str(min(_count(submitted, rest) + 1, MOST_ROWS))]
        return fields
    name, _, place = rest.rpartition(":")
    match = _PLACE.fullmatch(place)
    count = _count(submitted, name)
    if match is None or int(match[2]) >= count:
        return fields
    at = int(match[2])
    order = list(range(count))
    if action == "remove":
        order.remove(at)
    elif action in {"up", "down"} and 0 <= (other := at - 1 if action == "up" else at + 1) < count:
        order[at], order[other] = order[other], order[at]
    return _renamed(fields, name, match[1], order)


def _renamed(
    fields: Mapping[str, Sequence[str]], name: str, mark: str, order: Sequence[int]
) -> dict[str, Sequence[str]]:
    """Return the fields with the rows of one list in another order; rows that it does not name are left out."""
    places = {f"{mark}{before}": f"{mark}{after}" for after, before in enumerate(order)}
    made: dict[str, Sequence[str]] = {}
    for field, values in fields.items():
        step, slash, below = field.removeprefix(f"{name}/").partition("/")
        match = _PLACE.fullmatch(step)
        if not field.startswith(f"{name}/") or match is None or match[1] != mark:
            made[field] = values
        elif step in places:
            made[f"{name}/{places[step]}{slash}{below}"] = values
    made[name + ROWS] = [str(len(order))]
    return made


def _count(submitted: Submitted, name: str) -> int:
    sent = submitted.get(name + ROWS, ())
    return min(int(sent[-1]), MOST_ROWS) if sent and sent[-1].isdecimal() and len(sent[-1]) < 6 else 0
