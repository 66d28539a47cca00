"""The open family of asset kinds: each is one module with a ``KIND``, found by entry point."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable

from catalog.assets.findings import Finding
from catalog.assets.installation import InstallEffect
from catalog.assets.package import Package
from catalog.assets.shapes import Shape
from catalog.discovery import discover

GROUP = "slipway.asset_kinds"


@runtime_checkable
class AssetKind(Protocol):
    """What the catalog needs to know of a kind.

    ``name`` stands in manifests, ``title`` on pages, ``description`` says in a sentence what such an asset is, and
    ``spec`` is the shape of the manifest's ``spec``.
    """

    @property
    def name(self) -> str:
        """The kind's name in manifests."""
        ...

    @property
    def title(self) -> str:
        """The kind's name on pages."""
        ...

    @property
    def description(self) -> str:
        """What an asset of this kind is, in a sentence."""
        ...

    @property
    def spec(self) -> type[Shape]:
        """The shape of the manifest's ``spec``."""
        ...

    @property
    def sandboxed_steps(self) -> Mapping[str, str]:
        """The steps of the checks that a sandboxed worker makes before publishing, as titles by name.

        Empty where nothing of the publisher's has to be run, rendered or unpacked: such a kind is published at once,
        and without any worker.
        """
        ...

    def check(self, package: Package) -> Iterable[Finding]:
        """Yield what is wrong with a package whose manifest and spec have the right shape."""
        ...

    def install(self, manifest: Mapping[str, Any]) -> Sequence[InstallEffect]:
        """Return what an install of a version with this manifest makes, as data; nothing happens here."""
        ...

    def try_out(self, package: Package) -> Iterable[Finding]:
        """Yield what rendering or running the package finds, on its author's own machine and never on a server."""
        ...

    def skeleton(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return the files of a new asset that checks and publishes unchanged, by path."""
        ...


@cache
def kinds() -> Mapping[str, AssetKind]:
    """Return every installed kind by name; raise ``DiscoveryError`` where one is broken."""
    return discover(GROUP, "KIND", AssetKind)
