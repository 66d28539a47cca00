"""A schema's form between two looks at it: nothing typed is lost, no secret goes back to the browser in clear."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.errors import FieldError, InvalidInputError
from catalog.secrets import SecretBox, SecretsUnavailableError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.pages.schema_controls import Control
from portal.pages.schema_input import CHOSEN, KEY, ROWS
from portal.pages.schema_rows import DO, rearranged
from portal.pages.schema_shape import Submitted

KEPT = "~kept"
"""The hidden field that carries, sealed, what a form was given and does not show."""
FORGET = "/~forget"
"""What follows the name of a secret in the box that takes back what was kept of it."""
_MOST_KEPT = 64 * 1024


@dataclass(frozen=True)
class Draft:
    """What a form sent, with what was kept of it; ``is_unfinished`` where it only asks to be shown again.

    ``forgotten`` are the names of the fields whose secrets are to be taken away.
    """

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_unfinished: bool = False
    forgotten: frozenset[str] = frozenset()


class Keeper:
    """Seals what one caller gives to one form, so that no other caller and no other form can open it."""

    def __init__(self, settings: Settings, principal: Principal, what: str) -> None:
        self._settings = settings
        self._purpose = f"form:{principal.tenant_id}:{principal.actor}:{what}"

    def read(self, submitted: Submitted) -> Draft:
        """Return what was sent together with what was kept, as the pressed button wants it."""
        merged = {name: values for name, values in submitted.items() if name != KEPT and not name.endswith(FORGET)}
        ticked = (name.removesuffix(FORGET) for name in submitted if name.endswith(FORGET))
        # What is written anew goes before the wish to have nothing there.
        forgotten = frozenset(name for name in ticked if _is_empty(merged.get(name, ())))
        for name, values in self._opened(submitted).items():
            if name not in merged or (_is_empty(merged[name]) and name not in forgotten):
                merged[name] = values
        return Draft(rearranged(merged), DO in submitted, forgotten)

    def keep(self, fields: Submitted, *forms: Control) -> str:
        """Return, sealed, what was given and the forms do not show: secrets, and fields of branches that are closed.

        "" where there is nothing, or no key to seal it with.
        """
        shown = {name for form in forms for name in sent_names(form)}
        secret = {each.name for form in forms for each in every(form) if each.is_secret}
        prefixes = tuple(f"{form.name}/" for form in forms)
        given = {
            name: list(values)
            for name, values in fields.items()
            if name.startswith(prefixes) and any(each.strip() for each in values)
        }
        kept = {name: values for name, values in given.items() if name in secret or name not in shown}
        if len(json.dumps(kept)) > _MOST_KEPT:
            kept = {name: values for name, values in kept.items() if name in secret}
        if not kept or len(json.dumps(kept)) > _MOST_KEPT:
            return ""
        try:
            return SecretBox(self._settings).seal(self._purpose, kept)
        except SecretsUnavailableError:
            return ""

    def _opened(self, submitted: Submitted) -> Mapping[str, Sequence[str]]:
        sent = submitted.get(KEPT, ())
        if not sent or not sent[-1] or len(sent[-1]) > 4 * _MOST_KEPT:
            return {}
        try:
            found: Mapping[str, Sequence[str]] = SecretBox(self._settings).open(self._purpose, sent[-1])
        except SecretsUnavailableError:
            return {}
        return found


def _is_empty(values: Sequence[str]) -> bool:
    return not any(each.strip() for each in values)


def forgotten_pointers(*forms: Control) -> frozenset[str]:
    """Return the JSON pointers, within the inputs, of the secrets of some forms that are to be taken away."""
    return frozenset(
        each.pointer.removeprefix(f"/{form.name}") for form in forms for each in every(form) if each.is_forgotten
    )


def every(form: Control) -> Iterator[Control]:
    """Yield a form's controls, the form itself first."""
    yield form
    for child in form.children:
        yield from every(child)


def sent_names(form: Control) -> Iterator[str]:
    """Yield the name of everything that a browser sends for a form."""
    for each in every(form):
        if each.widget in {"rows", "entries"}:
            yield each.name + ROWS
        if each.widget == "entries":
            yield from (child.name + KEY for child in each.children)
        if each.widget == "alternatives":
            yield each.name + CHOSEN
        elif each.widget not in {"group", "rows", "entries"}:
            yield each.name


def mistakes(form: Control, fields: Submitted, check: Callable[[], object]) -> list[FieldError]:
    """Return what ``check`` finds wrong in the fields that hold something; what is still empty is not told yet."""
    try:
        check()
    except InvalidInputError as error:
        filled = {each.pointer for each in every(form) if any(text.strip() for text in fields.get(each.name, ()))}
        return [each for each in error.errors if _is_about(each.pointer, filled)]
    return []


def _is_about(pointer: str, filled: set[str]) -> bool:
    return pointer in filled or any(pointer.startswith(f"{each}/") for each in filled)


def news(before: Submitted, errors: Sequence[FieldError], *forms: Control) -> str:
    """Say what is new in a form since it was sent, for those who do not see it appear: fields, and mistakes."""
    wrong = f" {len(errors)} to look at again." if errors else ""
    labels: dict[str, Any] = {
        each.name: each.label
        for form in forms
        for each in every(form)
        if each.widget not in {"group", "rows", "entries", "alternatives", "fixed"} and each.name not in before
    }
    names = list(labels.values())
    if not names:
        return wrong.strip() or "The form is up to date."
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"New fields: {', '.join(names[:5])}{rest}.{wrong}"
