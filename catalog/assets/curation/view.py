"""A tenant's own catalog as one value: which assets and versions it lets the tenant's members choose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from catalog.assets.versions import VersionNumber, allows, parse_version

Path = tuple[str, str]


@dataclass(frozen=True)
class CatalogView:
    """What a tenant decided, by namespace and name; its own namespaces are bound by nothing.

    ``adopted`` holds the constraint of each asset that is adopted, which allows every version where it is empty.
    """

    own: frozenset[str]
    is_curated: bool
    hidden: frozenset[Path]
    adopted: Mapping[Path, SpecifierSet]

    @property
    def decides_nothing(self) -> bool:
        """Tell whether everything that may be seen may be chosen."""
        return not (self.is_curated or self.hidden or self.adopted)

    def offers(self, namespace: str, name: str) -> bool:
        """Tell whether any version of an asset may be chosen."""
        path = (namespace, name)
        if namespace in self.own:
            return True
        return path not in self.hidden and (path in self.adopted or not self.is_curated)

    def allows(self, namespace: str, name: str, number: VersionNumber) -> bool:
        """Tell whether one version may be chosen; a range counts for pre-releases as for others."""
        if not self.offers(namespace, name):
            return False
        allowed = None if namespace in self.own else self.adopted.get((namespace, name))
        return allowed is None or allows(allowed, number, prereleases=True)

    def offered(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of the assets of which some version may be chosen, in their order."""
        return [path for path in paths if self.offers(*path)]


@dataclass(frozen=True)
class Offer:
    """What a tenant's own catalog lets its members choose of one asset.

    ``latest`` is the version that stands for it, the newest within ``allowed`` where there is such a range; ``refused``
    says why none may be chosen, "" where some may.
    """

    latest: str | None
    allowed: SpecifierSet | None = None
    refused: str = ""

    def refusal(self, version: str) -> str:
        """Say why a version may not be chosen, "" where the catalog has nothing against it."""
        if self.refused or self.allowed is None:
            return self.refused
        if allows(self.allowed, parse_version(version), prereleases=True):
            return ""
        return f"Your tenant's catalog allows {self.allowed} of it."


DECIDES_NOTHING = CatalogView(frozenset(), is_curated=False, hidden=frozenset(), adopted={})
"""The view of a tenant that has decided nothing; which namespaces are its own makes no difference to it."""
