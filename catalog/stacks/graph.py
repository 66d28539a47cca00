"""The graph of a stack's resources as an engine reports it: without secrets and within bounds, so that it can be kept.

One shape for what is there (after a deployment) and for what would be (a preview); policies see it as ``plan``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from catalog.assets.findings import storable
from catalog.clock import now
from catalog.policies.masking import MASKED, mask

MOST_RESOURCES = 2000
MOST_INPUT_BYTES = 32 * 1024
"""Inputs of one resource that take more as JSON are left out, in bytes."""
MOST_BYTES = 1024 * 1024
"""All inputs together; those of the resources that come after are left out, in bytes."""


class GraphSource(StrEnum):
    """How the engine came to know it: it looked ahead, or it has deployed it."""

    PREVIEW = "preview"
    DEPLOYMENT = "deployment"


class GraphResource(BaseModel):
    """One resource; ``parent`` and ``depends_on`` are names. ``operation`` is what the engine would do, or did last."""

    model_config = ConfigDict(frozen=True)

    type: str
    name: str
    provider: str = ""
    operation: str = "same"
    parent: str = ""
    depends_on: tuple[str, ...] = ()
    inputs: dict[str, Any] = Field(default_factory=dict)


class ResourceGraph(BaseModel):
    """All resources of a stack at ``at``, made from ``revision`` (a commit, "" where there is none).

    ``complete`` is false where resources, or the inputs of some, were left out because there is too much of them.
    """

    model_config = ConfigDict(frozen=True)

    source: GraphSource
    at: datetime
    revision: str = ""
    resources: list[GraphResource]
    outputs: list[str] = Field(default_factory=list)
    complete: bool = True

    def as_plan(self) -> dict[str, Any]:
        """Return the graph as policies see it: the part ``plan`` of ``policy_input.schema.json``."""
        listed = [
            {name: value for name, value in each.model_dump(mode="json").items() if value} for each in self.resources
        ]
        head = self.model_dump(mode="json", exclude={"resources"})
        return {**{name: value for name, value in head.items() if value not in ("", [])}, "resources": listed}


def resource_graph(
    source: GraphSource,
    resources: Iterable[GraphResource],
    *,
    revision: str = "",
    outputs: Sequence[str] = (),
    masks: Iterable[str] = (),
    secrets: Iterable[str] = (),
    at: datetime | None = None,
) -> ResourceGraph:
    """Return a graph that may be kept. What looks like a secret is masked, as in every input of a policy.

    ``masks`` are JSON pointers below a resource's inputs, with ``*`` and ``**``, beside those that always count;
    ``secrets`` are texts that are masked wherever they stand, inside longer text too.
    """
    patterns, hidden = tuple(masks), sorted(filter(None, secrets), key=len, reverse=True)
    kept: list[GraphResource] = []
    left, is_whole = MOST_BYTES, True
    for each in resources:
        if len(kept) == MOST_RESOURCES:
            is_whole = False
            break
        inputs = _without(hidden, mask(dict(each.inputs), patterns))
        size = len(json.dumps(inputs, default=str).encode())
        if size > min(MOST_INPUT_BYTES, left):
            is_whole, inputs, size = False, {}, 0
        left -= size
        kept.append(each.model_copy(update={"inputs": inputs}))
    return ResourceGraph(
        source=source,
        at=at or now(),
        revision=revision,
        resources=kept,
        outputs=sorted(outputs),
        complete=is_whole,
    )


def _without(hidden: Sequence[str], value: Any) -> Any:
    """Return JSON data without texts that are secrets, nor characters that the database cannot keep."""
    if isinstance(value, Mapping):
        return {storable(str(name)): _without(hidden, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without(hidden, item) for item in value]
    if isinstance(value, str):
        for each in hidden:
            value = value.replace(each, MASKED)
        return storable(value)
    return value


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in JSON data, names left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def read_graph(document: Mapping[str, Any] | None) -> ResourceGraph | None:
    """Return a graph that was kept as JSON; None where there is none."""
    return None if not document else ResourceGraph.model_validate(document)
