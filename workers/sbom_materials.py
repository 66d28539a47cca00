"""What bills of materials are made from: the bytes behind a version, a release or an environment, as far as held."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed
from uuid import NAMESPACE_URL, UUID, uuid5

from packageurl import PackageURL
from sqlmodel import Session

from catalog.assets.check import check_archive
from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.attestations.sboms.models import MakingState
from catalog.attestations.service.sbom_making import Result, Wanted
from catalog.attestations.statements import Subject
from catalog.clock import now
from catalog.providers.blobs import BlobError, open_blobs
from catalog.settings import Settings
from workers.sbom_generators import Material, MaterialKind, Root
from workers.sbom_program.names import is_read


@dataclass(frozen=True)
class Job:
    """One artifact to be described: what is wanted, and what to look into or why there is nothing to look into."""

    wanted: Wanted
    material: Material | Result


class MaterialService:
    """Finds what there is to look into; reads rows and blobs, writes nothing."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._blobs = open_blobs(settings)

    def jobs(self, tenant_id: UUID, thing: str) -> Iterator[Job]:
        """Yield the artifacts of a thing; raises ``NotFoundError`` where the tenant has none of that id."""
        area, _, identifier = thing.partition("/")
        if area == "asset-versions":
            yield self._version(AssetService(self._session).version_by_id(tenant_id, UUID(identifier)))

    def _version(self, version: AssetVersion) -> Job:
        label = f"{version.namespace}/{version.name}@{version.version}"
        subjects = (Subject(label, "sha256", version.blob_digest),)
        wanted = Wanted(f"asset-versions/{version.id}", label, version.blob_digest, subjects, version.asset_id)
        try:
            package = check_archive(self._blobs.read(version.blob_digest)).package
        except BlobError as error:
            return Job(wanted, Result(MakingState.UNSUPPORTED, f"The archive cannot be read: {error}."))
        if package is None:
            return Job(wanted, Result(MakingState.UNSUPPORTED, "The archive holds no package."))
        metadata = version.manifest["metadata"]
        root = Root(
            name=f"{version.namespace}/{version.name}",
            version=version.version,
            purl=PackageURL("generic", version.namespace, version.name, version.version).to_string(),
            digest=version.blob_digest,
            license=str(metadata.get("license", "")),
            description=str(metadata.get("summary", "")),
        )
        material = Material(
            kind=MaterialKind.PACKAGE,
            files={path: package.archive.read(path) for path in package.archive.files if is_read(path)},
            root=root,
            created=version.published_at or now(),
            serial=uuid5(NAMESPACE_URL, f"slipway:{version.tenant_id}:{wanted.thing}:{wanted.digest}"),
            slipway=installed("slipway"),
            dependencies=tuple(_dependency(each) for each in version.dependencies or ()),
        )
        return Job(wanted, material)


def _dependency(entry: dict[str, str]) -> tuple[str, str]:
    namespace, _, name = entry["asset"].partition("/")
    return PackageURL("generic", namespace, name).to_string(), entry["version"]
