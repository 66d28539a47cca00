"""Registries elsewhere: where artifacts of releases are fetched from by digest, and told what they are made of."""

from dataclasses import dataclass, field

from catalog.settings import Settings

LARGEST_IMAGE = 200 * 1024 * 1024
"""Of an image with all its layers as they are sent, and of a package, in bytes."""


class RegistryError(Exception):
    """Why a registry gives or takes nothing; fit for a page, and never shows a credential."""


@dataclass(frozen=True)
class Access:
    """How a registry is reached: its ``host`` (with a port where it has one), and who asks; a name may be empty."""

    host: str
    settings: Settings
    username: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Place:
    """Where an artifact lies: the registry's host, and what it is called there (a repository, or a path)."""

    host: str
    name: str


def image_place(reference: str) -> Place | None:
    """Read ``host/repository[:tag][@digest]``; None where no host is named, which the digest alone cannot replace."""
    text = reference.removeprefix("oci://").removeprefix("docker://").partition("@")[0]
    host, slash, rest = text.partition("/")
    if not slash or not rest or not ("." in host or ":" in host or host == "localhost"):
        return None
    repository, _, tag = rest.rpartition(":")
    return Place(host.lower(), repository if repository and "/" not in tag else rest)


def package_place(uri: str) -> Place | None:
    """Read the https address of a package file; None where it is none."""
    if not uri.startswith(("https://", "http://")):
        return None
    host, slash, path = uri.partition("://")[2].partition("/")
    return Place(host.lower(), f"/{path}") if slash and path and "@" not in host else None
