"""What the gate calls compatible is: every value that fitted before fits after, defaults filled in."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from catalog.assets.compatibility import Bump, Faces, compare
from catalog.assets.compatibility.normal import Part, parts_of, written_out
from catalog.assets.inputs import InvalidInputsError, complete_inputs
from catalog.assets.schemas import DIALECT, check_schema
from catalog.forms.patterns import matches

NAMES = ("a", "b", "c")
TEXTS = ("", "a", "b", "ab", "abc", "2026-11-25", "x1")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 6) | st.sampled_from([0.5, 2.5]) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
Schema = dict[str, Any]


def picked(**choices: Any) -> st.SearchStrategy[Schema]:
    """Return schemas with some of the keywords."""
    return st.fixed_dictionaries({}, optional=choices)


NUMBERS = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from(["integer", "number"]),
    picked(
        minimum=st.integers(-2, 3),
        exclusiveMinimum=st.integers(-2, 2),
        maximum=st.integers(1, 5),
        exclusiveMaximum=st.integers(2, 6),
        multipleOf=st.sampled_from([1, 2, 4]),
        enum=st.lists(st.integers(-1, 4), min_size=1, max_size=3, unique=True),
    ),
)
STRINGS = st.builds(
    lambda rest: {"type": "string", **rest},
    picked(
        minLength=st.integers(0, 3),
        maxLength=st.integers(1, 12),
        pattern=st.sampled_from(["^a", "b", "^[a-z0-9]*$"]),
        format=st.sampled_from(["date", "unknown"]),
        enum=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True),
        const=st.sampled_from(TEXTS),
    ),
)
LEAVES = st.one_of(
    NUMBERS,
    STRINGS,
    st.just({"type": "boolean"}),
    st.just({"type": ["string", "null"]}),
    st.just({"type": ["integer", "string"]}),
    st.just({}),
    st.builds(
        lambda values: {"enum": values}, st.lists(st.sampled_from([1, "a", None, True]), min_size=1, unique=True)
    ),
)


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda properties, rest, required: {
            "type": "object",
            "properties": properties,
            **rest,
            **({"required": required} if required else {}),
        },
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        picked(
            additionalProperties=st.just(False) | LEAVES,
            patternProperties=st.dictionaries(st.sampled_from(["^a", "c$"]), LEAVES, min_size=1, max_size=1),
            minProperties=st.integers(0, 2),
            maxProperties=st.integers(1, 3),
            dependentRequired=st.dictionaries(
                st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=1), max_size=1
            ),
            propertyNames=st.just({"maxLength": 3}),
        ),
        st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    )


def lists(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda rest: {"type": "array", **rest},
        picked(
            items=inner,
            prefixItems=st.lists(inner, min_size=1, max_size=2),
            minItems=st.integers(0, 2),
            maxItems=st.integers(1, 3),
            uniqueItems=st.booleans(),
            contains=LEAVES,
        ),
    )


def combined(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda each: {"anyOf": each}, several),
        st.builds(lambda each: {"oneOf": each}, several),
        st.builds(lambda each: {"allOf": each}, several),
        st.builds(lambda each: {"not": each}, LEAVES),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, st.sampled_from(["small", "text"])),
    )


PARTS = st.recursive(LEAVES, lambda inner: objects(inner) | lists(inner) | combined(inner), max_leaves=5)
DEFINITIONS = {"small": {"type": "integer", "maximum": 3}, "text": {"type": "string", "maxLength": 2}}


@st.composite
def roots(draw: st.DrawFn) -> Schema:
    schema = deepcopy(draw(objects(PARTS)))
    if draw(st.booleans()):
        schema |= deepcopy(draw(combined(objects(LEAVES))))
    for part in schema["properties"].values():
        if draw(st.booleans()):
            part["default"] = draw(VALUES)
    return {**schema, "$schema": DIALECT, "$defs": DEFINITIONS}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Return a schema and what became of it: something else, or the same with a few parts exchanged."""
    old = draw(roots())
    if draw(st.integers(0, 3)) == 0:
        return old, draw(roots())
    new = deepcopy(old)
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from(["replace", "add", "relax", "default", "require", "free", "keyword"]))
        name = draw(st.sampled_from(NAMES))
        part = new["properties"].get(name)
        if change in {"replace", "add"}:
            new["properties"][name] = deepcopy(draw(PARTS))
        elif change == "default" and isinstance(part, dict):
            part["default"] = draw(VALUES)
        elif change == "require":
            new["required"] = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
        elif change == "free" and part:
            part.pop(draw(st.sampled_from(sorted(part))))
        elif change == "relax":
            new.pop(draw(st.sampled_from(["required", "maxProperties", "additionalProperties", "not", "if"])), None)
        elif change == "keyword":
            new |= deepcopy(draw(combined(objects(LEAVES))))
    return old, new


def is_publishable(schema: Schema) -> bool:
    return not check_schema(json.dumps(schema).encode(), "inputs.schema.json")[1]


def takes(schema: Schema, value: dict[str, Any]) -> bool:
    try:
        complete_inputs(schema, value)
    except InvalidInputsError:
        return False
    return True


INSTANCES = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), min_size=6, max_size=14)


def undeclared(old: Part, new: Part, value: Any) -> bool:
    """Tell whether a value holds something that the old schema left open and only the new one declares."""
    if isinstance(value, list):
        items = [parts_of(*(part["items"] for part in parts_of(each) if "items" in part)) for each in (old, new)]
        return any(undeclared({"allOf": [*items[0]]}, {"allOf": [*items[1]]}, entry) for entry in value)
    if not isinstance(value, dict):
        return False
    for name, inner in value.items():
        was, is_now = (_said(parts_of(each), name) for each in (old, new))
        if is_now and not was:
            return True
        if undeclared({"allOf": was}, {"allOf": is_now}, inner):
            return True
    return False


def _said(parts: Sequence[Part], name: str) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        here = [part["properties"][name]] if name in part.get("properties", {}) else []
        here += [each for pattern, each in part.get("patternProperties", {}).items() if matches(pattern, name)]
        found += here or ([part["additionalProperties"]] if "additionalProperties" in part else [])
    return found


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(pairs(), INSTANCES)
def test_what_is_called_compatible_takes_whatever_was_taken(
    pair: tuple[Schema, Schema], instances: list[dict[str, Any]]
) -> None:
    old, new = pair
    assume(is_publishable(old) and is_publishable(new))
    changes = compare(Faces(old, {}), Faces(new, {}))
    if any(each.bump is Bump.MAJOR for each in changes):
        return
    for value in instances:
        if takes(old, value) and not undeclared(written_out(old, old), written_out(new, new), value):
            assert takes(new, value), (value, changes)
