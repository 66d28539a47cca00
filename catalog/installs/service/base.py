"""What every part of the service stands on: rows found or refused, secrets opened, events told."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.installs import queries, rules
from catalog.installs.errors import InstallNotFoundError
from catalog.installs.models import Install, InstallPlan, InstallRevision, InstallSecret
from catalog.operations.service import OperationService
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.stacks.graph import texts_in


class Base:
    """One unit of work on installs; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._assets = AssetService(session)
        self._operations = OperationService(session)

    def _install(self, tenant_id: UUID, install_id: UUID, *, lock: bool = False) -> Install:
        found = queries.install(self._session, tenant_id, install_id, lock=lock)
        if found is None:
            raise InstallNotFoundError(f"There is no install {install_id}.")
        return found

    def _plan(self, tenant_id: UUID, plan_id: UUID, *, lock: bool = False) -> InstallPlan:
        found = queries.plan(self._session, tenant_id, plan_id, lock=lock)
        if found is None:
            raise InstallNotFoundError(f"There is no plan {plan_id}.")
        return found

    def _revision(self, tenant_id: UUID, install_id: UUID, number: int) -> InstallRevision:
        found = queries.revision(self._session, tenant_id, install_id, number)
        if found is None:
            raise InstallNotFoundError(f"The install has no revision {number}.")
        return found

    def _base(self, plan: InstallPlan) -> InstallRevision | None:
        if plan.install_id is None or plan.base_revision is None:
            return None
        return self._revision(plan.tenant_id, plan.install_id, plan.base_revision)

    def _applied(self, plan: InstallPlan) -> InstallRevision | None:
        """Return the revision that is there now, None where nothing is."""
        install = None if plan.install_id is None else self._install(plan.tenant_id, plan.install_id)
        if install is None or install.applied_revision is None:
            return None
        return self._revision(plan.tenant_id, install.id, install.applied_revision)

    def _opened(self, tenant_id: UUID, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs with the values of their secrets; never for readers."""
        opened: dict[str, Any] = rules.opened(dict(values), self._unsealed(tenant_id, values))
        return opened

    def _secrets_in(self, tenant_id: UUID, values: Mapping[str, Any]) -> list[str]:
        """Return the texts of the secrets that inputs name; never for readers."""
        return list(texts_in(list(self._unsealed(tenant_id, values).values())))

    def _unsealed(self, tenant_id: UUID, values: Mapping[str, Any]) -> dict[UUID, Any]:
        wanted = list(rules.references(values))
        if not wanted:
            return {}
        box = SecretBox(self._settings)
        sealed = queries.secrets(self._session, tenant_id, wanted)
        return {each.id: box.open(_purpose(each.id), each.sealed) for each in sealed}

    def _seal(self, tenant_id: UUID, value: Any) -> dict[str, str]:
        secret = InstallSecret(tenant_id=tenant_id, sealed="")
        secret.sealed = SecretBox(self._settings).seal(_purpose(secret.id), value)
        self._session.add(secret)
        return rules.secret_reference(secret.id)

    def _touch(self, install: Install) -> None:
        install.changed_at = now()
        self._session.add(install)
        self._session.flush()

    def _tell(self, tenant_id: UUID, subject: str, data: EventData, actor: str) -> None:
        outbox.append(self._session, data, tenant_id=tenant_id, subject=subject, actor=actor)


def stamp(install: Install) -> dict[str, Any]:
    """Return what every event of an install says."""
    return {"install_id": install.id, "name": install.name, "asset": install.asset}


def subject_of(install_id: UUID) -> str:
    """Return how events, operations and uses name an install."""
    return f"installs/{install_id}"


def _purpose(secret_id: UUID) -> str:
    return f"install-secrets/{secret_id}"
