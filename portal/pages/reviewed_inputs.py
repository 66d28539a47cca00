"""Inputs as they are looked at before a plan is applied, and after: with labels, without secrets, as hints want it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.errors import SlipwayError
from catalog.forms.pointers import steps_of
from portal.pages.schema_form import humanised

SECRET, MASKED = "secret", "not shown here"  # words of a page


@dataclass(frozen=True)
class ReviewedInput:
    """One input: ``value`` as it is shown, or why it is not (``withheld``)."""

    name: str
    label: str
    value: Any
    withheld: str = ""


@dataclass(frozen=True)
class InputReview:
    """How the inputs of one version are looked at; a version that cannot be read has no hints and no titles.

    The hint ``review`` decides what these pages show and nothing else: ``mask`` says that something was given and not
    what, ``hide`` leaves it out. What nobody may read is ``writeOnly`` in the schema, and is here a reference anyway.
    """

    schema: Mapping[str, Any]
    hints: Mapping[str, Any]

    @classmethod
    def of(cls, assets: AssetService, tenant_id: UUID, asset: str, version: str) -> "InputReview":
        """Return the review of a version's inputs."""
        namespace, _, name = asset.partition("/")
        try:
            found = assets.get_version(tenant_id, namespace, name, version)
        except SlipwayError:
            return cls({}, {})
        return cls(found.input_schema or {}, found.input_hints or {})

    @classmethod
    def of_reference(cls, assets: AssetService, tenant_id: UUID, reference: str) -> "InputReview":
        """Return the review of the inputs of the version that a reference with a constraint means today."""
        try:
            wanted = parse_reference(reference, "/blueprint")
            found = assets.resolve(tenant_id, wanted)
        except SlipwayError:
            return cls({}, {})
        return cls.of(assets, tenant_id, f"{wanted.namespace}/{wanted.name}", found.version)

    def of_all(self, inputs: Mapping[str, Any]) -> Sequence[ReviewedInput]:
        """Return the inputs in the order of the form, without those that are hidden."""
        known = list(self.schema.get("properties", {}))
        rank = {name: place for place, name in enumerate(known)}
        names = sorted(inputs, key=lambda name: (self._order(name), rank.get(name, len(rank)), name))
        return [self._one(name, inputs[name]) for name in names if self.how(name) != "hide"]

    def of_changes(self, changes: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return what changes about inputs, with values as they are shown, without those that are hidden."""
        found: list[Mapping[str, Any]] = []
        for each in changes:
            name = next(iter(steps_of(each["pointer"])), "")
            if self.how(name) == "hide":
                continue
            if "message" in each:
                found.append(each)
            else:
                old, new = (self._one(name, each.get(side)) for side in ("before", "after"))
                found.append({**each, "before": old, "after": new})
        return found

    def how(self, name: str) -> str:
        """Return how an input is looked at: ``show``, ``mask`` or ``hide``."""
        return str(self._hint(name).get("review", "show"))

    def _one(self, name: str, value: Any) -> ReviewedInput:
        part = self.schema.get("properties", {}).get(name)
        title = part.get("title") if isinstance(part, Mapping) else None
        withheld = SECRET if _is_secret(value) else MASKED if self.how(name) == "mask" and value is not None else ""
        shown = None if withheld else _without_references(value)
        return ReviewedInput(name, str(title or humanised(name)), shown, withheld)

    def _hint(self, name: str) -> Mapping[str, Any]:
        found = self.hints.get(name)
        return found if isinstance(found, Mapping) else {}

    def _order(self, name: str) -> float:
        order = self._hint(name).get("order")
        return float(order) if isinstance(order, int | float) else float("inf")


def _is_secret(value: Any) -> bool:
    return value == "[secret]" or (isinstance(value, Mapping) and set(value) == {"$secret"})


def _without_references(value: Any) -> Any:
    if _is_secret(value):
        return f"[{SECRET}]"
    if isinstance(value, Mapping):
        return {name: _without_references(each) for name, each in value.items()}
    return [_without_references(each) for each in value] if isinstance(value, list) else value


NO_REVIEW = InputReview({}, {})
"""Shows all that is no secret, by its name."""
