"""Compiled bundles: where the service gets them from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import AssetReference
from catalog.gating import Level, UsedBundle
from catalog.policies.engine import CompiledBundle

_WHOLE_INPUT = re.compile(r"\binput\b(?!\s*\.\s*[A-Za-z_])")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


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

    def reads(self, part: str) -> bool:
        """Tell whether the rules may look at ``input.<part>``; where that is not certain, they may.

        Rules reach a part by its name, or by the input as a whole.
        """
        named = re.compile(rf"\b{re.escape(part)}\b")
        texts = [str(each) for each in self.compiled.modules.values()]
        # A raw string may hold a line that only looks like a comment.
        code = [each if "`" in each else _COMMENT.sub("", each) for each in texts]
        return not code or any(named.search(each) or _WHOLE_INPUT.search(each) for each in code)


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
