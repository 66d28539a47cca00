"""The controls of a form as they are shown, and the ids of their elements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_SUFFIXES = ("", "-help", "-error", "-key", "-forget", "-list")
"""What follows the id of a control in the ids of the elements around it."""
_SUFFIXES_OF_CHOICES = ("-as", "-all", "-as-help", "-as-error")
"""The same for the choice between alternatives, whose own id is that of the control which was chosen."""


@dataclass(frozen=True)
class Option:
    """One value of a choice, as it is sent and as it reads."""

    value: str
    label: str
    is_selected: bool


@dataclass(frozen=True)
class Control:
    """One control of a form.

    ``name`` is what the browser sends and ``pointer`` what errors name; ``widget`` is one of group, text, textarea,
    number, checkbox, select, radio, checkboxes, lines, rows, entries, alternatives, fixed or json. ``value`` is empty
    for secrets, always. ``key`` is that of a row of a mapping, and ``off`` what a box sends that is not ticked.
    ``is_demanded`` tells that the browser may insist on it, which what is required of an optional group is not.
    ``is_kept`` tells that a secret was given before and need not be given again; ``can_remove``, of a secret, that it
    can be taken back, and ``is_forgotten`` that it will be.
    ``suggestions`` are values that there are, of which the schema need take none. ``step`` names what a control of the
    top belongs to, such as ``Delivery``.
    ``is_live`` marks a whole form that asks for other things when something else is written into it.
    """

    pointer: str
    name: str
    id: str
    widget: str
    label: str
    is_required: bool
    help: str = ""
    error: str = ""
    value: str = ""
    placeholder: str = ""
    input_type: str = "text"
    is_checked: bool = False
    is_demanded: bool = False
    is_secret: bool = False
    is_kept: bool = False
    is_code: bool = False
    options: tuple[Option, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Control", ...] = ()
    key: str = ""
    off: str = "false"
    is_deprecated: bool = False
    can_add: bool = False
    can_remove: bool = False
    is_forgotten: bool = False
    suggestions: tuple[str, ...] = ()
    step: str = ""
    is_live: bool = False

    def labels(self) -> dict[str, tuple[str, str]]:
        """Return label and element id for the pointer of every control, for the summary of errors."""
        found: dict[str, tuple[str, str]] = {}
        for child in self.children:
            found.update(child.labels())
        place = f"{self.id}-as" if self.widget == "alternatives" and not self.children else self.id
        return {**found, self.pointer: (self.label, place)}


def element_id(name: str) -> str:
    """Return the id of the element for a field name such as ``inputs/region``."""
    return "field-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def told_apart(form: Control) -> Control:
    """Return a form in which no two elements have one id, whatever a publisher called the properties.

    ``a_b``, ``a-b`` and ``b`` within ``a`` would all be ``a-b``; those that come later get a number.
    """
    return _told_apart(form, set())


def _told_apart(control: Control, taken: set[str]) -> Control:
    number, own = 1, control.id
    while not taken.isdisjoint(ids := set(_ids(control, own))):
        number += 1
        own = f"{control.id}-{number}"
    taken |= ids
    return replace(control, id=own, children=tuple(_told_apart(each, taken) for each in control.children))


def _ids(control: Control, own: str) -> Iterator[str]:
    if control.widget == "alternatives":
        yield from (own + each for each in _SUFFIXES_OF_CHOICES)
        return
    yield from (own + each for each in _SUFFIXES)
    yield from (f"{own}-{number}" for number in range(1, len(control.options) + 1))
