"""Comparing versions: the gate that a new one passes, and what changed between any two."""

import io
from uuid import UUID

from catalog.assets import queries, rules
from catalog.assets.archive.read import read_file
from catalog.assets.artifacts import NOTHING_DERIVED, Derived
from catalog.assets.compatibility import Faces, Verdict, compare, predecessor
from catalog.assets.compatibility.diff import VersionDiff, difference, faces_of
from catalog.assets.package import Package
from catalog.assets.service.reading import Reading, version_read
from catalog.assets.texts import MOST_BYTES, FileText, read_text
from catalog.assets.versions import VersionNumber, parse_version
from catalog.providers.blobs import BlobStore


class Comparing(Reading):
    """What is compared belongs to one asset that the tenant may see."""

    def verdict(self, tenant_id: UUID, package: Package, derived: Derived = NOTHING_DERIVED) -> Verdict | None:
        """Return how a package compares with the version before it, None where its tenant has none.

        Schemas that were ``derived`` stand for those that the package does not bring, as they do in the version.
        """
        metadata = package.manifest.metadata
        asset = queries.own_asset(self._session, tenant_id, metadata.namespace, metadata.name)
        if asset is None:
            return None
        number = parse_version(metadata.version)
        before = self._predecessor(tenant_id, asset.id, number)
        found = queries.version(self._session, tenant_id, asset.id, before.canonical) if before else None
        if before is None or found is None:
            return None
        after = Faces.of(
            package.document.value,
            package.input_schema or derived.input_schema or {},
            package.output_schema or derived.output_schema or {},
        )
        return Verdict(before, number, compare(faces_of(version_read(found, tenant_id)), after))

    def diff(self, tenant_id: UUID, namespace: str, name: str, before: str, after: str) -> VersionDiff:
        """Return what changed from one version to another; raise ``AssetNotFoundError`` where one is missing."""
        versions = [self.get_version(tenant_id, namespace, name, each) for each in (before, after)]
        return difference(*versions)

    def version_before(self, tenant_id: UUID, namespace: str, name: str, version: str) -> str | None:
        """Return the version that another one was compared with when it was published, None where there is none."""
        asset = self._asset(tenant_id, namespace, name)
        found = self._predecessor(tenant_id, asset.id, parse_version(version))
        return found.canonical if found else None

    def file_text(self, tenant_id: UUID, wanted: tuple[str, str, str], path: str, blobs: BlobStore) -> FileText | None:
        """Return a file of the version ``wanted`` (namespace, name, version) as text, None where it has none there.

        Raises as ``archive`` does.
        """
        found = self._handed_out(tenant_id, *wanted)
        entry = next((each for each in found.files if each["path"] == path), None)
        if entry is None:
            return None
        data = read_file(io.BytesIO(self.archive(tenant_id, *wanted, blobs)), path, MOST_BYTES)
        return read_text(path, data, int(entry["size"]))

    def _predecessor(self, tenant_id: UUID, asset_id: UUID, number: VersionNumber) -> VersionNumber | None:
        rows = rules.candidates(queries.version_numbers(self._session, tenant_id, asset_id))
        return predecessor(number, ((each.number, each.state) for each in rows))
