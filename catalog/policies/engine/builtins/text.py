"""The functions on strings that OPA's WebAssembly leaves to the host."""

from typing import Any

from catalog.policies.engine.builtins.calls import (
    BuiltinError,
    Table,
    array,
    collection,
    integer,
    into,
    type_name,
)
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.builtins.go_format import sprintf as go_sprintf

FUNCTIONS: Table = {}
_MOST_SEARCHES = 4_000_000


@into(FUNCTIONS, "sprintf", weight=4)
def sprintf(template: Any, values: Any) -> str:
    """Format with Go's verbs."""
    return go_sprintf(string(template), array(values, 2))


@into(FUNCTIONS, "strings.any_prefix_match")
def any_prefix_match(search: Any, base: Any) -> bool:
    """Tell whether one of the strings starts with one of the others."""
    strings, starts = _strings(search, 1), _strings(base, 2)
    _bounded(strings, starts)
    return any(each.startswith(tuple(starts)) for each in strings)


@into(FUNCTIONS, "strings.any_suffix_match")
def any_suffix_match(search: Any, base: Any) -> bool:
    """Tell whether one of the strings ends with one of the others."""
    strings, ends = _strings(search, 1), _strings(base, 2)
    _bounded(strings, ends)
    return any(each.endswith(tuple(ends)) for each in strings)


@into(FUNCTIONS, "strings.count")
def count(search: Any, part: Any) -> int:
    """Count a part that does not overlap itself."""
    whole, wanted = string(search), string(part, 2)
    return len(whole) + 1 if not wanted else whole.count(wanted)


@into(FUNCTIONS, "strings.split_n")
def split_n(whole: Any, delimiter: Any, most: Any) -> list[str]:
    """Split, and return the first parts, or the last ones where the number is negative."""
    value, separator, parts = string(whole), string(delimiter, 2), integer(most, 3)
    found = value.split(separator) if separator else list(value)
    return found[:parts] if parts >= 0 else found[parts:]


@into(FUNCTIONS, "indexof_n")
def indexof_n(whole: Any, part: Any) -> list[int]:
    """Return every place at which the part stands, overlapping ones included."""
    value, wanted = string(whole), string(part, 2)
    if not wanted:
        raise BuiltinError("empty search character")
    found: list[int] = []
    at = value.find(wanted)
    while at >= 0:
        found.append(at)
        at = value.find(wanted, at + 1)
    return found


def _strings(value: Any, position: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    members = collection(value, position)
    for member in members:
        if not isinstance(member, str):
            raise BuiltinError(
                f"operand {position} must be array of strings but got array containing {type_name(member)}"
            )
    return members


def _bounded(left: list[str], right: list[str]) -> None:
    if len(left) * len(right) > _MOST_SEARCHES:
        raise BuiltinError("there are too many strings to compare")
