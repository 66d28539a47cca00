"""Texts as the types that a schema wants."""

from typing import Any

import pytest

from catalog.forms.coercion import coerced

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mode": {"enum": ["auto", "manual"], "default": "auto"},
        "debug": {"type": "boolean"},
        "name": {"type": "string"},
        "ratio": {"type": "number"},
        "limit": {"type": ["integer", "null"]},
        "level": {"enum": [1, 2, "high"]},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "integer"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "if": {"properties": {"mode": {"const": "manual"}}, "required": ["mode"]},
    "then": {"properties": {"replicas": {"type": "integer"}}},
    "else": {"properties": {"replicas": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("debug", "true", True),
        ("debug", "No", False),
        ("debug", "perhaps", "perhaps"),
        ("name", "3", "3"),
        ("ratio", "0.5", 0.5),
        ("ratio", "3", 3),
        ("ratio", "NaN", "NaN"),
        ("limit", "7", 7),
        ("limit", "null", None),
        ("limit", "7.5", "7.5"),
        ("level", "2", 2),
        ("level", "high", "high"),
        ("level", "9", "9"),
        ("hosts", "a, b", ["a", "b"]),
        ("hosts", '["a,b"]', ["a,b"]),
        ("ports", "80,x", [80, "x"]),
        ("labels", '{"a": "1"}', {"a": "1"}),
        ("labels", "a=1", "a=1"),
        ("unknown", "3", "3"),
    ],
)
def test_a_text_becomes_what_the_schema_wants(name: str, text: str, value: Any) -> None:
    read = coerced(SCHEMA, {name: text}, {name})[name]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(("mode", "replicas"), [("manual", 3), ("auto", "3")])
def test_the_branch_that_holds_says_what_a_text_is(mode: str, replicas: Any) -> None:
    assert coerced(SCHEMA, {"mode": mode, "replicas": "3"}, {"mode", "replicas"})["replicas"] == replicas


def test_only_what_was_typed_as_text_is_read() -> None:
    assert coerced(SCHEMA, {"ratio": "3", "debug": "true"}, {"debug"}) == {"ratio": "3", "debug": True}
