"""Presets of something that is installed already: what of them may change it, and what it would be given then."""

from collections.abc import Mapping
from typing import Any

from catalog.assets.inputs import secret_pointers
from catalog.installs.rules import merged_inputs, without


def changeable(preset: Mapping[str, Any], manifest: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a preset of a version changes of an install: all but what cannot change any more, and secrets.

    A preset is published, so what it holds in the place of a secret is none.
    """
    immutable = (manifest.get("inputs") or {}).get("immutable", ())
    return without(preset, [*immutable, *secret_pointers(schema)])


def narrowed(schema: Mapping[str, Any], becomes: str, component: str | None) -> Mapping[str, Any]:
    """Return what an install asks for by a version's ``schema``: nothing where it becomes a pin, else all of it.

    ``component`` is the one that a stack is made of where its package has several (``""`` where none is chosen yet):
    their inputs stand below their names, and the others' are not asked for. None where there is no such choice.
    """
    if becomes == "pin":
        return {}
    if becomes != "stack" or component is None:
        return schema
    parts = {name: part for name, part in schema.get("properties", {}).items() if name == component}
    return {**schema, "properties": parts, "required": list(parts)}


def started_from(given: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given so far with what a preset changes."""
    return merged_inputs(given, preset)
