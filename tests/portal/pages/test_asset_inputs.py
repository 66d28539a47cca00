"""The table of an asset's inputs: in the order of its hints, then what is required, then by name."""

from typing import Any

from portal.pages.asset_inputs import input_rows

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "zone": {"type": "string"},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "store": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "size": {"type": "integer"}, "name": {"type": "string"}},
            "required": ["size", "name"],
        },
        "owner": {"type": "string"},
        "first": {"type": "number"},
    },
    "required": ["zone", "owner"],
}


def test_rows_come_as_the_form_has_them_then_what_is_required_then_by_name() -> None:
    rows = list(input_rows(SCHEMA, {"/zone"}, {"first": {"order": 1}, "/store": {"order": 2}, "hosts": "no hint"}))
    names = ["first", "store.name", "store.size", "store.a", "owner", "zone", "hosts"]
    assert [each.name for each in rows] == names
    assert [each.name for each in rows if each.is_required] == ["store.name", "store.size", "owner", "zone"]
    assert [each.name for each in rows if each.is_immutable] == ["zone"]
    types = {each.name: each.type for each in rows}
    assert types["hosts"] == "list of texts"
    assert (types["store.size"], types["first"], types["zone"]) == ("whole number", "number", "text")
