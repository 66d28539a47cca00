"""ReleaseService: what a tenant ships, and the versions of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import GatePoint, pass_gate, verdict_summary
from catalog.releases import queries
from catalog.releases.errors import ReleaseExistsError, ServiceElsewhereError
from catalog.releases.events import ReleaseCreated, ServiceRecorded
from catalog.releases.models import CreateRelease, Release, ReleaseRead, Service
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


class Shown(Protocol):
    """What a release takes from the environment that it is made from."""

    @property
    def repository(self) -> str:
        """The repository that the environment shows."""
        ...

    @property
    def deployed_sha(self) -> str | None:
        """The commit that answers there, None where nothing was deployed yet."""
        ...


class Environments(Protocol):
    """Where environments are looked up; their area stands above this one."""

    def get(self, tenant_id: UUID, environment_id: UUID) -> Shown:
        """Return an environment; raise ``NotFoundError`` where the tenant has none of that id."""
        ...


class ReleaseService:
    """One unit of work on services and releases; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, principal: Principal, asked: CreateRelease, environments: Environments) -> tuple[Release, bool]:
        """Record a release, and tell whether it is new: the same content again gives the same release.

        Raises ``InvalidInputError`` naming the fields at fault, ``ReleaseExistsError`` for other content under the
        same version, ``ServiceElsewhereError``, or ``PolicyRefusedError`` where policies do not let it through.
        """
        principal.require("releases:write")
        repository, commit = self._source(principal.tenant_id, asked, environments)
        service = self._service(principal, asked, repository)
        release = Release(
            tenant_id=principal.tenant_id,
            service_id=service.id,
            service=service.name,
            version=asked.version,
            repository=service.repository,
            commit=commit,
            environment_id=asked.environment,
            pipeline=asked.pipeline,
            artifacts=[each.model_dump(mode="json") for each in asked.artifacts],
            notes=asked.notes,
            created_by=principal.name,
        )
        found = queries.by_version(self._session, principal.tenant_id, service.id, asked.version)
        if found is not None:
            if _content(found) != _content(release):
                raise ReleaseExistsError(
                    f"{service.name} {asked.version} was released before with other content. "
                    "A release never changes: raise the version."
                )
            return found, False
        self._session.add(release)
        self._session.flush()
        subject = f"releases/{release.id}"
        verdict = pass_gate(self._session, principal.tenant_id, GatePoint.RELEASE, subject, principal.actor)
        release.verdict = verdict_summary(verdict)
        self._session.add(release)
        self._tell(release, principal)
        return release, True

    def get(self, tenant_id: UUID, release_id: UUID) -> Release:
        """Return a release; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.by_id(self._session, tenant_id, release_id)
        if found is None:
            raise NotFoundError(f"There is no release {release_id}.")
        return found

    def service_of(self, release: Release) -> Service:
        """Return what the release is a version of."""
        found = queries.service_by_id(self._session, release.tenant_id, release.service_id)
        if found is None:
            raise NotFoundError(f"There is no service {release.service}.")
        return found

    def services(self, tenant_id: UUID) -> Sequence[Service]:
        """Return what the tenant ships, by name."""
        return queries.services(self._session, tenant_id)

    def named(self, tenant_id: UUID, name: str) -> Service | None:
        """Return what the tenant ships under a name, None where there is nothing."""
        return next((each for each in queries.services(self._session, tenant_id) if each.name == name), None)

    def built_from(self, tenant_id: UUID, repository: str) -> Service | None:
        """Return what the tenant ships from a repository; of several the first by name, None where nothing is."""
        return next(
            (each for each in queries.services(self._session, tenant_id) if each.repository == repository), None
        )

    def page(
        self,
        tenant_id: UUID,
        service: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> Sequence[Release]:
        """Return releases, newest first; ``before`` is the creation time and id of the last one already seen."""
        return queries.page(self._session, tenant_id, service, before, limit)

    def with_artifact(self, tenant_id: UUID, digest: str) -> Sequence[Release]:
        """Return the releases that contain an artifact, newest first; ``digest`` reads ``sha256:...``."""
        return queries.with_artifact(self._session, tenant_id, digest)

    def _source(self, tenant_id: UUID, asked: CreateRelease, environments: Environments) -> tuple[str | None, str]:
        """Return repository (None where the service says) and commit."""
        if asked.environment is None:
            if asked.commit is None:
                detail = "Give the commit that was built, or the environment that shows it."
                raise InvalidInputError(detail, [FieldError("/commit", detail)])
            return asked.repository, asked.commit
        try:
            shown = environments.get(tenant_id, asked.environment)
        except NotFoundError as error:
            raise InvalidInputError(error.detail, [FieldError("/environment", error.detail)]) from None
        if shown.deployed_sha is None:
            detail = "Nothing has been deployed in this environment yet."
            raise InvalidInputError(detail, [FieldError("/environment", detail)])
        if asked.commit is not None and not shown.deployed_sha.startswith(asked.commit):
            detail = f"The environment shows {shown.deployed_sha[:12]}, another commit."
            raise InvalidInputError(detail, [FieldError("/commit", detail)])
        return shown.repository, shown.deployed_sha

    def _service(self, principal: Principal, asked: CreateRelease, repository: str | None) -> Service:
        found = queries.service_by_name(self._session, principal.tenant_id, asked.service)
        if found is None:
            if repository is None:
                detail = "Give the repository: this is the first release of the service."
                raise InvalidInputError(detail, [FieldError("/repository", detail)])
            found = Service(tenant_id=principal.tenant_id, name=asked.service, repository=repository)
            self._session.add(found)
            self._session.flush()
            data = ServiceRecorded(service_id=found.id, name=found.name, repository=repository)
            self._append(principal, f"services/{found.id}", data)
        elif repository is not None and repository != found.repository:
            raise ServiceElsewhereError(
                f"{found.name} is built from {found.repository}, not from {repository}. Use another name."
            )
        found.owner = found.owner if asked.owner is None else asked.owner
        found.labels = found.labels if asked.labels is None else dict(asked.labels)
        self._session.add(found)
        self._session.flush()
        return found

    def _tell(self, release: Release, principal: Principal) -> None:
        subject = f"releases/{release.id}"
        data = ReleaseCreated(
            release_id=release.id,
            service_id=release.service_id,
            service=release.service,
            version=release.version,
            commit=release.commit,
            environment_id=release.environment_id,
            digests=[each["digest"] for each in release.artifacts],
        )
        self._append(principal, subject, data)
        detail = {"service": release.service, "version": release.version}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "release.create", subject, detail)

    def _append(self, principal: Principal, subject: str, data: EventData) -> None:
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)


def read(release: Release) -> ReleaseRead:
    """Return the release as others read it."""
    return ReleaseRead.model_validate(release)


def _content(release: Release) -> tuple[object, ...]:
    artifacts = sorted((each["name"], each["type"], each["digest"]) for each in release.artifacts)
    return release.repository, release.commit, release.environment_id, artifacts
