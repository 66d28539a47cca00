"""Reads what the engine exports of a stack's state."""

import json
from collections.abc import Iterable
from typing import Any

from workers.engine import GraphNode, ResourceOperation, ResourceState

# How the engine marks a value as secret (and not as an asset or something else of its own).
SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a secret
SECRET_TEXT = "[secret]"  # noqa: S105 - what is shown instead of a secret
UNKNOWN_TEXT = "[unknown]"
UNKNOWN = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What stands in a preview for a value that only the engine will know; see `sdk/go/common/resource/plugin/rpc.go`."""

Deployment = dict[str, Any]


def is_secret(value: Any) -> bool:
    """Say whether an exported value is a secret."""
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def masked(value: Any) -> Any:
    """Return an exported value with every secret in it, and everything that is not known yet, replaced."""
    if is_secret(value):
        return SECRET_TEXT
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return UNKNOWN_TEXT if isinstance(value, str) and value in UNKNOWN else value


def revealed(value: Any) -> Any:
    """Return an exported value with every secret in it in plain; only the owner of the stack may see it."""
    if is_secret(value):
        return json.loads(value["plaintext"]) if "plaintext" in value else SECRET_TEXT
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return value


def contains_secret(value: Any) -> bool:
    """Say whether there is a secret anywhere in an exported value."""
    return bool(masked(value) != value)


def name_of(urn: str) -> str:
    """Return the name that the program gave to the resource."""
    return urn.rpartition("::")[2]


def type_of(urn: str) -> str:
    """Return the type of a resource, without those of its parents."""
    parts = urn.split("::")
    return parts[2].rpartition("$")[2] if len(parts) > 3 else ""


def custom_resources(deployment: Deployment) -> list[Deployment]:
    """Return the resources that something was made for: neither the stack nor providers, nor what is to be deleted."""
    return [
        item
        for item in deployment.get("resources") or ()
        if item.get("id") and not item["type"].startswith("pulumi:") and not item.get("delete")
    ]


def inventory(deployment: Deployment) -> tuple[ResourceState, ...]:
    """Return the resources of a stack, secrets replaced."""
    return tuple(
        ResourceState(item["urn"], item["type"], name_of(item["urn"]), item["id"], masked(item.get("outputs") or {}))
        for item in custom_resources(deployment)
    )


def graph(deployment: Deployment) -> tuple[GraphNode, ...]:
    """Return every resource that a program asked for, with its inputs and what it belongs to, secrets replaced."""
    return tuple(
        node(
            item["urn"],
            ResourceOperation.SAME,
            parent=item.get("parent") or "",
            depends_on=item.get("dependencies") or (),
            inputs=item.get("inputs") or {},
        )
        for item in deployment.get("resources") or ()
        if not item["type"].startswith("pulumi:") and not item.get("delete")
    )


def node(
    urn: str, operation: ResourceOperation, *, parent: str, depends_on: Iterable[str], inputs: dict[str, Any]
) -> GraphNode:
    """Return one node of a graph out of what the engine says, in which others are named by URN."""
    return GraphNode(
        type=type_of(urn),
        name=name_of(urn),
        provider=type_of(urn).partition(":")[0],
        operation=operation,
        parent="" if type_of(parent).startswith("pulumi:") else name_of(parent),
        depends_on=tuple(name_of(each) for each in depends_on),
        inputs=masked(dict(inputs)),
    )


def stack_outputs(deployment: Deployment) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain outputs of a stack and, apart, those that are secret or hold a secret."""
    for item in deployment.get("resources") or ():
        if item["type"] == "pulumi:pulumi:Stack":
            outputs = item.get("outputs") or {}
            plain = {key: value for key, value in outputs.items() if not contains_secret(value)}
            return plain, {key: revealed(value) for key, value in outputs.items() if key not in plain}
    return {}, {}


def pending_creates(deployment: Deployment) -> list[Deployment]:
    """Return the resources whose creation was under way when the engine was killed."""
    return [item["resource"] for item in deployment.get("pending_operations") or () if item.get("type") == "creating"]
