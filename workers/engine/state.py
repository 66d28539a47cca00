"""Reads what the engine exports of a stack's state."""

import json
from typing import Any

from workers.engine import ResourceState

# How the engine marks a value as secret (and not as an asset or something else of its own).
SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a secret
SECRET_TEXT = "[secret]"  # noqa: S105 - what is shown instead of a secret

Deployment = dict[str, Any]


def is_secret(value: Any) -> bool:
    """Say whether an exported value is a secret."""
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def masked(value: Any) -> Any:
    """Return an exported value with every secret in it replaced."""
    if is_secret(value):
        return SECRET_TEXT
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


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
