"""Compiled bundles: where the service gets them from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import AssetReference
from catalog.gating import Level, UsedBundle
from catalog.policies.engine import CompiledBundle


@dataclass(frozen=True)
class LoadedBundle:
    """One version of a bundle, ready to be asked.

    ``roots`` are the parts of OPA's data that it owns, ``level`` is what a violation means where a rule does not say.
    """

    asset: str
    version: str
    compiled: CompiledBundle
    roots: tuple[str, ...]
    level: Level = Level.MANDATORY

    @property
    def used(self) -> UsedBundle:
        """Return how answers name it."""
        return UsedBundle(asset=self.asset, version=self.version, digest=self.compiled.digest)


class Bundles(Protocol):
    """Where compiled bundles come from."""

    def newest(self, session: Session, tenant_id: UUID, reference: AssetReference) -> LoadedBundle:
        """Return the version that a reference gets now.

        Raises ``AssetNotFoundError``, ``VersionNotSelectableError``, or ``BundleNotCompiledError``.
        """
        ...

    def exactly(self, session: Session, tenant_id: UUID, asset: str, version: str) -> LoadedBundle:
        """Return one version whatever its state is now, to evaluate again what was evaluated with it."""
        ...


def union(loaded: Sequence[LoadedBundle]) -> list[LoadedBundle]:
    """Return each version once, in the order of its first place."""
    found: dict[tuple[str, str], LoadedBundle] = {}
    for each in loaded:
        found.setdefault((each.asset, each.version), each)
    return list(found.values())
