"""The life of a version after it was published: deprecated, yanked, revoked, quarantined, restored."""

from catalog.assets import queries, rules
from catalog.assets.events import (
    AssetVersionDeprecated,
    AssetVersionQuarantined,
    AssetVersionRestored,
    AssetVersionRevoked,
    AssetVersionYanked,
)
from catalog.assets.models import AssetVersion, AssetVersionRead, ChangeVersionState, VersionState
from catalog.assets.references import parse_reference
from catalog.assets.service.publishing import Publishing, event_data
from catalog.assets.service.reading import no_asset, version_read
from catalog.clock import now
from catalog.errors import ForbiddenError
from catalog.events.registry import EventData
from catalog.tenancy import Principal

_EVENTS: dict[VersionState, type[EventData]] = {
    VersionState.DEPRECATED: AssetVersionDeprecated,
    VersionState.YANKED: AssetVersionYanked,
    VersionState.REVOKED: AssetVersionRevoked,
    VersionState.QUARANTINED: AssetVersionQuarantined,
}


class Lifecycle(Publishing):
    """What a publisher does with versions that are out; each step says why and appends an event."""

    def deprecate(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Say that a version should no longer be chosen; it is chosen where nothing else fits."""
        return self._move(principal, (namespace, name, version), VersionState.DEPRECATED, change)

    def yank(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Let a version be chosen by exact pin only."""
        return self._move(principal, (namespace, name, version), VersionState.YANKED, change)

    def revoke(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Forbid a version for ever; what runs from it goes on."""
        return self._move(principal, (namespace, name, version), VersionState.REVOKED, change)

    def quarantine(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Neither choose nor hand out a version until it is restored."""
        return self._move(principal, (namespace, name, version), VersionState.QUARANTINED, change)

    def restore(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Take a version's deprecation, yank or quarantine back."""
        return self._move(principal, (namespace, name, version), VersionState.PUBLISHED, change)

    def _move(
        self, principal: Principal, wanted: tuple[str, str, str], state: VersionState, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Change a version's state; doing so again updates the reason. Raises ``VersionStateError``."""
        namespace, name, version = wanted
        found = self._version(principal.tenant_id, namespace, name, version)
        if found.tenant_id != principal.tenant_id:
            raise ForbiddenError(f"{namespace}/{name} belongs to another publisher.")
        asset = queries.own_asset(self._session, principal.tenant_id, namespace, name, lock=True)
        if asset is None:
            raise no_asset(namespace, name)
        self._session.refresh(found)
        rules.check_move(found.state, state)
        if change.replacement:
            parse_reference(change.replacement, "/replacement")
        is_restored = state is VersionState.PUBLISHED
        found.state = state
        found.state_reason = None if is_restored else change.reason
        found.replacement = None if is_restored else change.replacement
        found.state_changed_at = now()
        self._session.add(found)
        self._session.flush()
        self._refresh(asset, found)
        self._emit(principal, found, _state_event(found, change))
        return version_read(found, principal.tenant_id)


def _state_event(version: AssetVersion, change: ChangeVersionState) -> EventData:
    if version.state is VersionState.PUBLISHED:
        return AssetVersionRestored.model_validate({**event_data(version), "reason": change.reason})
    data = {**event_data(version), "reason": change.reason, "replacement": change.replacement}
    return _EVENTS[version.state].model_validate(data)
