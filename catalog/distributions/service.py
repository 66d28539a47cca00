"""DistributionService: which wheel stands for which project, and what an index shows of it to one tenant."""

import io
from collections.abc import Sequence
from fnmatch import fnmatchcase
from uuid import UUID

from packaging.utils import canonicalize_name
from sqlmodel import Session

from catalog.assets.models import AssetVersion
from catalog.assets.package import Package
from catalog.assets.service import AssetService
from catalog.assets.versions import parse_version
from catalog.distributions import queries, rules
from catalog.distributions.errors import FileUnavailableError, NoSuchProjectError, ProjectTakenError
from catalog.distributions.models import Distribution, ProjectPage
from catalog.distributions.wheels import Wheel, read_wheel
from catalog.providers.blobs import BlobError, BlobStore
from catalog.tenancy import Principal

KIND = "component-package"


class DistributionService:
    """One unit of work on wheels; everything but the stored bytes happens in the session's transaction."""

    def __init__(self, session: Session, blobs: BlobStore) -> None:
        self._session = session
        self._blobs = blobs

    def register(self, principal: Principal, version: AssetVersion, package: Package) -> Distribution | None:
        """Let the wheel of a version be found; once it is, doing so again changes nothing.

        Returns None where the version's kind has no wheel. Raises ``WheelRefusedError``, or ``ProjectTakenError``
        where another asset of the tenant has the wheel's project name.
        """
        if version.kind != KIND:
            return None
        found = queries.file_of_version(self._session, principal.tenant_id, version.id)
        return found or self.add(principal.tenant_id, version, package)

    def add(self, tenant_id: UUID, version: AssetVersion, package: Package) -> Distribution | None:
        """Let the wheel of a version be found that is new in this transaction; returns and raises as `register`."""
        if version.kind != KIND:
            return None
        pattern = package.document.value["spec"]["wheel"]
        path = next(each for each in package.archive.under("content/dist") if fnmatchcase(each, pattern))
        data = package.archive.read(path)
        wheel = read_wheel(path.rpartition("/")[2], data)
        self._claim(tenant_id, version, wheel)
        try:
            stored = self._blobs.write(io.BytesIO(data))
        except BlobError as error:
            raise FileUnavailableError(f"The wheel could not be stored: {error}. Try again later.") from None
        row = Distribution(
            tenant_id=tenant_id,
            project=wheel.project,
            version_id=version.id,
            filename=wheel.filename,
            version=version.version,
            requires_python=wheel.requires_python,
            blob_digest=stored.digest,
            size=stored.size,
            core=wheel.core,
            core_digest=wheel.core_digest,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def _claim(self, tenant_id: UUID, version: AssetVersion, wheel: Wheel) -> None:
        # A conflict is no error here, so that of two first versions at once the second waits and is then told why.
        if queries.claim_free(self._session, tenant_id, version.asset_id, wheel.project):
            return
        found = queries.claim(self._session, tenant_id, wheel.project)
        if found is None or found.asset_id != version.asset_id:
            raise ProjectTakenError(
                f"The project name {wheel.project} belongs to another of your assets. One project name stands for "
                "one asset: give the wheel another name, or publish it as a version of that asset."
            )

    def own_file(self, tenant_id: UUID, filename: str) -> Distribution | None:
        """Return the tenant's own file of that name, in whichever state."""
        return queries.own_file(self._session, tenant_id, filename)

    def claimed_by(self, tenant_id: UUID, project: str) -> UUID | None:
        """Return the id of the tenant's own asset that stands for a project name."""
        found = queries.claim(self._session, tenant_id, canonicalize_name(project))
        return found.asset_id if found else None

    def projects(self, tenant_id: UUID) -> Sequence[str]:
        """Return the names of the projects that the tenant may see and its own catalog offers, sorted."""
        view = AssetService(self._session).catalog_view(tenant_id)
        if view.decides_nothing:
            return queries.project_names(self._session, tenant_id)
        found = queries.standings(self._session, tenant_id)
        return sorted(project for project, (namespace, name) in found.items() if view.offers(namespace, name))

    def project(self, tenant_id: UUID, name: str) -> ProjectPage:
        """Return a project as the tenant sees it, all of it from one publisher; raise ``NoSuchProjectError``.

        Where several publishers claim the name, the tenant's own asset stands for it, then one shared with it, then
        one that comes with the product, then the public one that has been public for longest.
        """
        project = canonicalize_name(name)
        found = queries.standing_for(self._session, tenant_id, project)
        if found is None:
            raise NoSuchProjectError("There is no project of that name.")
        owner, asset = found
        namespace, _, asset_name = asset.partition("/")
        view = AssetService(self._session).catalog_view(tenant_id)
        # Nobody else may step in for an asset that the tenant's own catalog hides: the name is not there at all.
        if not view.offers(namespace, asset_name):
            raise NoSuchProjectError("There is no project of that name.")
        rows = [
            row
            for row in queries.files(self._session, owner, project)
            if view.allows(namespace, asset_name, parse_version(row.version))
        ]
        status, reason = rules.status(rows)
        files = tuple(each for each in map(rules.listed, rows) if each is not None)
        return ProjectPage(project, owner, asset, status, reason, files)

    def file(self, tenant_id: UUID, digest: str, filename: str) -> Distribution:
        """Return a file that the tenant may download, without its METADATA.

        Raises ``NoSuchProjectError``, for one in quarantine as for one that is not there.
        """
        found = queries.file(self._session, tenant_id, digest, filename)
        if found is None or not rules.is_handed_out(found[1]):
            raise NoSuchProjectError("There is no file of that name.")
        return found[0]

    def content(self, tenant_id: UUID, digest: str, filename: str) -> bytes:
        """Return a file's bytes, whose digest was compared while reading.

        Raises ``NoSuchProjectError`` as `file` does, or ``FileUnavailableError``.
        """
        found = self.file(tenant_id, digest, filename)
        try:
            return self._blobs.read(found.blob_digest)
        except BlobError as error:
            raise FileUnavailableError(f"{found.filename} cannot be served: {error}") from None

    def core(self, tenant_id: UUID, digest: str, filename: str) -> bytes:
        """Return the METADATA of a file, byte for byte; raise ``NoSuchProjectError`` as `file` does."""
        found = queries.core(self._session, self.file(tenant_id, digest, filename).id)
        if found is None:
            raise NoSuchProjectError("There is no file of that name.")
        return found
