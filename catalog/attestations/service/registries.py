"""Registries elsewhere that a tenant has named: what its artifacts are looked up in, and with which credential."""

from collections.abc import Sequence
from uuid import UUID

from catalog.attestations import queries
from catalog.attestations.sbom_events import ArtifactRegistryAdded, ArtifactRegistryRemoved, SbomReferred
from catalog.attestations.sboms import queries as sbom_queries
from catalog.attestations.sboms.models import ArtifactRegistry, RegistryKind
from catalog.attestations.sboms.shapes import AddRegistry, RegistryRead
from catalog.attestations.service.base import Base
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.registries import Access
from catalog.secrets import SecretBox
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

MOST_REGISTRIES = 50


class Registries(Base):
    """Nothing is fetched from, or told to, a registry that the tenant has not named."""

    def add_registry(self, principal: Principal, asked: AddRegistry) -> RegistryRead:
        """Let a registry be asked; one that is there already gets the new credential.

        Raises ``ConflictError`` where there are too many, and ``InvalidInputError`` for what does not go together.
        """
        principal.require("attestations:admin")
        secret = "" if asked.secret is None else asked.secret.get_secret_value()
        if asked.may_push and (asked.kind is not RegistryKind.OCI or not secret):
            detail = "Only an OCI registry takes statements, and only from somebody whom it knows: give a secret."
            raise InvalidInputError(detail, [FieldError("/may_push", detail)])
        queries.lock(self._session, principal.tenant_id, "artifact-registries")
        known = sbom_queries.registries(self._session, principal.tenant_id)
        host = asked.host.lower()
        row = next((each for each in known if (each.kind, each.host) == (asked.kind, host)), None)
        if row is None:
            if len(known) >= MOST_REGISTRIES:
                raise ConflictError(f"There are {MOST_REGISTRIES} registries already; remove one first.")
            row = ArtifactRegistry(tenant_id=principal.tenant_id, kind=asked.kind, host=host, created_by=principal.name)
        row.username, row.may_push, row.problem = asked.username, asked.may_push, ""
        row.sealed_secret = SecretBox(self._settings).seal(_purpose(row), secret) if secret else ""
        self._session.add(row)
        self._session.flush()
        data = ArtifactRegistryAdded(registry_id=row.id, kind=row.kind, host=row.host, may_push=row.may_push)
        self._tell_of_registry(principal, "artifact_registry.add", row, data)
        return read_registry(row)

    def registries(self, tenant_id: UUID) -> list[RegistryRead]:
        """Return the registries that may be asked, by host."""
        return [read_registry(each) for each in sbom_queries.registries(self._session, tenant_id)]

    def remove_registry(self, principal: Principal, registry_id: UUID) -> None:
        """Let a registry no longer be asked, and forget its credential."""
        principal.require("attestations:admin")
        row = self._registry(principal.tenant_id, registry_id)
        data = ArtifactRegistryRemoved(registry_id=row.id, kind=row.kind, host=row.host)
        self._tell_of_registry(principal, "artifact_registry.remove", row, data)
        self._session.delete(row)
        self._session.flush()

    def registry_access(
        self, tenant_id: UUID, kind: RegistryKind, host: str, *, to_push: bool = False
    ) -> tuple[UUID, Access] | None:
        """Return how workers reach a registry, None where the tenant has not named it (or lets nothing be pushed)."""
        found = sbom_queries.registries(self._session, tenant_id)
        row = next((each for each in found if (each.kind, each.host) == (kind, host)), None)
        if row is None or (to_push and not row.may_push):
            return None
        secret = SecretBox(self._settings).open(_purpose(row), row.sealed_secret) if row.sealed_secret else ""
        return row.id, Access(row.host, self._settings, row.username, str(secret))

    def note_registry(self, tenant_id: UUID, registry_id: UUID, problem: str = "") -> None:
        """Write down that a registry was asked, and what it refused; one that was removed meanwhile is left alone."""
        found = sbom_queries.registries(self._session, tenant_id)
        for row in found:
            if row.id == registry_id:
                row.used_at, row.problem = now(), problem[:500]
                self._session.add(row)

    def note_referrer(self, principal: Principal, data: SbomReferred) -> None:
        """Tell that a statement is attached to an image where that lies."""
        subject = f"attestations/{data.attestation_id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)

    def _registry(self, tenant_id: UUID, registry_id: UUID) -> ArtifactRegistry:
        found: Sequence[ArtifactRegistry] = sbom_queries.registries(self._session, tenant_id)
        row = next((each for each in found if each.id == registry_id), None)
        if row is None:
            raise NotFoundError(f"There is no registry {registry_id}.")
        return row

    def _tell_of_registry(self, principal: Principal, action: str, row: ArtifactRegistry, data: EventData) -> None:
        subject = f"sboms/registries/{row.id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        detail = {"kind": str(row.kind), "host": row.host}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, action, subject, detail)


def read_registry(row: ArtifactRegistry) -> RegistryRead:
    """Return a registry as others read it."""
    return RegistryRead(**row.model_dump(exclude={"tenant_id", "sealed_secret"}), has_secret=bool(row.sealed_secret))


def _purpose(row: ArtifactRegistry) -> str:
    return f"artifact-registries/{row.id}"
