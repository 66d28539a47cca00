"""Inputs that a form shows only under a condition of its own (the hint ``visibleWhen``), said as JSON Schema.

What a schema itself says with ``if`` and ``then`` is the better way, because every door holds to it. The hint is for
inputs that may be given at any time and are worth a field only sometimes: what a form does not show it does not give.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.forms.validation import field_errors

HINT = "visibleWhen"


def shown_schema(schema: Mapping[str, Any], hints: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a form is made from and read by: inputs are closed while their condition does not hold.

    A condition maps names of other inputs to a value, or to a list of values, that they must have; all must hold.
    """
    closing = [
        {
            "if": {
                "properties": {other: {"enum": allowed} for other, allowed in condition.items()},
                "required": sorted(condition),
            },
            "else": {"properties": {name: False}},
        }
        for name, condition in _conditions(schema, hints)
    ]
    return {**schema, "allOf": [*schema.get("allOf", ()), *closing]} if closing else schema


def problem_of(schema: Mapping[str, Any], name: str, hints: Mapping[str, Any]) -> str:
    """Say what is wrong with the condition of an input, "" where nothing is; ``hints`` are those of all inputs."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    condition = _condition(hints.get(name))
    if condition is None:
        return "Write an object of names of inputs and the value, or the list of values, that each must have."
    if name in schema.get("required", ()) and not _has_default(properties[name]):
        return f"{name} is required: a form that hides it could not be sent. Say it in the schema, with if and then."
    wrong = next((found for each in condition.items() if (found := _never(schema, *each))), "")
    if not wrong and name in _led_to(name, dict(_conditions(schema, hints))):
        wrong = f"Whether {name} is shown depends on itself in the end."
    return wrong


def _never(schema: Mapping[str, Any], other: str, allowed: Sequence[Any]) -> str:
    """Say why an input can never have one of some values that a form may go by, "" where it can."""
    part = schema.get("properties", {}).get(other)
    if part is None:
        return f"There is no input {other[:80]!a}."
    if isinstance(part, Mapping) and part.get("writeOnly"):
        return f"{other} is a secret, on which nothing that is shown may depend."
    whole = {"$defs": schema.get("$defs", {}), "allOf": [part]}
    return f"{other} never has such a value." if all(field_errors(whole, each) for each in allowed) else ""


def _conditions(schema: Mapping[str, Any], hints: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, list[Any]]]]:
    for name, hint in hints.items():
        condition = _condition(hint)
        if condition is not None and name in schema.get("properties", {}):
            yield name, condition


def _condition(hint: Any) -> Mapping[str, list[Any]] | None:
    """Return the values that each of some inputs may have, None where a hint says none that can be read."""
    found = hint.get(HINT) if isinstance(hint, Mapping) else None
    if not isinstance(found, Mapping) or not found:
        return None
    allowed = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
    plain = all(each is None or isinstance(each, str | int | float) for values in allowed.values() for each in values)
    return allowed if plain and all(allowed.values()) else None


def _led_to(name: str, conditions: Mapping[str, Mapping[str, list[Any]]]) -> set[str]:
    """Return what an input depends on, near or far."""
    found: set[str] = set()
    left = [name]
    while left:
        for other in conditions.get(left.pop(), {}):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def _has_default(part: Any) -> bool:
    return isinstance(part, Mapping) and "default" in part
