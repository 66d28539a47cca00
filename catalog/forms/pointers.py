"""JSON pointers (RFC 6901): names as their steps."""

from collections.abc import Iterable


def escape(name: str) -> str:
    """Return a name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def pointer_to(place: Iterable[str | int]) -> str:
    """Return the JSON pointer for a way from the root of a document."""
    return "".join(f"/{escape(str(step))}" for step in place)


def steps_of(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer, as names."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
