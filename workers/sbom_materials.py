"""What bills of materials are made from: the bytes behind a version, a release or an environment, as far as held."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed
from uuid import NAMESPACE_URL, UUID, uuid5

from packageurl import PackageURL
from sqlmodel import Session

from catalog.assets.check import check_archive
from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.attestations.sbom_events import SbomReferred
from catalog.attestations.sboms.models import MakingState, RegistryKind
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.service.sbom_making import Result, Wanted
from catalog.attestations.statements import Subject
from catalog.clock import now
from catalog.distributions.service import DistributionService
from catalog.environments.models import Environment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.providers.blobs import BlobError, open_blobs
from catalog.providers.registries import Access, Place, image_place, package_place
from catalog.providers.registries.npm import package_file
from catalog.providers.registries.oci import OciRegistry
from catalog.providers.scm import FolderLimits, open_repository
from catalog.releases.models import Release
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from workers.sbom_generators import NPM_FILE, Material, MaterialKind, Root
from workers.sbom_program.names import is_read

_TREE = FolderLimits(files=5000, size=64 * 1024 * 1024)
IMAGE_TYPES = frozenset({"oci-image", "oci", "image", "container", "container-image", "docker", "docker-image"})
_NOT_HELD = (
    "Slipway holds no copy of this {type}, and its registry is not one that you have named (slipway sbom add-registry)."
    " Or describe it where it is built and send the document: slipway attest {name} --predicate sbom.json --type"
    " cyclonedx."
)


@dataclass(frozen=True)
class Remote:
    """Something that lies in a registry elsewhere; it is fetched outside of any transaction.

    ``made`` turns the bytes into what a generator is given.
    """

    registry_id: UUID
    fetch: Callable[[], bytes]
    made: Callable[[bytes], Material]


@dataclass(frozen=True)
class Referral:
    """A statement that is to be attached to an image where that lies; ``told`` is the event about the referrer."""

    registry_id: UUID
    refer: Callable[[], str]
    told: Callable[[str], SbomReferred]


@dataclass(frozen=True)
class Job:
    """One artifact to be described: what is wanted, and what to look into or why there is nothing to look into."""

    wanted: Wanted
    material: Material | Remote | Result


class MaterialService:
    """Finds what there is to look into; reads rows, blobs and repositories, writes nothing."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._blobs = open_blobs(settings)
        self._attestations = SupplyChainAttestationService(session, settings)

    def jobs(self, tenant_id: UUID, thing: str) -> Iterator[Job]:
        """Yield the artifacts of a thing; raises ``NotFoundError`` where the tenant has none of that id."""
        area, _, identifier = thing.partition("/")
        if area == "asset-versions":
            yield self._version(AssetService(self._session).version_by_id(tenant_id, UUID(identifier)))
        elif area == "releases":
            yield from self._release(ReleaseService(self._session).get(tenant_id, UUID(identifier)))
        elif area == "environments":
            service = EphemeralEnvironmentService(self._session, self._settings)
            yield from self._environment(service.get(tenant_id, UUID(identifier)))

    def referrals(self, tenant_id: UUID, attestation_id: UUID) -> Iterator[Referral]:
        """Yield the images of the tenant's releases that a statement is about and whose registries take statements."""
        statement = self._attestations.get(tenant_id, attestation_id)
        data, kind = self._attestations.envelope(attestation_id)
        annotations = {"dev.slipway.predicate-type": statement.predicate_type, "dev.slipway.signer": statement.signer}
        releases, seen = ReleaseService(self._session), set[tuple[str, str, str]]()
        for digest in (f"{each.algorithm}:{each.digest}" for each in statement.subjects if each.algorithm == "sha256"):
            for release in releases.with_artifact(tenant_id, digest):
                for artifact in release.artifacts:
                    place = image_place(artifact.get("uri") or artifact["name"])
                    if artifact["digest"] != digest or artifact["type"] not in IMAGE_TYPES or place is None:
                        continue
                    known = self._attestations.registry_access(tenant_id, RegistryKind.OCI, place.host, to_push=True)
                    if known is None or (key := (place.host, place.name, digest)) in seen:
                        continue
                    seen.add(key)
                    yield _referral(known, place, digest, (data, kind, annotations), attestation_id)

    def _release(self, release: Release) -> Iterator[Job]:
        thing, label = f"releases/{release.id}", f"{release.service} {release.version}"
        source = Root(
            release.service,
            release.version,
            PackageURL("generic", None, release.service, release.version).to_string(),
        )
        yield from self._source(
            release.tenant_id, thing, label, source, (release.repository, release.commit), release.created_at
        )
        for artifact in release.artifacts:
            algorithm, _, digest = artifact["digest"].partition(":")
            known = algorithm == "sha256" and self._attestations.sboms_about(release.tenant_id, [digest], limit=1)
            if algorithm == "sha256" and not known:
                wanted = Wanted(thing, artifact["name"], digest, (Subject(artifact["name"], algorithm, digest),))
                yield Job(wanted, self._artifact(release, artifact, digest))

    def _artifact(self, release: Release, artifact: dict[str, str], digest: str) -> Material | Remote | Result:
        """Return the file behind an artifact: where the tenant may download it from us, or from a registry it named."""
        name = artifact["name"]
        try:
            service = DistributionService(self._session, self._blobs)
            content = service.content(release.tenant_id, digest, name)
        except SlipwayError:
            elsewhere = self._elsewhere(release, artifact, digest)
            return elsewhere or Result(MakingState.UNSUPPORTED, _NOT_HELD.format(type=artifact["type"], name=name))
        project, version, *_ = (*name.split("-"), "")
        root = Root(name, version, PackageURL("pypi", None, project, version or None).to_string(), digest)
        return self._material(
            MaterialKind.PACKAGE, {name: content}, root, release.created_at, f"{release.tenant_id}:{digest}"
        )

    def _elsewhere(self, release: Release, artifact: dict[str, str], digest: str) -> Remote | None:
        is_image = artifact["type"] in IMAGE_TYPES
        if not is_image and artifact["type"] != "npm":
            return None
        where = artifact.get("uri") or artifact["name"]
        place = image_place(where) if is_image else package_place(where)
        kind = RegistryKind.OCI if is_image else RegistryKind.NPM
        known = place and self._attestations.registry_access(release.tenant_id, kind, place.host)
        if place is None or not known:
            return None
        registry_id, access = known
        full, serial = f"sha256:{digest}", f"{release.tenant_id}:{digest}"
        if is_image:
            bare = place.name.rpartition("/")[2]
            purl = PackageURL("oci", None, bare, full, {"repository_url": f"{place.host}/{place.name}"}).to_string()
            root = Root(f"{place.host}/{place.name}", full[:19], purl)
            return Remote(
                registry_id,
                lambda: OciRegistry(access, place.name).image(full),
                lambda data: self._material(MaterialKind.IMAGE, {"image.tar": data}, root, release.created_at, serial),
            )
        name, version = npm_name(place.name)
        scope, slash, bare = name.rpartition("/")
        purl = PackageURL("npm", scope if slash else None, bare, version or None).to_string()
        package = Root(name, version, purl, digest)
        return Remote(
            registry_id,
            lambda: package_file(access, place.name, full),
            lambda data: self._material(MaterialKind.NPM, {NPM_FILE: data}, package, release.created_at, serial),
        )

    def _environment(self, environment: Environment) -> Iterator[Job]:
        commit = environment.deployed_sha or environment.head_sha
        purl = PackageURL("generic", "environments", environment.name, commit[:12]).to_string()
        root = Root(environment.name, commit[:12], purl)
        moment = environment.last_deploy_at or now()
        source = (environment.repository, commit)
        thing = f"environments/{environment.id}"
        yield from self._source(environment.tenant_id, thing, environment.name, root, source, moment)

    def _source(
        self, tenant_id: UUID, thing: str, label: str, root: Root, source: tuple[str, str], moment: datetime
    ) -> Iterator[Job]:
        """Describe the files at a commit, about the release or environment that was attested to come from it."""
        itself = self._attestations.itself(tenant_id, thing)
        if itself is None:
            return  # nothing says yet what it is; what will say so starts this again
        repository, commit = source
        try:
            opened = open_repository(repository, self._settings)
            commit = opened.commit(commit)
            files = {path: each.content for path, each in opened.read_folder(commit, "", _TREE).items()}
        except SlipwayError as error:
            wanted = Wanted(thing, label, commit[:64], (itself,))
            detail = f"The sources at {commit[:12]} cannot be looked into: {error.detail}"
            yield Job(wanted, Result(MakingState.UNSUPPORTED, detail))
            return
        subjects = (itself, Subject(f"{label} sources", "gitCommit", commit))
        serial = f"{tenant_id}:{thing}:{itself.digest}:{commit}"
        material = self._material(MaterialKind.TREE, files, root, moment, serial)
        yield Job(Wanted(thing, label, itself.digest, subjects), material)

    @staticmethod
    def _material(
        kind: MaterialKind, files: Mapping[str, bytes], root: Root, created: datetime, serial: str
    ) -> Material:
        return Material(kind, files, root, created, uuid5(NAMESPACE_URL, f"slipway:{serial}"), installed("slipway"))

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


def _referral(
    known: tuple[UUID, Access], place: Place, image: str, statement: tuple[bytes, str, dict[str, str]], about: UUID
) -> Referral:
    registry_id, access = known
    return Referral(
        registry_id,
        lambda: OciRegistry(access, place.name).refer(image, *statement),
        lambda referrer: SbomReferred(
            attestation_id=about, registry=place.host, repository=place.name, image=image, referrer=referrer
        ),
    )


def npm_name(path: str) -> tuple[str, str]:
    """Return name and version out of the path of an npm package file, ``/@scope/name/-/name-1.2.3.tgz``."""
    left, separator, file = path.rpartition("/-/")
    parts = left.strip("/").split("/")
    scoped = len(parts) > 1 and parts[-2].startswith("@")
    name = "/".join(parts[-2:] if scoped else parts[-1:])
    stem = file.rpartition("/")[2].removesuffix(".tgz")
    if not separator or not name:
        return stem or "package", ""
    return name, stem.removeprefix(f"{parts[-1]}-") if stem.startswith(f"{parts[-1]}-") else ""


def _dependency(entry: dict[str, str]) -> tuple[str, str]:
    namespace, _, name = entry["asset"].partition("/")
    return PackageURL("generic", namespace, name).to_string(), entry["version"]
