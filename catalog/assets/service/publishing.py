"""Namespaces, and turning a checked package into a version."""

import hashlib
import io
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from catalog.assets import queries
from catalog.assets.archive.names import MANIFEST
from catalog.assets.artifacts import NOTHING_DERIVED, Artifact, Derived
from catalog.assets.errors import NamespaceTakenError, VersionExistsError
from catalog.assets.events import AssetVersionDrafted, AssetVersionPublished, AssetVersionSubmitted
from catalog.assets.findings import Finding
from catalog.assets.lookalikes import looking_like, skeleton
from catalog.assets.models import Asset, AssetVersion, Namespace, VersionArtifact, VersionState, Visibility
from catalog.assets.package import Package
from catalog.assets.service.reading import Reading, label
from catalog.assets.service.replacing import require_replaceable
from catalog.assets.service.usage import dependencies_of
from catalog.assets.versions import parse_version
from catalog.clock import now
from catalog.errors import ConflictError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import GatePoint, pass_gate
from catalog.providers.blobs import BlobStore
from catalog.tenancy import Principal

RESERVED_NAMESPACES = {"slipway": "slipway"}
"""Namespaces that nobody but the tenant of that name may claim."""


class Publishing(Reading):
    """What a publisher does with packages of its own namespaces."""

    def claim_namespace(self, principal: Principal, name: str) -> Namespace:
        """Return the tenant's own namespace of that name, claimed now where it is free.

        The row stays locked, so that a namespace has one publication at a time. Raises ``NamespaceTakenError`` where
        another tenant has it, with or without assets in it, or where it looks like one that is taken.
        """
        reserved = [each for each in RESERVED_NAMESPACES if skeleton(each) == skeleton(name)]
        if not reserved or (name in reserved and principal.tenant_name == RESERVED_NAMESPACES[name]):
            # A conflict is no error here, so that two first publishers at once end as one owner and one refusal.
            row = Namespace(name=name, skeleton=skeleton(name), tenant_id=principal.tenant_id)
            self._session.execute(insert(Namespace).values(**row.model_dump()).on_conflict_do_nothing())
        found = queries.lock_own_namespace(self._session, principal.tenant_id, name)
        if found is None:
            alike = looking_like(name, self.namespaces(principal.tenant_id))
            raise _alike(name, alike[0]) if alike else _taken(principal, name)
        return found

    def require_claimable(self, principal: Principal, name: str) -> None:
        """Raise ``NamespaceTakenError`` where the namespace is another tenant's, without claiming a free one."""
        attempt = self._session.begin_nested()
        try:
            self.claim_namespace(principal, name)
        finally:
            attempt.rollback()

    def owns(self, tenant_id: UUID, namespace: str, name: str) -> bool:
        """Tell whether the tenant has published such an asset."""
        return queries.own_asset(self._session, tenant_id, namespace, name) is not None

    def mark_publisher(self, tenant_id: UUID, verified: str | None) -> None:
        """Let the tenant's assets say as whom their publisher is verified, None for not at all."""
        for asset in queries.marked_otherwise(self._session, tenant_id, verified):
            asset.verified_publisher = verified
            self._session.add(asset)

    def namespaces(self, tenant_id: UUID) -> Sequence[str]:
        """Return the names of the tenant's own namespaces."""
        return queries.namespaces(self._session, tenant_id)

    def published(self, principal: Principal, package: Package) -> AssetVersion | None:
        """Return the tenant's version that has just these bytes, None where the version number is free.

        Raises ``VersionExistsError`` where the number was used for other bytes.
        """
        metadata = package.manifest.metadata
        asset = queries.own_asset(self._session, principal.tenant_id, metadata.namespace, metadata.name, lock=True)
        if asset is None:
            return None
        number = parse_version(metadata.version)
        found = queries.version(self._session, principal.tenant_id, asset.id, number.canonical)
        if found is None:
            return None
        if found.blob_digest == package.archive.blob:
            return found
        if found.state is VersionState.DRAFT:
            # A draft is not out: what takes its place is a new row, so that nothing of it is left.
            self._session.delete(found)
            self._session.flush()
            return None
        if found.state is VersionState.IN_REVIEW:
            raise VersionExistsError(
                f"{label(found)} is being reviewed with other content. Withdraw it from review first."
            )
        if found.tree_digest == package.archive.tree:
            cause = "with the same files packed differently"
        else:
            cause = "with other content"
        raise VersionExistsError(
            f"{label(found)} was published before {cause}. A published version never changes: raise the version."
        )

    def publish(
        self,
        principal: Principal,
        package: Package,
        warnings: Sequence[Finding] = (),
        visibility: Visibility | None = None,
        derived: Derived = NOTHING_DERIVED,
        state: VersionState = VersionState.PUBLISHED,
    ) -> AssetVersion:
        """Make a checked package a version of its asset; its bytes must be in the blob store.

        ``visibility`` left out keeps what the asset has (private for a new one). Schemas that were ``derived`` stand
        where the package brings none. With ``state`` draft or in review only the publisher sees it; visibility waits,
        too. The namespace must be the tenant's. Raises ``PolicyRefusedError`` where policies do not let it out.
        """
        warnings = [*warnings, *self._look_alikes(principal, package)]
        asset = self._asset_for(principal, package)
        version = _new_version(principal, asset, package, warnings)
        version.state, version.wanted_visibility = state, visibility
        version.input_schema = version.input_schema or dict(derived.input_schema or {})
        version.output_schema = version.output_schema or dict(derived.output_schema or {})
        self._session.add(version)
        if state is VersionState.PUBLISHED:
            self._offer(asset, version)  # before it is written for the first time, which is then the last time too
        self._session.flush()
        self._session.add_all(dependencies_of(version))
        if state is VersionState.PUBLISHED:
            self._let_out(principal, asset, version)
        elif state is VersionState.IN_REVIEW:
            told = {**event_data(version), "author": version.published_by, "comment": ""}
            self._emit(principal, version, AssetVersionSubmitted.model_validate(told))
        else:
            self._emit(principal, version, AssetVersionDrafted.model_validate(event_data(version)))
        return version

    def _put_out(self, principal: Principal, asset: Asset, version: AssetVersion) -> None:
        """Offer a version from now on."""
        self._offer(asset, version)
        self._let_out(principal, asset, version)

    def _offer(self, asset: Asset, version: AssetVersion) -> None:
        wanted = version.wanted_visibility or asset.visibility
        if wanted is not asset.visibility:
            asset.visibility = wanted
            with self._session.no_autoflush:
                require_replaceable(self._session, asset)
        version.state, version.wanted_visibility = VersionState.PUBLISHED, None
        version.published_at = version.state_changed_at = now()

    def _let_out(self, principal: Principal, asset: Asset, version: AssetVersion) -> None:
        """Ask policies about a version that is `_offer`ed, and tell of it."""
        self._session.add(version)
        self._session.flush()
        pass_gate(self._session, version.tenant_id, GatePoint.PUBLISH, f"asset-versions/{version.id}", principal.actor)
        self._refresh(asset, version)
        self._emit(principal, version, AssetVersionPublished.model_validate(event_data(version)))

    def review_required(self, tenant_id: UUID, namespace: str) -> bool:
        """Tell whether the tenant wants a second person to publish what goes into a namespace of its own."""
        return namespace in queries.reviewed_namespaces(self._session, tenant_id)

    def require_review(self, principal: Principal, namespace: str, *, required: bool) -> None:
        """Want a second person to publish what goes into a namespace of the tenant's own, or no longer."""
        principal.require("assets:admin")
        found = queries.lock_own_namespace(self._session, principal.tenant_id, namespace)
        if found is None:
            raise NotFoundError(f"The tenant has no namespace {namespace}.")
        found.review_required = required
        self._session.add(found)

    def require_kind(self, principal: Principal, package: Package) -> Asset | None:
        """Return the package's asset, None where it would be a new one; raise ``ConflictError`` for another kind."""
        metadata = package.manifest.metadata
        asset = queries.own_asset(self._session, principal.tenant_id, metadata.namespace, metadata.name, lock=True)
        if asset is not None and asset.kind != package.manifest.kind:
            raise ConflictError(
                f"{asset.namespace}/{asset.name} is a {asset.kind}, and an asset keeps its kind. "
                "Publish under another name."
            )
        return asset

    def keep_artifacts(self, version: AssetVersion, artifacts: Sequence[Artifact], blobs: BlobStore) -> None:
        """Keep files that were derived from a version; raise ``BlobError`` where one cannot be stored."""
        if not artifacts:
            return
        # In one order, so that of two who need the same files neither waits for the other.
        digests = sorted({hashlib.sha256(each.data).hexdigest() for each in artifacts})
        queries.lock_blobs(self._session, digests)
        for artifact in artifacts:
            stored = blobs.write(io.BytesIO(artifact.data))
            row = VersionArtifact(
                tenant_id=version.tenant_id,
                version_id=version.id,
                name=artifact.name,
                media_type=artifact.media_type,
                blob_digest=stored.digest,
                size=stored.size,
            )
            self._session.add(row)
        self._session.flush()

    def hold_blob(self, digest: str) -> None:
        """Hold a blob for the rest of the transaction, so that nobody takes it away while it is taken into use."""
        queries.lock_blobs(self._session, [digest])

    @staticmethod
    def hold_blob_in(system: Session, digest: str) -> None:
        """Hold a blob as `hold_blob` does, in a session of the system."""
        queries.lock_blobs(system, [digest])

    @staticmethod
    def blob_in_use(system: Session, digest: str) -> bool:
        """Tell whether a version or a derived file of any tenant needs a blob, in a session of the system."""
        return queries.blob_in_use(system, digest)

    def _look_alikes(self, principal: Principal, package: Package) -> list[Finding]:
        """Return a warning where a new asset is easily taken for another one of its namespace."""
        metadata = package.manifest.metadata
        names = queries.asset_names(self._session, principal.tenant_id, metadata.namespace)
        if metadata.name in names:
            return []
        return [
            Finding(
                "look-alike",
                MANIFEST,
                package.document.line(("metadata", "name")),
                f"{metadata.name} is easily taken for {metadata.namespace}/{other}.",
                "Give it a name that differs in more than a dash or a letter that looks alike.",
                "warning",
            )
            for other in looking_like(metadata.name, names)
        ]

    def _asset_for(self, principal: Principal, package: Package) -> Asset:
        metadata = package.manifest.metadata
        asset = self.require_kind(principal, package)
        if asset is None:
            asset = Asset(
                tenant_id=principal.tenant_id,
                namespace=metadata.namespace,
                name=metadata.name,
                kind=package.manifest.kind,
                display_name=metadata.display_name,
                summary=metadata.summary,
                license=metadata.license,
            )
            self._session.add(asset)
            self._session.flush()
        return asset

    def _refresh(self, asset: Asset, changed: AssetVersion) -> None:
        """Let the asset's row show the version that now stands for it, at a cost that does not grow with versions."""
        shown = queries.standing_version(self._session, asset.tenant_id, asset.id)
        asset.latest_version = shown.version if shown else None
        asset.latest_state = shown.state if shown else None
        asset.updated_at = now()
        if shown is not None:
            manifest = changed.manifest if shown.id == changed.id else shown.manifest
            metadata = manifest["metadata"]
            asset.display_name = metadata["displayName"]
            asset.summary = metadata["summary"]
            asset.license = metadata["license"]
            asset.keywords = metadata.get("keywords", [])
            asset.archetypes = metadata.get("archetypes", [])
            asset.clouds = list(manifest["spec"].get("clouds") or [])
        self._session.add(asset)
        self._session.flush()

    def _emit(self, principal: Principal, version: AssetVersion, data: EventData) -> None:
        subject = f"assets/{version.asset_id}"
        outbox.append(self._session, data, tenant_id=version.tenant_id, subject=subject, actor=principal.actor)


def _alike(name: str, own: str) -> NamespaceTakenError:
    return NamespaceTakenError(f"{name} looks like your namespace {own}. Use that one, so that nobody mistakes them.")


def _taken(principal: Principal, name: str) -> NamespaceTakenError:
    return NamespaceTakenError(
        f"The namespace {name} belongs to another publisher. Use one of your own, such as {principal.tenant_name}."
    )


def event_data(version: AssetVersion) -> dict[str, object]:
    """Return what every event about a version tells."""
    return {
        "asset_id": version.asset_id,
        "version_id": version.id,
        "namespace": version.namespace,
        "name": version.name,
        "version": version.version,
        "kind": version.kind,
        "blob_digest": version.blob_digest,
    }


def _new_version(principal: Principal, asset: Asset, package: Package, warnings: Sequence[Finding]) -> AssetVersion:
    number = parse_version(package.manifest.metadata.version)
    major, minor, patch, stage, stage_number = number.sort_key
    digests = package.digests
    return AssetVersion(
        tenant_id=asset.tenant_id,
        asset_id=asset.id,
        namespace=asset.namespace,
        name=asset.name,
        kind=asset.kind,
        version=number.canonical,
        semver=number.semver,
        major=major,
        minor=minor,
        patch=patch,
        stage=stage,
        stage_number=stage_number,
        state=VersionState.PUBLISHED,
        manifest=package.document.value,
        input_schema=dict(package.input_schema),
        input_hints=dict(package.input_hints),
        output_schema=dict(package.output_schema),
        readme=package.text("README.md"),
        changelog=package.text("CHANGELOG.md"),
        files=[entry.as_json() for entry in sorted(package.archive.files.values())],
        warnings=[finding.as_json() for finding in warnings],
        blob_digest=digests.blob,
        tree_digest=digests.tree,
        manifest_digest=digests.manifest,
        packed_size=package.archive.packed_size,
        published_at=now(),
        published_by=principal.name,
        published_from=dict(principal.origin) or None,
        author_actor=principal.actor,
        author_member_id=principal.member_id,
    )
