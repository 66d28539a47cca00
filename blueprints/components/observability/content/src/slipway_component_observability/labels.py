"""The labels by which what a component makes is found again: whose it is, where it belongs, and who answers for it."""

import re
from typing import Any, Mapping

import pulumi

_LONGEST = 63


def labels(args: Mapping[str, Any], component: str) -> dict[str, str]:
    """Return the tags of every resource of a component, those of the caller among them.

    ``tenant``, ``environment`` and ``owner`` are needed: a resource that nobody answers for is found by nobody.
    """
    needed = {name: require(args, name) for name in ("tenant", "environment", "owner")}
    own = {f"slipway-{name}": str(value) for name, value in needed.items()}
    return {**(args.get("tags") or {}), **own, "slipway-component": component}


def google_labels(args: Mapping[str, Any], component: str) -> dict[str, str]:
    """Return the same as labels of Google Cloud, which have lower-case letters, digits, dashes and underscores."""
    return {
        re.sub(r"[^a-z0-9_-]", "-", key.lower())[:_LONGEST]: re.sub(r"[^a-z0-9_-]", "-", value.lower())[:_LONGEST]
        for key, value in labels(args, component).items()
    }


def require(args: Mapping[str, Any], name: str) -> Any:
    """Return an argument that has no default; raise ``ValueError`` that names it where it is missing."""
    value = args.get(name)
    if value is None or value == "" or value == []:
        raise ValueError(f"The argument {name} is needed.")
    return value


def choose(args: Mapping[str, Any], name: str, default: str, choices: Mapping[str, Any]) -> Any:
    """Return what the caller's choice stands for; raise ``ValueError`` that names the choices where it is none."""
    value = args.get(name) or default
    if value not in choices:
        raise ValueError(f"The argument {name} is {value!r}; it must be one of {', '.join(choices)}.")
    return choices[value]


def options(parent: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
    """Return the options of a resource below a component."""
    return pulumi.ResourceOptions(parent=parent, **more)
