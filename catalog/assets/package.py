"""A package as its kind's checks see it: the archive, the manifest with its lines, and the input schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.archive import Archive, Digests, manifest_digest
from catalog.assets.archive.names import MANIFEST
from catalog.assets.findings import Finding
from catalog.assets.located import Located, Place
from catalog.assets.manifest import Manifest

MOST_READ = 1024 * 1024 + 1


@dataclass(frozen=True)
class Package:
    """The contents of an archive whose manifest could be read.

    ``input_schema`` is ``{}`` where the asset takes no inputs; ``input_hints`` are those of ``inputs.ui.json``.
    """

    archive: Archive
    document: Located
    manifest: Manifest
    input_schema: Mapping[str, Any] = field(default_factory=dict)
    input_hints: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digests(self) -> Digests:
        """The three digests of the package."""
        return Digests(self.archive.blob, self.archive.tree, manifest_digest(self.document.value))

    def text(self, path: str) -> str:
        """Return a file as text (at most 1 MiB), "" where there is none; bytes that are not UTF-8 are replaced."""
        return self.content(path).decode("utf-8", "replace") if path in self.archive.files else ""

    def content(self, path: str) -> bytes:
        """Return a document's bytes, cut one byte beyond what any document may have."""
        return self.archive.read(path, MOST_READ)

    def finding(self, rule: str, place: Place, message: str, fix: str) -> Finding:
        """Return an error at a place of the manifest."""
        return Finding(rule, MANIFEST, self.document.line(place), message, fix)
