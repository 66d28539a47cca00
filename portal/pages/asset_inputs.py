"""The reference table of an asset's inputs, read from its schema."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.forms.pointers import pointer_to
from portal.pages.schema_shape import Shape, scalar_text, shape_of


@dataclass(frozen=True)
class InputRow:
    """One input as the reference table shows it."""

    name: str
    type: str
    is_required: bool
    default: str
    description: str
    limits: tuple[str, ...]
    is_secret: bool
    is_immutable: bool


def input_rows(
    schema: Mapping[str, Any], immutable: set[str], hints: Mapping[str, Any] | None = None
) -> Iterator[InputRow]:
    """Yield one row for each input of ``schema`` that holds a value; ``immutable`` are JSON pointers.

    They come in the order of the hints, then what is required, then by name: a stored schema keeps no order of its own.
    """
    shapes = list(shape_of(schema).walk())
    required = {shape.path: shape.is_required for shape in shapes}

    def place(shape: Shape) -> list[tuple[float, bool, str]]:
        steps = [shape.path[: length + 1] for length in range(len(shape.path))]
        return [(_order(hints or {}, step), not required.get(step, False), step[-1]) for step in steps]

    for shape in sorted(shapes, key=place):
        if shape.kind == "group" or shape.is_rest:
            continue
        node = shape.schema
        is_secret = bool(node.get("writeOnly"))
        yield InputRow(
            name=".".join(shape.path),
            type=_type_name(shape),
            is_required=shape.is_required,
            default="" if is_secret or "default" not in node else scalar_text(node["default"]),
            description=str(node.get("description") or node.get("title") or ""),
            limits=tuple(_limits(shape)),
            is_secret=is_secret,
            is_immutable=shape.pointer in immutable,
        )


def _order(hints: Mapping[str, Any], path: tuple[str, ...]) -> float:
    pointer = pointer_to(path)
    hint = hints.get(pointer, hints.get(pointer.removeprefix("/")))
    order = hint.get("order") if isinstance(hint, Mapping) else None
    return float(order) if isinstance(order, int | float) else math.inf


_SCALARS = {"string": "text", "integer": "whole number", "number": "number"}
_PARTS = {"rows": "list", "entries": "names with values", "alternatives": "one of several"}


def _type_name(shape: Shape) -> str:
    names = {"boolean": "yes or no", "choice": "one of", "choices": "some of", "json": "JSON", **_PARTS}
    if shape.kind == "lines":
        return f"list of {_SCALARS.get(shape.item, shape.item)}s"
    return names.get(shape.kind, _SCALARS.get(shape.item, shape.item) if shape.kind == "number" else shape.kind)


def _limits(shape: Shape) -> Iterator[str]:
    node = shape.schema
    if shape.options:
        yield ", ".join(label for _, label in shape.options)
    texts = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {} values",
        "maxItems": "at most {} values",
        "format": "a {}",
        "pattern": "matches {}",
    }
    for key, text in texts.items():
        if key in node:
            yield text.format(node[key])
