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


def started_from(given: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given so far with what a preset changes."""
    return merged_inputs(given, preset)
