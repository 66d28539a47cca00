"""What becomes of the package schema of components."""

from catalog.assets.component_schemas import input_schemas, joined
from catalog.assets.inputs import secret_pointers, without_secrets

SHELF = {
    "inputProperties": {
        "size": {"type": "string"},
        "token": {"type": "string", "secret": True, "description": "Of the cloud."},
        "keys": {"type": "array", "items": {"type": "string"}, "secret": True},
    }
}


def test_what_a_component_calls_a_secret_is_one_here() -> None:
    one = input_schemas({"resources": {"things:index:Shelf": SHELF}})
    assert one["Shelf"]["properties"]["token"] == {
        "title": "Token",
        "description": "Of the cloud.",
        "type": "string",
        "writeOnly": True,
    }
    assert list(secret_pointers(one["Shelf"])) == ["/token", "/keys"]
    two = joined(input_schemas({"resources": {"things:index:Shelf": SHELF, "things:index:Box": {}}}))
    given = {"Shelf": {"size": "s", "token": "t", "keys": ["k"]}}
    assert without_secrets(two, given) == {"Shelf": {"size": "s", "token": "[secret]", "keys": "[secret]"}}
