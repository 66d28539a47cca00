"""Sharing an asset with named tenants, and what a tenant lets its own members choose from."""

from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from catalog.assets import queries as assets
from catalog.assets.constraints import translate
from catalog.assets.curation import queries
from catalog.assets.curation.models import (
    AssetGrant,
    Catalog,
    CatalogEntry,
    DecideCatalog,
    DecideEntry,
    EntryRead,
    ShareAsset,
    Sharing,
    TenantCatalog,
)
from catalog.assets.errors import InvalidConstraintError
from catalog.assets.events import AssetShared, CatalogChanged
from catalog.assets.models import Asset, VersionState, Visibility
from catalog.assets.references import is_name
from catalog.assets.service.reading import Reading, no_asset
from catalog.assets.service.replacing import require_replaceable
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, ForbiddenError, InvalidInputError
from catalog.events import outbox
from catalog.gating import GatePoint, pass_gate
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

_WIDTH = (Visibility.PRIVATE, Visibility.SHARED, Visibility.PUBLIC)
"""Who sees more stands behind."""


class Curation(Reading):
    """Whom a publisher shares with, and what a tenant's administrators adopt, bound to a range, or hide."""

    def sharing(self, tenant_id: UUID, namespace: str, name: str) -> Sharing:
        """Return who may see an asset; only its own tenant learns whom it is shared with."""
        asset = self._asset(tenant_id, namespace, name)
        names = [row.grantee for row in queries.grants(self._session, tenant_id, asset.id)]
        return Sharing(visibility=asset.visibility, tenants=names if asset.tenant_id == tenant_id else [])

    def share(self, principal: Principal, namespace: str, name: str, wanted: ShareAsset) -> Sharing:
        """Say who may see an asset of one's own from now on.

        A name that no tenant has is taken like any other and gives nobody access, so that the answer never tells
        which tenants there are. Raises ``InvalidInputError`` for what cannot be a name and where a version names a
        replacement that fewer may see, and ``PolicyRefusedError``
        where more could see it than before and policies do not let one of its versions be published so.
        """
        principal.require("assets:write")
        principal.require_asset(f"{namespace}/{name}")
        asset = self._own(principal, namespace, name)
        names = sorted(set(wanted.tenants)) if wanted.visibility is Visibility.SHARED else []
        errors = [
            FieldError(f"/tenants/{place}", "Write the name of a tenant, in lower case.")
            for place, each in enumerate(wanted.tenants)
            if not is_name(each)
        ]
        if errors:
            raise InvalidInputError("Some names cannot be names of tenants.", errors)
        kept = {row.grantee for row in queries.grants(self._session, principal.tenant_id, asset.id)}
        self._session.execute(
            delete(AssetGrant).where(
                col(AssetGrant.tenant_id) == principal.tenant_id,
                col(AssetGrant.asset_id) == asset.id,
                col(AssetGrant.grantee).not_in(names),
            )
        )
        for each in names:
            if each not in kept:
                self._session.add(
                    AssetGrant(asset_id=asset.id, tenant_id=asset.tenant_id, grantee=each, granted_by=principal.actor)
                )
        self._session.flush()
        is_wider = _WIDTH.index(wanted.visibility) > _WIDTH.index(asset.visibility) or not kept.issuperset(names)
        asset.visibility = wanted.visibility
        self._session.add(asset)
        self._session.flush()
        if is_wider:
            require_replaceable(self._session, asset, names)
            self._pass_gate(principal, asset)
        data = AssetShared(
            asset_id=asset.id, namespace=namespace, name=name, visibility=asset.visibility, tenants=names
        )
        subject = f"assets/{asset.id}"
        outbox.append(self._session, data, tenant_id=asset.tenant_id, subject=subject, actor=principal.actor)
        detail = {"visibility": asset.visibility.value, "tenants": names}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "asset.share", subject, detail)
        return Sharing(visibility=asset.visibility, tenants=names)

    def _pass_gate(self, principal: Principal, asset: Asset) -> None:
        """Ask policies about every version that was put out, as each is put out to others now."""
        for each in assets.versions(self._session, principal.tenant_id, asset.id):
            if each.state not in {VersionState.DRAFT, VersionState.IN_REVIEW}:
                subject = f"asset-versions/{each.id}"
                pass_gate(self._session, principal.tenant_id, GatePoint.PUBLISH, subject, principal.actor)

    def catalog(self, tenant_id: UUID) -> Catalog:
        """Return what the tenant decided about the assets of others."""
        found = queries.catalog(self._session, tenant_id)
        entries = [
            EntryRead(
                namespace=asset.namespace,
                name=asset.name,
                hidden=row.hidden_at is not None,
                allowed=row.allowed,
                reason=row.reason,
                changed_by=row.changed_by,
                changed_at=row.changed_at,
            )
            for row, asset in queries.entries(self._session, tenant_id)
        ]
        return Catalog(is_curated=found is not None and found.is_curated, entries=entries)

    def decide_catalog(self, principal: Principal, wanted: DecideCatalog) -> Catalog:
        """Say whether members see only the tenant's own and adopted assets."""
        principal.require("assets:admin")
        row = queries.catalog(self._session, principal.tenant_id)
        row = row or TenantCatalog(tenant_id=principal.tenant_id, changed_by=principal.name)
        row.is_curated = wanted.is_curated
        row.changed_by = principal.name
        row.changed_at = now()
        self._session.add(row)
        self._session.flush()
        self._told(principal, "", "curated" if wanted.is_curated else "open")
        return self.catalog(principal.tenant_id)

    def decide(self, principal: Principal, namespace: str, name: str, wanted: DecideEntry) -> EntryRead:
        """Adopt an asset of another tenant, bind it to a range of versions, or hide it from one's own members.

        The range may be in any spelling that `translate` knows; the answer has its canonical form. Raises
        ``InvalidConstraintError``, and ``ConflictError`` for an asset of one's own.
        """
        principal.require("assets:admin")
        asset = self._asset(principal.tenant_id, namespace, name)
        if asset.tenant_id == principal.tenant_id:
            raise ConflictError(f"{namespace}/{name} is your own: change who may see it, or the state of its versions.")
        allowed = _canonical(wanted.allowed)
        row = queries.entry(self._session, principal.tenant_id, asset.id)
        row = row or CatalogEntry(tenant_id=principal.tenant_id, asset_id=asset.id, changed_by=principal.name)
        row.allowed = allowed
        row.hidden_at = (row.hidden_at or now()) if wanted.hidden else None
        row.reason = wanted.reason
        row.changed_by = principal.name
        row.changed_at = now()
        self._session.add(row)
        self._session.flush()
        self._told(principal, f"{namespace}/{name}", "hidden" if wanted.hidden else f"adopted {allowed}".strip())
        return EntryRead(
            namespace=namespace,
            name=name,
            hidden=wanted.hidden,
            allowed=allowed,
            reason=row.reason,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
        )

    def forget(self, principal: Principal, namespace: str, name: str) -> None:
        """Take what was decided about an asset back."""
        principal.require("assets:admin")
        asset = self._asset(principal.tenant_id, namespace, name)
        row = queries.entry(self._session, principal.tenant_id, asset.id)
        if row is not None:
            self._session.delete(row)
            self._session.flush()
            self._told(principal, f"{namespace}/{name}", "undecided")

    def _own(self, principal: Principal, namespace: str, name: str) -> Asset:
        found = self._asset(principal.tenant_id, namespace, name)
        if found.tenant_id != principal.tenant_id:
            raise ForbiddenError(f"{namespace}/{name} belongs to another publisher.")
        own = assets.own_asset(self._session, principal.tenant_id, namespace, name, lock=True)
        if own is None:
            raise no_asset(namespace, name)
        return own

    def _told(self, principal: Principal, asset: str, decision: str) -> None:
        data = CatalogChanged(asset=asset, decision=decision)
        subject = f"tenants/{principal.tenant_id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        detail = {"asset": asset, "decision": decision}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "catalog.decide", subject, detail)


def _canonical(text: str) -> str:
    try:
        return translate(text).canonical
    except InvalidConstraintError as error:
        raise InvalidConstraintError(text, error.reason, error.fix, "/allowed") from None
