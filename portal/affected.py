"""Who is hit when a version changes: its uses, with the service and the owner that each belongs to."""

from collections.abc import Mapping
from uuid import UUID

from sqlmodel import Session

from catalog.assets.models import Affected
from catalog.assets.service import AssetService
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.installs.models import Install
from catalog.installs.service import InstallService
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal

_LIVING = tuple(each for each in Phase if each is not Phase.DESTROYED)
_MOST = 500

Belonging = Mapping[str, tuple[str, str]]
"""Service and owner by the subject of a use."""


def affected_by(
    session: Session, settings: Settings, principal: Principal, asset: tuple[str, str], version: str | None = None
) -> Affected:
    """Return who uses an asset (namespace and name), in one version or any, as far as the caller may know.

    Raises ``AssetNotFoundError``. What a caller may not read (installs, environments) is named without what it
    belongs to.
    """
    found = AssetService(session).used_by(principal.tenant_id, *asset, version)
    return with_owners(session, settings, principal, found)


def with_owners(session: Session, settings: Settings, principal: Principal, found: Affected) -> Affected:
    """Return the same with the service and the owner of each use."""
    belongs: dict[str, tuple[str, str]] = {}
    subjects = {each.subject for each in found.uses}
    if principal.may("installs:read") and any(each.startswith("installs/") for each in subjects):
        belongs |= _installs(session, settings, principal, subjects)
    if principal.may("environments:read") and any(each.startswith("environments/") for each in subjects):
        belongs |= _environments(session, settings, principal)
    uses = []
    for each in found.uses:
        service, owner = belongs.get(each.subject, ("", ""))
        uses.append(each.model_copy(update={"service": service, "owner": owner}))
    names = {"owners": {each.owner for each in uses}, "services": {each.service for each in uses}}
    listed = {name: sorted(values - {""}) for name, values in names.items()}
    return found.model_copy(update={"uses": uses, **listed})


def _installs(session: Session, settings: Settings, principal: Principal, subjects: set[str]) -> Belonging:
    ids = [UUID(each.removeprefix("installs/")) for each in sorted(subjects) if each.startswith("installs/")]
    rows = InstallService(session, settings).several(principal.tenant_id, ids)
    return {f"installs/{each.id}": (_service(each), each.owner) for each in rows}


def _environments(session: Session, settings: Settings, principal: Principal) -> Belonging:
    """Return service and owner of environments: of the service that is built from their repository."""
    rows = EphemeralEnvironmentService(session, settings).page(principal.tenant_id, _LIVING, limit=_MOST)
    services = ReleaseService(session).services(principal.tenant_id) if principal.may("releases:read") else ()
    built = {each.repository: (each.name, each.owner) for each in services}
    return {f"environments/{each.id}": built.get(each.repository, ("", "")) for each in rows}


def _service(install: Install) -> str:
    target = install.target
    scope = target.get("applies_to") or {}
    return str(target.get("service") or (scope.get("name") if scope.get("kind") == "service" else "") or "")
