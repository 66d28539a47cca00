"""Who acts, in which tenant: the value that every service call is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from catalog.errors import ForbiddenError


class Role(StrEnum):
    """What a member may do; each role includes those before it, except that an approver need not publish."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    PUBLISHER = "publisher"
    APPROVER = "approver"
    ADMIN = "admin"


AREAS = (
    *("assets", "policies", "attestations", "releases", "installs", "campaigns", "environments", "proposals"),
    *("approvals", "operations", "tenants", "events", "feeds"),
)
LEVELS = ("read", "write", "admin")
ALL_SCOPES = frozenset(f"{area}:{level}" for area in AREAS for level in LEVELS)

_READ = {f"{area}:read" for area in AREAS if area != "tenants"}
_DELIVER = {
    f"{area}:write" for area in ("environments", "installs", "campaigns", "releases", "attestations", "operations")
}
ROLE_SCOPES: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset(_READ),
    Role.DEVELOPER: frozenset(_READ | _DELIVER),
    Role.PUBLISHER: frozenset(_READ | _DELIVER | {"assets:write"}),
    Role.APPROVER: frozenset(_READ | _DELIVER | {"approvals:write", "proposals:write"}),
    Role.ADMIN: ALL_SCOPES,
}


@dataclass(frozen=True)
class Principal:
    """An authenticated caller: the tenant it acts in, a name for the audit log, and the scopes it holds.

    ``actor`` reads ``member:<id>``, ``token:<id>`` or ``system``; scopes read ``area:read|write|admin``. A caller with
    ``publishes`` (``namespace/name``) may publish that asset and do nothing else; ``origin`` is the CI job behind it.
    """

    tenant_id: UUID
    tenant_name: str
    actor: str
    name: str
    scopes: frozenset[str]
    member_id: UUID | None = None
    publishes: str | None = None
    origin: Mapping[str, str] = field(default_factory=dict)

    def may(self, scope: str) -> bool:
        """Tell whether the caller holds ``scope`` or a stronger one of the same area."""
        area, _, level = scope.partition(":")
        return any(f"{area}:{stronger}" in self.scopes for stronger in LEVELS[LEVELS.index(level) :])

    def require_asset(self, asset: str) -> None:
        """Raise ``ForbiddenError`` where the caller may publish one asset only, and ``asset`` is another."""
        if self.publishes not in {None, asset}:
            raise ForbiddenError(f"This token can publish {self.publishes} only, not {asset}.")

    def require(self, scope: str) -> None:
        """Raise ``ForbiddenError`` naming ``scope`` unless the caller holds it."""
        if not self.may(scope):
            raise ForbiddenError(
                f"This needs the scope {scope}, which {self.name} does not have in {self.tenant_name}."
            )


def system_principal(tenant_id: UUID, tenant_name: str = "") -> Principal:
    """Return the principal under which Slipway itself acts for a tenant."""
    return Principal(tenant_id, tenant_name, actor="system", name="Slipway", scopes=ALL_SCOPES)
