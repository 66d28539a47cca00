"""What an install of an asset becomes, as data: what is made, and what it is allowed to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Becomes = Literal["pull-request", "pin", "environment", "strategy", "policy-binding", "stack"]

_PERMISSIONS: Mapping[str, str] = {
    "scm:pull-request": "open pull requests in the repository that you choose",
    "scm:status": "report states and comments on commits and pull requests",
    "scm:read": "read the repository that you choose",
    "process:start": "start processes from your repository on the target",
    "network:listen": "make what it starts reachable at an address",
    "cloud:azure": "make and change resources in the Azure subscription that you connect",
    "cloud:aws": "make and change resources in the AWS account that you connect",
    "cloud:gcp": "make and change resources in the Google Cloud project that you connect",
    "policy:bind": "hold releases and environments to its rules",
}


@dataclass(frozen=True)
class InstallEffect:
    """One thing that an install makes: ``becomes`` for programs, ``title`` and ``text`` for people."""

    becomes: Becomes
    title: str
    text: str


@dataclass(frozen=True)
class Installation:
    """What installing a version does; ``permissions`` are pairs of a permission and what it allows, in words."""

    effects: tuple[InstallEffect, ...]
    permissions: tuple[tuple[str, str], ...]
    capabilities: tuple[str, ...]


def installation(effects: Sequence[InstallEffect], manifest: Mapping[str, Any]) -> Installation:
    """Return what installing does, with what the manifest asks for."""
    requires = manifest.get("requires") or {}
    permissions = tuple((name, _PERMISSIONS.get(name, "")) for name in requires.get("permissions") or ())
    return Installation(tuple(effects), permissions, tuple(requires.get("capabilities") or ()))


def listing(values: Sequence[str]) -> str:
    """Return names as people list them: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(values[:-1]), values[-1]])) if values else ""
