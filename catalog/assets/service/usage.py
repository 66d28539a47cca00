"""Who builds on a version and who runs it: recorded by what uses it, and asked before and told after it changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlmodel import Session

from catalog.assets import rules
from catalog.assets.events import AssetUseAffected
from catalog.assets.life import MEANINGS, Running
from catalog.assets.models import Affected, AssetVersion, AssetVersionRead, Dependent, UseRead
from catalog.assets.service.reading import Reading
from catalog.assets.service.replacing import unseen, without_unseen
from catalog.assets.usage import queries
from catalog.assets.usage.models import AssetDependency, AssetOutcome, AssetUse, Measured, MoveRead, Notice
from catalog.assets.versions import allows, parse_constraint
from catalog.clock import now
from catalog.events import outbox


class Usage(Reading):
    """What other areas say of their use of versions, and what is known of it."""

    def use(self, tenant_id: UUID, subject: str, label: str, versions: Iterable[AssetVersion]) -> None:
        """Record that ``subject`` (such as ``environments/<id>``) runs just these versions from now on."""
        wanted = {version.id: version for version in versions}
        queries.end_uses(self._session, tenant_id, subject, now(), list(wanted))
        for version in wanted.values():
            use = AssetUse(
                tenant_id=tenant_id, asset_id=version.asset_id, version_id=version.id, subject=subject, label=label
            )
            queries.begin_use(self._session, use)

    def release(self, tenant_id: UUID, subject: str) -> None:
        """Record that ``subject`` runs nothing any more."""
        queries.end_uses(self._session, tenant_id, subject, now())

    def record_outcome(self, tenant_id: UUID, subject: str, *, succeeded: bool, seconds: float) -> None:
        """Record how an attempt to bring what ``subject`` runs into use ended, and how many seconds it took."""
        for use in queries.active(self._session, tenant_id, subject):
            outcome = AssetOutcome(
                tenant_id=tenant_id,
                asset_id=use.asset_id,
                version_id=use.version_id,
                subject=subject,
                succeeded=succeeded,
                seconds=seconds,
            )
            self._session.add(outcome)

    def notices(self, tenant_id: UUID, subject: str) -> list[Notice]:
        """Return what whoever runs ``subject`` should know: the versions of it that are no longer simply published.

        Also of a version that its publisher shares no more: whoever runs it is told of its fate to the end.
        """
        found = queries.notices(self._session, tenant_id, subject)
        noticed = (each for each in found if MEANINGS[each.state].running is not Running.ON)
        return without_unseen(self._session, tenant_id, noticed)

    def is_held(self, tenant_id: UUID, subject: str) -> bool:
        """Tell whether ``subject`` must stay as it is, because a version that it runs is in quarantine."""
        found = queries.notices(self._session, tenant_id, subject)
        return any(MEANINGS[each.state].running is Running.HELD for each in found)

    def used_by(self, tenant_id: UUID, namespace: str, name: str, version: str | None = None) -> Affected:
        """Return who uses an asset, in one version or any, as far as the caller's tenant may know.

        Dependents are versions that may be chosen and whose constraint allows the version. Raises
        ``AssetNotFoundError``.
        """
        asset = self._asset(tenant_id, namespace, name)
        found = None if version is None else self._version(tenant_id, namespace, name, version)
        version_id = found.id if found else None
        uses = queries.uses(self._session, tenant_id, asset.id, version_id)
        counts = queries.count_by_area(self._session, tenant_id, asset.id, version_id)
        others = 0
        if found is not None and asset.tenant_id == tenant_id:
            others = queries.other_tenants(self._session, found.id)
        return Affected(
            dependents=self._dependents(tenant_id, namespace, name, found),
            uses=[
                UseRead(subject=use.subject, label=use.label, version=number, since=use.since) for use, number in uses
            ],
            other_tenants=others,
            installs=counts.get("installs", 0),
            environments=counts.get("environments", 0),
        )

    def measured(self, tenant_id: UUID, namespace: str, name: str) -> Measured:
        """Return what the tenant's own use of an asset has shown; raise ``AssetNotFoundError``."""
        asset = self._asset(tenant_id, namespace, name)
        counts = queries.count_uses(self._session, tenant_id, asset.id)
        active = sum(counts.values())
        latest = self._latest(tenant_id, asset)
        standing = self._version(tenant_id, namespace, name, latest) if latest else None
        attempts, successes, seconds = queries.measured(self._session, tenant_id, asset.id)
        return Measured(
            active=active,
            behind=active - (counts.get(standing.id, 0) if standing else 0),
            attempts=attempts,
            successes=successes,
            median_seconds=seconds,
        )

    def history(self, tenant_id: UUID, version: AssetVersionRead) -> list[MoveRead]:
        """Return the latest steps in the life of a version, newest first.

        For its owner alone is who took them, and what came before it was out, with the comments of a review.
        """
        is_own = version.owned
        return [
            MoveRead(before=row.before, after=row.after, reason=row.reason, by=row.name if is_own else None, at=row.at)
            for row in queries.moves(self._session, tenant_id, version.id)
        ]

    def tell(self, tenant_id: UUID, version_id: UUID, move_id: UUID, changed: Mapping[str, str | None]) -> bool:
        """Tell a tenant that a version it runs has changed its state, once for each move; tell whether it was new.

        ``changed`` holds namespace, name, version, state, reason, replacement and end_of_life, because the tenant may
        not see the version any more; nor is it told of a replacement that it does not see.
        """
        uses = queries.untold(self._session, tenant_id, version_id, move_id)
        if not uses:
            return False
        for use in uses:
            use.told = move_id
            self._session.add(use)
        replacement = changed["replacement"]
        is_hidden = bool(unseen(self._session, tenant_id, [replacement]))
        told = {**changed, "replacement": None if is_hidden else replacement}
        data = AssetUseAffected.model_validate(
            {**told, "version_id": version_id, "uses": [use.subject for use in uses]}
        )
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"assets/{uses[0].asset_id}", actor="system")
        return True

    @staticmethod
    def tenants_using(session: Session, version_id: UUID) -> list[UUID]:
        """Return the tenants that use a version; needs a session of the system role."""
        return queries.using_tenants(session, version_id)

    @staticmethod
    def due_for_end_of_life(session: Session, today: date, limit: int) -> list[tuple[UUID, UUID]]:
        """Return tenant and id of versions whose end of life is reached; needs a session of the system role."""
        return queries.ended(session, today, limit)

    def _dependents(self, tenant_id: UUID, namespace: str, name: str, version: AssetVersion | None) -> list[Dependent]:
        found = queries.dependents(self._session, tenant_id, namespace, name)
        return [
            Dependent(
                namespace=row.namespace,
                name=row.name,
                version=row.version,
                needs=needs.needs_version,
                optional=needs.is_optional,
                owned=row.tenant_id == tenant_id,
            )
            for needs, row in found
            if version is None
            or allows(parse_constraint(needs.needs_version), rules.number_of(version), prereleases=True)
        ]


def dependencies_of(version: AssetVersion) -> list[AssetDependency]:
    """Return the rows that say what a version builds on."""
    rows: dict[tuple[str, str, str], AssetDependency] = {}
    declared: Sequence[Mapping[str, object]] = version.manifest.get("dependencies") or ()
    for each in declared:
        namespace, _, name = str(each["asset"]).partition("/")
        row = AssetDependency(
            version_id=version.id,
            tenant_id=version.tenant_id,
            needs_namespace=namespace,
            needs_name=name,
            needs_version=str(each["version"]),
            is_optional=bool(each.get("optional", False)),
        )
        rows.setdefault((namespace, name, row.needs_version), row)
    return list(rows.values())
