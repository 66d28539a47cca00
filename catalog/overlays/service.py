"""OverlayService: what a tenant narrows of an asset's inputs, laid over every version and checked anew for each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col

from catalog.assets.errors import AssetNotFoundError, VersionNotSelectableError
from catalog.assets.life import SELECTABLE
from catalog.assets.models import AssetVersion, AssetVersionRead
from catalog.assets.rules import latest
from catalog.assets.service import LATEST, AssetService
from catalog.clock import now
from catalog.errors import ConflictError, FieldError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.overlays import queries
from catalog.overlays.errors import OverlayNotFoundError, OverlayRefusedError
from catalog.overlays.events import OverlayChanged, OverlayConflicted, OverlayMisfit
from catalog.overlays.fitting import Fitted, fit
from catalog.overlays.models import (
    FitRead,
    MisfitRead,
    NarrowedInputs,
    Overlay,
    OverlayChange,
    OverlayChangeRead,
    OverlayCheck,
    OverlayRead,
    Rule,
    SetOverlay,
)
from catalog.overlays.narrowing import Misfit
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

MOST_VERSIONS = 25
"""How many of the newest versions an overlay is shown against; any other is checked when somebody asks for it."""


class OverlayService:
    """One unit of work on overlays; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._assets = AssetService(session)

    def over(self, tenant_id: UUID, version: AssetVersion | AssetVersionRead) -> Fitted:
        """Return a version's inputs as the tenant narrows them; the version may belong to any publisher."""
        path = f"{version.namespace}/{version.name}"
        schema = version.input_schema or {}
        asset_id = self._assets.get_id(tenant_id, version.namespace, version.name)
        row = queries.overlay(self._session, tenant_id, asset_id)
        if row is None:
            return fit(path, version.version, schema, (), None)
        return fit(path, version.version, schema, _rules(row.rules), row.revision)

    def get(self, tenant_id: UUID, namespace: str, name: str) -> OverlayRead:
        """Return the overlay on an asset, with how it fits; raise ``OverlayNotFoundError`` where there is none."""
        row = self._row(tenant_id, namespace, name)
        return self._read(tenant_id, row, namespace, name)

    def find(self, tenant_id: UUID, namespace: str, name: str) -> OverlayRead | None:
        """Return the overlay on an asset, None where the tenant narrows nothing of it."""
        row = queries.overlay(self._session, tenant_id, self._assets.get_id(tenant_id, namespace, name))
        return None if row is None else self._read(tenant_id, row, namespace, name)

    def page(self, tenant_id: UUID, after: tuple[str, str] | None, limit: int) -> list[OverlayRead]:
        """Return overlays of the tenant, by asset, each with how it fits; ``after`` is namespace and name."""
        return [
            self._read(tenant_id, row, asset.namespace, asset.name)
            for row, asset in queries.overlays(self._session, tenant_id, after, limit)
        ]

    def history(self, tenant_id: UUID, namespace: str, name: str) -> list[OverlayChangeRead]:
        """Return the changes of the overlay on an asset, newest first; they stay when it is removed."""
        asset_id = self._assets.get_id(tenant_id, namespace, name)
        return [OverlayChangeRead.model_validate(row) for row in queries.changes(self._session, tenant_id, asset_id)]

    def narrowed(self, tenant_id: UUID, namespace: str, name: str, version: str = LATEST) -> NarrowedInputs:
        """Return what members may give to one version."""
        found = self.over(tenant_id, self._assets.version(tenant_id, namespace, name, version))
        return NarrowedInputs(
            version=found.version,
            revision=found.revision,
            input_schema=dict(found.original if found.misfits else found.schema),
            rules=[each.as_json() for each in found.rules],
            fits=not found.misfits,
            misfits=_misfits(found.misfits),
        )

    def check(self, tenant_id: UUID, namespace: str, name: str, wanted: SetOverlay) -> list[FitRead]:
        """Return how rules would fit the newest versions, and the one they are proven against; nothing is written."""
        path = f"{namespace}/{name}"
        versions = self._versions(tenant_id, namespace, name)
        if wanted.version is not None:
            chosen = self._assets.version(tenant_id, namespace, name, wanted.version)
            versions = [chosen, *(each for each in versions if each.id != chosen.id)]
        return [_fit(fit(path, each.version, each.input_schema or {}, wanted.rules, None)) for each in versions]

    def put(self, principal: Principal, namespace: str, name: str, wanted: SetOverlay) -> OverlayRead:
        """Narrow an asset's inputs from now on.

        Raises ``OverlayRefusedError`` for each rule that is not shown to allow less than the version it is proven
        against, and ``ConflictError`` where somebody else has changed the overlay meanwhile. Other versions that it
        does not fit are named in the answer; nobody gets them.
        """
        principal.require("assets:admin")
        tenant_id = principal.tenant_id
        version = self._against(tenant_id, namespace, name, wanted.version)
        fitted = fit(f"{namespace}/{name}", version.version, version.input_schema or {}, wanted.rules, None)
        if fitted.misfits:
            errors = [
                FieldError(f"/rules/{each.rule}", f"{each.pointer}: {each.detail} {each.fix}")
                for each in fitted.misfits
            ]
            detail = f"These rules do not narrow what {fitted.asset} {fitted.version} takes: see each of them."
            raise OverlayRefusedError(detail, errors)
        queries.hold(self._session, tenant_id, version.asset_id)
        row = queries.overlay(self._session, tenant_id, version.asset_id)
        self._hold_to(row, wanted.revision)
        rules = [each.as_json() for each in wanted.rules]
        if row is not None and row.rules == rules:
            return self._read(tenant_id, row, namespace, name)
        revision = queries.last_revision(self._session, tenant_id, version.asset_id) + 1
        row = row or Overlay(
            tenant_id=tenant_id, asset_id=version.asset_id, revision=revision, changed_by=principal.name
        )
        row.rules, row.revision, row.changed_by, row.changed_at = rules, revision, principal.name, now()
        self._session.add(row)
        self._record(principal, row.asset_id, f"{namespace}/{name}", revision, wanted.rules)
        for found in self._versions(tenant_id, namespace, name):
            self._look(row, found)
        self._session.flush()
        return self._read(tenant_id, row, namespace, name)

    def remove(self, principal: Principal, namespace: str, name: str, revision: int | None = None) -> None:
        """Let members give what the publisher lets them; raise ``OverlayNotFoundError`` where nothing is narrowed."""
        principal.require("assets:admin")
        row = self._row(principal.tenant_id, namespace, name)
        queries.hold(self._session, principal.tenant_id, row.asset_id)
        self._hold_to(row, revision)
        self._session.execute(
            delete(Overlay).where(col(Overlay.tenant_id) == principal.tenant_id, col(Overlay.asset_id) == row.asset_id)
        )
        number = queries.last_revision(self._session, principal.tenant_id, row.asset_id) + 1
        self._record(principal, row.asset_id, f"{namespace}/{name}", number, ())

    def recheck(self, tenant_id: UUID, namespace: str, name: str) -> list[str]:
        """Look at versions that were not looked at yet, and tell of each that does not fit; return which."""
        try:
            row = self._row(tenant_id, namespace, name)
        except (OverlayNotFoundError, AssetNotFoundError):
            return []
        queries.hold(self._session, tenant_id, row.asset_id)
        known = queries.checked(self._session, tenant_id, row.asset_id, row.revision)
        told = []
        for version in self._versions(tenant_id, namespace, name):
            if version.id in known:
                continue
            misfits = self._look(row, version)
            if misfits:
                told.append(version.version)
                data = OverlayConflicted(
                    asset=f"{namespace}/{name}",
                    version_id=version.id,
                    version=version.version,
                    revision=row.revision,
                    misfits=[OverlayMisfit(pointer=each.pointer, detail=each.detail) for each in misfits],
                )
                self._tell(tenant_id, row.asset_id, data, "system")
        return told

    @staticmethod
    def tenants_with(session: Session, asset_id: UUID) -> list[UUID]:
        """Return the tenants that narrow an asset; for a session of the system role."""
        return queries.tenants_with(session, asset_id)

    def _row(self, tenant_id: UUID, namespace: str, name: str) -> Overlay:
        row = queries.overlay(self._session, tenant_id, self._assets.get_id(tenant_id, namespace, name))
        if row is None:
            raise OverlayNotFoundError(f"Your tenant narrows nothing of {namespace}/{name}.")
        return row

    def _read(self, tenant_id: UUID, row: Overlay, namespace: str, name: str) -> OverlayRead:
        path, rules = f"{namespace}/{name}", _rules(row.rules)
        # Neither a version nor a revision ever changes, so what was found of both once is not proven again.
        known = queries.checked(self._session, tenant_id, row.asset_id, row.revision)
        fits = [
            _found_before(each.version, known[each.id])
            if each.id in known
            else _fit(fit(path, each.version, each.input_schema or {}, rules, row.revision))
            for each in self._versions(tenant_id, namespace, name)
        ]
        return OverlayRead(
            namespace=namespace,
            name=name,
            revision=row.revision,
            rules=row.rules,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
            versions=fits,
        )

    def _versions(self, tenant_id: UUID, namespace: str, name: str) -> list[AssetVersion]:
        """Return the newest versions that the tenant may choose, newest first."""
        try:
            found = self._assets.choosable(tenant_id, namespace, name)
        except VersionNotSelectableError:
            return []
        numbers = sorted((each.number for each in found if each.state in SELECTABLE), reverse=True)[:MOST_VERSIONS]
        asset_id = self._assets.get_id(tenant_id, namespace, name)
        rows = self._assets.versions_named(tenant_id, asset_id, [each.canonical for each in numbers])
        by_name = {row.version: row for row in rows}
        return [by_name[each.canonical] for each in numbers if each.canonical in by_name]

    def _against(self, tenant_id: UUID, namespace: str, name: str, version: str | None) -> AssetVersion:
        if version is not None:
            return self._assets.version(tenant_id, namespace, name, version)
        best = latest(self._assets.choosable(tenant_id, namespace, name))
        if best is None:
            raise ConflictError(f"No version of {namespace}/{name} may be chosen, so nothing of it can be narrowed.")
        return self._assets.version(tenant_id, namespace, name, best.canonical)

    def _hold_to(self, row: Overlay | None, revision: int | None) -> None:
        present = 0 if row is None else row.revision
        if revision is not None and revision != present:
            raise ConflictError("Somebody has changed this overlay meanwhile. Look at it again, and change it then.")

    def _look(self, row: Overlay, version: AssetVersion) -> Sequence[Misfit]:
        found = fit("", version.version, version.input_schema or {}, _rules(row.rules), row.revision).misfits
        misfits = [each.model_dump() for each in _misfits(found)]
        self._session.add(
            OverlayCheck(
                tenant_id=row.tenant_id,
                asset_id=row.asset_id,
                version_id=version.id,
                revision=row.revision,
                misfits=misfits,
            )
        )
        return found

    def _record(self, principal: Principal, asset_id: UUID, asset: str, revision: int, rules: Sequence[Rule]) -> None:
        tenant_id = principal.tenant_id
        kept = [each.as_json() for each in rules]
        self._session.add(
            OverlayChange(
                tenant_id=tenant_id,
                asset_id=asset_id,
                revision=revision,
                rules=kept,
                changed_by=principal.name,
                actor=principal.actor,
            )
        )
        self._session.flush()
        change = "set" if rules else "removed"
        pointers = [each.pointer for each in rules]
        data = OverlayChanged(asset=asset, revision=revision, change=change, pointers=pointers)
        self._tell(tenant_id, asset_id, data, principal.actor)
        detail: dict[str, Any] = {"asset": asset, "revision": revision, "pointers": pointers}
        TenantService(self._session).audit(
            tenant_id, principal.actor, f"overlay.{change}", f"overlays/{asset_id}", detail
        )

    def _tell(self, tenant_id: UUID, asset_id: UUID, data: EventData, actor: str) -> None:
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"overlays/{asset_id}", actor=actor)


def _rules(kept: Sequence[dict[str, Any]]) -> list[Rule]:
    return [Rule.model_validate(each) for each in kept]


def _misfits(found: Sequence[Misfit]) -> list[MisfitRead]:
    return [MisfitRead(pointer=each.pointer, detail=each.detail, fix=each.fix) for each in found]


def _fit(found: Fitted) -> FitRead:
    return FitRead(version=found.version, fits=not found.misfits, misfits=_misfits(found.misfits))


def _found_before(version: str, misfits: Sequence[dict[str, Any]]) -> FitRead:
    return FitRead(version=version, fits=not misfits, misfits=[MisfitRead.model_validate(each) for each in misfits])
