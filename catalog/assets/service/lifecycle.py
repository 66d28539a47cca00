"""The life of a version after it was published: every step by name, and the end of life that comes by itself."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from catalog.assets import queries
from catalog.assets.errors import AssetNotFoundError
from catalog.assets.events import (
    AssetVersionArchived,
    AssetVersionDeprecated,
    AssetVersionQuarantined,
    AssetVersionRestored,
    AssetVersionRevoked,
    AssetVersionYanked,
)
from catalog.assets.life import Move, allow, find_move
from catalog.assets.models import Asset, AssetVersion, AssetVersionRead, ChangeVersionState, VersionState
from catalog.assets.references import parse_reference
from catalog.assets.service.curation import Curation
from catalog.assets.service.publishing import Publishing, event_data
from catalog.assets.service.reading import no_asset, version_read
from catalog.assets.service.replacing import is_replaceable
from catalog.assets.service.usage import Usage
from catalog.assets.usage import queries as usage
from catalog.assets.usage.models import VersionMove
from catalog.clock import now
from catalog.errors import FieldError, ForbiddenError, InvalidInputError
from catalog.events.registry import EventData
from catalog.tenancy import Principal, system_principal

_EVENTS: dict[VersionState, type[EventData]] = {
    VersionState.YANKED: AssetVersionYanked,
    VersionState.ARCHIVED: AssetVersionArchived,
    VersionState.REVOKED: AssetVersionRevoked,
    VersionState.QUARANTINED: AssetVersionQuarantined,
}


class Lifecycle(Usage, Curation, Publishing):
    """What a publisher does with versions that are out; each step says why, and those affected are told after it."""

    def deprecate(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Say that a version should no longer be chosen; it is chosen where nothing else fits."""
        return self._move(principal, (namespace, name, version), "deprecate", change)

    def yank(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Let a version be chosen by exact pin only."""
        return self._move(principal, (namespace, name, version), "yank", change)

    def retire(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Say that a version is no longer maintained; it is chosen by exact pin only."""
        return self._move(principal, (namespace, name, version), "retire", change)

    def revoke(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Forbid a version for ever; what runs from it goes on."""
        return self._move(principal, (namespace, name, version), "revoke", change)

    def quarantine(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Neither choose nor hand out a version until it is restored; what runs from it is held as it is."""
        return self._move(principal, (namespace, name, version), "quarantine", change)

    def restore(
        self, principal: Principal, namespace: str, name: str, version: str, change: ChangeVersionState
    ) -> AssetVersionRead:
        """Take a version's deprecation, yank, archiving or quarantine back.

        After a quarantine it is again what it was before, such as yanked, with what was said of it then.
        """
        return self._move(principal, (namespace, name, version), "restore", change)

    def state_after(self, tenant_id: UUID, version: AssetVersionRead, verb: str) -> VersionState:
        """Return the state that ``verb`` would bring a version to; raise ``VersionStateError`` where it is no step."""
        move = find_move(verb, version.state)
        if verb != "restore" or version.state is not VersionState.QUARANTINED:
            return move.target
        step = usage.into_quarantine(self._session, tenant_id, version.id)
        return move.target if step is None else step.before

    def reach_end_of_life(self, tenant_id: UUID, version_id: UUID) -> bool:
        """Archive a deprecated version whose end of life is reached; tell whether it was so."""
        found = queries.version_by_id(self._session, tenant_id, version_id)
        if found is None or found.tenant_id != tenant_id:
            return False
        asset = queries.own_asset(self._session, tenant_id, found.namespace, found.name, lock=True)
        if asset is None:
            return False
        self._session.refresh(found)
        if found.state is not VersionState.DEPRECATED or found.end_of_life is None:
            return False
        if found.end_of_life > now().date():
            return False
        change = ChangeVersionState(
            reason=f"Its end of life was {found.end_of_life.isoformat()}. {found.state_reason or ''}".strip()[:1000],
            replacement=found.replacement,
            end_of_life=found.end_of_life,
            link=found.state_link,
        )
        self._settle(system_principal(tenant_id), found, find_move("retire", found.state), change, change.reason)
        self._refresh(asset, found)
        return True

    def _move(
        self, principal: Principal, wanted: tuple[str, str, str], verb: str, change: ChangeVersionState
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
        move = find_move(verb, found.state)
        allow(principal, move)
        self._check(principal, asset, found, change)
        self._settle(principal, found, *self._taken_back(found, move, change), change.reason)
        self._refresh(asset, found)
        affected = self.used_by(principal.tenant_id, namespace, name, found.version)
        read = version_read(found, principal.tenant_id)
        return read.model_copy(update={"affected": affected})

    def _check(self, principal: Principal, asset: Asset, version: AssetVersion, change: ChangeVersionState) -> None:
        if change.end_of_life is not None and change.end_of_life < now().date():
            detail = "The end of life lies in the past. Give a day from today on, or retire the version."
            raise InvalidInputError(detail, [FieldError("/end_of_life", detail)])
        if not change.replacement:
            return
        reference = parse_reference(change.replacement, "/replacement")
        try:
            self.get(principal.tenant_id, reference.namespace, reference.name)
        except AssetNotFoundError as error:
            raise InvalidInputError(error.detail, [FieldError("/replacement", error.detail)]) from None
        if str(reference) == f"{version.namespace}/{version.name}=={version.version}":
            detail = "A version cannot replace itself. Name another, such as a newer one."
            raise InvalidInputError(detail, [FieldError("/replacement", detail)])
        if not is_replaceable(self._session, asset, change.replacement):
            detail = (
                f"Fewer may see {change.replacement} than {asset.namespace}/{asset.name}. Name another, or share it."
            )
            raise InvalidInputError(detail, [FieldError("/replacement", detail)])

    def _taken_back(
        self, version: AssetVersion, move: Move, change: ChangeVersionState
    ) -> tuple[Move, ChangeVersionState]:
        """Return a step as it is, or out of quarantine as one to what the version was before, and said of itself."""
        if move.verb != "restore" or version.state is not VersionState.QUARANTINED:
            return move, change
        step = usage.into_quarantine(self._session, version.tenant_id, version.id)
        if step is None:
            return move, change
        said = {key: value for key, value in (step.said or {}).items() if value is not None}
        before = ChangeVersionState.model_validate({"reason": change.reason, **said})
        return replace(move, target=step.before), before

    def _settle(
        self, principal: Principal, version: AssetVersion, move: Move, change: ChangeVersionState, reason: str
    ) -> None:
        """Take a step for a ``reason``; ``change`` is what the version says of its state from then on."""
        step = VersionMove(
            tenant_id=version.tenant_id,
            version_id=version.id,
            before=version.state,
            after=move.target,
            reason=reason,
            actor=principal.actor,
            name=principal.name,
            said=_said_of(version),
        )
        is_restored = move.target is VersionState.PUBLISHED
        version.state = move.target
        version.state_reason = None if is_restored else change.reason
        version.replacement = None if is_restored else change.replacement
        version.end_of_life = None if is_restored else change.end_of_life
        version.state_link = None if is_restored else change.link
        version.state_changed_at = step.at
        self._session.add(version)
        self._session.add(step)
        self._session.flush()
        self._emit(principal, version, _state_event(version, step))


def _said_of(version: AssetVersion) -> dict[str, Any] | None:
    end = version.end_of_life
    said = {
        "reason": version.state_reason,
        "replacement": version.replacement,
        "end_of_life": end.isoformat() if end else None,
        "link": version.state_link,
    }
    return said if any(said.values()) else None


def _state_event(version: AssetVersion, step: VersionMove) -> EventData:
    data = {**event_data(version), "move_id": step.id, "reason": step.reason}
    if version.state is VersionState.PUBLISHED:
        return AssetVersionRestored.model_validate(data)
    data["replacement"] = version.replacement
    if version.state is VersionState.DEPRECATED:
        return AssetVersionDeprecated.model_validate(
            {**data, "end_of_life": version.end_of_life, "link": version.state_link}
        )
    return _EVENTS[version.state].model_validate(data)
