"""The secrets of a tenant: set by its administrators, named by blueprints, given to processes and to nobody else."""

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants import queries
from catalog.tenants.events import SecretRemoved, SecretSet
from catalog.tenants.models import SecretRead, SetSecret, TenantSecret
from catalog.tenants.service import TenantService

MOST = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class SecretService:
    """What may be asked of a tenant's secrets; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def names(self, principal: Principal) -> list[SecretRead]:
        """Return the tenant's secrets by name, without their values."""
        principal.require("environments:read")
        return [_read(each) for each in queries.secrets(self._session, principal.tenant_id)]

    def set(self, principal: Principal, name: str, asked: SetSecret) -> SecretRead:
        """Give a secret its value; environments get it with their next deployment.

        Raises ``InvalidInputError`` for what is no name, ``ConflictError`` where there are too many.
        """
        principal.require("tenants:admin")
        if not _NAME.fullmatch(name):
            detail = "A name has at most 63 letters, digits and underscores, and does not begin with a digit."
            raise InvalidInputError(detail, [FieldError("/name", detail)])
        row = queries.secret(self._session, principal.tenant_id, name)
        if row is None:
            if len(queries.secrets(self._session, principal.tenant_id)) >= MOST:
                raise ConflictError(f"There are {MOST} secrets already. Remove one first.")
            row = TenantSecret(tenant_id=principal.tenant_id, name=name, sealed="", set_by=principal.name)
        row.sealed = SecretBox(self._settings).seal(_purpose(row), asked.value.get_secret_value())
        row.blueprints, row.set_by, row.set_at = list(asked.blueprints), principal.name, now()
        self._session.add(row)
        self._session.flush()
        self._tell(principal, "secret.set", row, SecretSet(secret_id=row.id, name=name))
        return _read(row)

    def remove(self, principal: Principal, name: str) -> None:
        """Forget a secret; raise ``NotFoundError`` where there is none."""
        principal.require("tenants:admin")
        row = queries.secret(self._session, principal.tenant_id, name)
        if row is None:
            raise NotFoundError(f"There is no secret {name[:80]}.")
        self._tell(principal, "secret.remove", row, SecretRemoved(secret_id=row.id, name=name))
        self._session.delete(row)
        self._session.flush()

    def check(self, tenant_id: UUID, names: Collection[str], blueprint: str, *, own: bool) -> None:
        """Raise ``InvalidInputError`` unless a blueprint may have all these secrets; ``own``: it is the tenant's."""
        known = {each.name: each for each in queries.secrets(self._session, tenant_id)}
        for name in sorted(names):
            row = known.get(name)
            if row is not None and (own or any(fnmatchcase(blueprint, pattern) for pattern in row.blueprints)):
                continue
            # Whether there is one that it may not have is told in the same words to nobody but its own tenant.
            fix = f"Have an administrator run: slipway secret set {name}"
            fix += "" if own else f" --blueprint {blueprint}"
            detail = f"{blueprint} takes the secret {name}, which is not there for it. {fix}"
            raise InvalidInputError(detail, [FieldError("/blueprint", detail)])

    def opened(self, tenant_id: UUID, names: Collection[str]) -> dict[str, str]:
        """Return the values of those that are there; for workers, never for readers."""
        if not names:
            return {}
        box = SecretBox(self._settings)
        rows = queries.secrets(self._session, tenant_id)
        return {each.name: str(box.open(_purpose(each), each.sealed)) for each in rows if each.name in names}

    def _tell(self, principal: Principal, action: str, row: TenantSecret, data: EventData) -> None:
        subject = f"secrets/{row.name}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        detail = {"name": row.name}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, action, subject, detail)


def _read(row: TenantSecret) -> SecretRead:
    return SecretRead(name=row.name, blueprints=row.blueprints, set_by=row.set_by, set_at=row.set_at)


def _purpose(row: TenantSecret) -> str:
    return f"tenant-secrets/{row.id}"
