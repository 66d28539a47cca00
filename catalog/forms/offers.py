"""Values that an installation already has for an input (the hint ``optionsFrom``): which, and under which filters.

They are offered beside the field and bind nobody: what may be given, the schema says alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HINT = "optionsFrom"
SOURCES: Mapping[str, frozenset[str]] = {
    "assets": frozenset({"kind", "namespace", "archetype"}),
    "environments": frozenset({"repository"}),
    "repositories": frozenset(),
    "services": frozenset({"owner"}),
    "teams": frozenset(),
}
"""What values come from, and what each can be filtered by."""
WIDGETS: Mapping[str, str] = {
    "asset": "assets",
    "environment": "environments",
    "repository": "repositories",
    "team": "teams",
}
"""The widgets that name a source by themselves."""
_PLACE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Offer:
    """Where values come from: ``filters`` are texts by name, of which ``{name}`` stands for another input's value."""

    source: str
    filters: Mapping[str, str]
    depends_on: tuple[str, ...] = ()

    def filled(self, values: Any) -> dict[str, str] | None:
        """Return the filters with the values of the form in their places, None while one of these is still empty."""
        found = {}
        for name, text in self.filters.items():
            place = _PLACE.fullmatch(text)
            given = values.get(place[1]) if place and isinstance(values, Mapping) else None
            if place and (given is None or isinstance(given, list | dict) or given == ""):
                return None
            found[name] = (given if isinstance(given, str) else json.dumps(given)) if place else text
        return found


def read_offer(hint: Mapping[str, Any]) -> Offer | None:
    """Return where the values of an input come from, None where a hint names no source.

    Raises ``ValueError`` saying what to write.
    """
    given = hint.get(HINT)
    if given is None:
        source = WIDGETS.get(str(hint.get("widget", "")))
        return Offer(source, {}) if source else None
    if not isinstance(given, Mapping) or not set(given) <= {"source", "filter", "dependsOn"}:
        message = "Write an object with source, and filter and dependsOn where needed."
        raise ValueError(message)
    source = str(given.get("source"))
    if source not in SOURCES:
        message = f"Name one of the sources {', '.join(sorted(SOURCES))}."
        raise ValueError(message)
    return Offer(source, _filters(source, given.get("filter", "")), _names(given.get("dependsOn", ())))


def problem_of(schema: Mapping[str, Any], hint: Mapping[str, Any]) -> str:
    """Say what is wrong with an offer, "" where nothing is."""
    try:
        offer = read_offer(hint)
    except ValueError as error:
        return str(error)
    if offer is None:
        return ""
    properties: Mapping[str, Any] = schema.get("properties", {})
    placed = {found[1] for text in offer.filters.values() if (found := _PLACE.fullmatch(text))}
    for name in (*offer.depends_on, *sorted(placed)):
        if name not in properties:
            return f"There is no input {name[:80]!a}."
        if isinstance(properties[name], Mapping) and properties[name].get("writeOnly"):
            return f"{name} is a secret, on which nothing that is shown may depend."
    if placed != set(offer.depends_on):
        return "Let dependsOn name just the inputs that stand in the filter as {name}."
    return ""


def _filters(source: str, text: Any) -> dict[str, str]:
    if not isinstance(text, str) or len(text) > 500:
        message = "Write the filter as a text, such as kind=policy-bundle."
        raise ValueError(message)
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, sign, value = part.partition("=")
        if name not in SOURCES[source] or not sign or not value or name in found:
            known = ", ".join(sorted(SOURCES[source])) or "nothing"
            message = f"{source} can be filtered by {known}: NAME=VALUE, joined by &."
            raise ValueError(message)
        found[name] = value
    return found


def _names(given: Any) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        message = "Let dependsOn be the name of an input, or a list of names."
        raise ValueError(message)
    return tuple(names)
