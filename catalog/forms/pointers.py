"""JSON pointers (RFC 6901): names as their steps, and what stands at one in a document."""

from collections.abc import Iterable, Mapping
from typing import Any


def escape(name: str) -> str:
    """Return a name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def pointer_to(place: Iterable[str | int]) -> str:
    """Return the JSON pointer for a way from the root of a document."""
    return "".join(f"/{escape(str(step))}" for step in place)


def steps_of(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer, as names."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def child(value: Any, step: str) -> tuple[Any, bool]:
    """Return what an object or a list holds under one step, and whether it holds anything there."""
    if isinstance(value, Mapping):
        return value.get(step), step in value
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)], True
    return None, False
