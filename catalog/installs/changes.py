"""What a form changes about the inputs of an install, which leaves out what is empty now, and secrets."""

from collections.abc import Callable, Mapping
from typing import Any

from catalog.forms.pointers import escape
from catalog.installs.rules import SECRET


def changes_to(
    inputs: Mapping[str, Any], given: Mapping[str, Any], stays: Callable[[str, Any], bool], place: str = ""
) -> dict[str, Any]:
    """Return what ``rules.merged_inputs`` takes to make of what was ``given`` before what a form asks for now.

    What the form leaves out goes, unless ``stays`` holds of its JSON pointer and value; a group of which nothing stays
    goes as a whole.
    """
    changes = dict(inputs)
    for name, value in given.items():
        pointer = f"{place}/{escape(name)}"
        is_group = isinstance(value, Mapping) and set(value) != {SECRET}
        if name in inputs:
            if is_group and isinstance(inputs[name], Mapping):
                changes[name] = changes_to(inputs[name], value, stays, pointer)
        elif is_group:
            left = changes_to({}, value, stays, pointer)
            changes[name] = left if any(left.get(each, value) is not None for each in value) else None
        elif not stays(pointer, value):
            changes[name] = None
    return changes
