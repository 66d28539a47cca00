"""What every resource of the plugin does, in plain JSON values; the provider translates from and to the engine's."""

from dataclasses import dataclass, field
from typing import Any, Protocol

Values = dict[str, Any]

TIMEOUT_MARGIN_SECONDS = 5.0


class Unknown:
    """Stands for a value that is known only once another resource exists; seen while previewing."""

    def __repr__(self) -> str:
        return "<known later>"


UNKNOWN = Unknown()


class ResourceFailure(Exception):  # noqa: N818 - the engine speaks of failures, and so do the people who read it
    """An operation on a resource that failed for a reason that its owner can understand."""


@dataclass(frozen=True, slots=True)
class InputProblem:
    """An input that is not acceptable, with the reason and the fix."""

    property: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs: `replaces` is the part of `changed` that takes a new resource, made before the old one goes.

    With `delete_first` the old one goes first, because both cannot exist at once.
    """

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_first: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """The identifier of a new resource and its outputs beyond its inputs."""

    id: str
    outputs: Values = field(default_factory=dict)


class Resource(Protocol):
    """One type of resource; methods block and raise `ResourceFailure`."""

    type: str
    secrets: tuple[str, ...]

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Return the inputs with defaults filled in, and what is wrong with them."""
        ...

    def diff(self, old: Values, new: Values) -> Difference:
        """Compare the outputs of an existing resource with new inputs."""
        ...

    def create(self, inputs: Values) -> Created:
        """Make the resource; on failure leave nothing behind."""
        ...

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Return the outputs as the world has them, or None where the resource is gone."""
        ...

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Change the resource in place; return the outputs beyond the inputs."""
        ...

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the resource; one that is gone is already removed."""
        ...

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove what an interrupted create may have left; `kept` holds id and outputs of what must stay."""
        ...


def differing(names: tuple[str, ...], old: Values, new: Values) -> tuple[str, ...]:
    """Return the names whose values differ."""
    return tuple(name for name in names if old.get(name) != new.get(name))


def unexpected(inputs: Values, allowed: tuple[str, ...]) -> list[InputProblem]:
    """Return a problem for every input that the resource does not have."""
    return [
        InputProblem(name, f"there is no such input; there are {', '.join(allowed)}")
        for name in inputs
        if name not in allowed
    ]


def require_text(inputs: Values, *names: str) -> list[InputProblem]:
    """Return a problem for every input that is not text, or is empty."""
    return [
        InputProblem(name, "must be text and not empty")
        for name in names
        if inputs.get(name) is not UNKNOWN and (not isinstance(inputs.get(name), str) or not inputs[name])
    ]


class Unchanging:
    """What is replaced and never changed: a resource that is called ``noun`` and has ``inputs``."""

    noun: str
    inputs: tuple[str, ...]

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Refuse: every difference is another resource."""
        changed = differing(self.inputs, old, new)
        raise ResourceFailure(f"a {self.noun} is replaced, never changed: {resource_id} {changed}")
