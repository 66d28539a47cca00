"""The reference table of an asset's inputs, read from its schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


def input_rows(schema: Mapping[str, Any], immutable: set[str]) -> Iterator[InputRow]:
    """Yield one row for each input of ``schema`` that holds a value; ``immutable`` are JSON pointers."""
    for shape in shape_of(schema).walk():
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


_PARTS = {"rows": "list", "entries": "names with values", "alternatives": "one of several"}


def _type_name(shape: Shape) -> str:
    names = {"boolean": "yes or no", "choice": "one of", "choices": "some of", "json": "JSON", **_PARTS}
    if shape.kind == "lines":
        return f"list of {shape.item}s"
    return names.get(shape.kind, shape.item if shape.kind == "number" else shape.kind)


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
