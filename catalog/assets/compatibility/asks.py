"""What a version asks of whoever installs it, and what it asks for that the version before did not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.compatibility.changes import Bump, Change


@dataclass(frozen=True)
class Asks:
    """Capabilities that a tenant must have connected, permissions of an install, and other assets that come along.

    ``dependencies`` tells of each asset (``namespace/name``) whether it is optional.
    """

    capabilities: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    dependencies: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Asks":
        """Return what a manifest asks."""
        requires = manifest.get("requires") or {}
        needed = manifest.get("dependencies") or ()
        return cls(
            frozenset(requires.get("capabilities") or ()),
            frozenset(requires.get("permissions") or ()),
            {str(each["asset"]): bool(each.get("optional")) for each in needed},
        )


def asked_changes(before: Asks, after: Asks) -> Iterator[Change]:
    """Yield what is asked now and was not before: each binds the number to a minor one at the least.

    A patch may be taken without looking at it, so it never brings an asset along, nor asks for what an administrator
    has to allow. What is asked no longer is told in words only.
    """
    for word, what, old, new in (
        ("permission", "/requires/permissions", before.permissions, after.permissions),
        ("capability", "/requires/capabilities", before.capabilities, after.capabilities),
    ):
        for name in sorted(new - old):
            yield _asked(what, f"new-{word}", f"It asks for the {word} {name}, and did not before.")
        for name in sorted(old - new):
            yield Change("manifest", what, f"{word}-gone", Bump.PATCH, f"It needs the {word} {name} no longer.")
    place = "/dependencies"
    for asset, is_optional in sorted(after.dependencies.items()):
        if asset not in before.dependencies:
            if is_optional:
                yield Change("manifest", place, "optional-dependency", Bump.MINOR, f"It may build on {asset} now.")
            else:
                yield _asked(place, "new-dependency", f"It needs {asset}, which comes along with an install.")
        elif before.dependencies[asset] and not is_optional:
            yield _asked(place, "new-dependency", f"It needs {asset} now, which was optional before.")
    for asset in sorted(before.dependencies.keys() - after.dependencies.keys()):
        yield Change("manifest", place, "dependency-gone", Bump.PATCH, f"It needs {asset} no longer.")


def _asked(pointer: str, what: str, message: str) -> Change:
    return Change("manifest", pointer, what, Bump.MINOR, message, binding=True)
