"""What an asset's page shows of dependencies: the resolved tree, or why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from catalog.assets.models import AssetVersionRead
from catalog.assets.references import parse_reference
from catalog.assets.resolver import LockEntry, Resolution, ResolutionRefusedError
from catalog.assets.service import AssetService


@dataclass(frozen=True)
class Branch:
    """One asset in the tree; ``depth`` is 1 for what the version itself needs."""

    depth: int
    entry: LockEntry


@dataclass(frozen=True)
class DependencyTree:
    """All that a version needs, resolved at this moment for this tenant; ``refusal`` is "" where it can be had."""

    root: str = ""
    resolution: Resolution | None = None
    refusal: str = ""

    @property
    def branches(self) -> list[Branch]:
        """Return what is needed, each asset once, below the first that needs it."""
        return list(self._below(self.root, 1, set()))

    def _below(self, parent: str, depth: int, seen: set[str]) -> Iterator[Branch]:
        entries = self.resolution.lock if self.resolution else ()
        for entry in sorted(entries, key=lambda each: each.asset):
            if entry.asset in seen | {self.root} or not any(why.by == parent and not why.optional for why in entry.why):
                continue
            seen.add(entry.asset)
            yield Branch(depth, entry)
            yield from self._below(entry.asset, depth + 1, seen)


def dependency_tree(service: AssetService, tenant_id: UUID, version: AssetVersionRead) -> DependencyTree:
    """Resolve what a version needs; one that needs nothing is not resolved."""
    root = f"{version.namespace}/{version.name}"
    if not version.manifest.get("dependencies"):
        return DependencyTree(root)
    try:
        found = service.resolve_reference(tenant_id, parse_reference(f"{root}=={version.version}"))
    except ResolutionRefusedError as refused:
        return DependencyTree(root, refusal=refused.detail)
    return DependencyTree(root, found)
