"""Versions that are not out yet: drafts, and those that wait for a second person."""

from collections.abc import Sequence
from uuid import UUID

from catalog.assets import queries
from catalog.assets.errors import SecondPersonNeededError, VersionStateError
from catalog.assets.events import AssetVersionDiscarded, AssetVersionReturned, AssetVersionSubmitted
from catalog.assets.life import allow, find_move, words
from catalog.assets.models import Asset, AssetVersion, AssetVersionRead, VersionState
from catalog.assets.service.lifecycle import Lifecycle
from catalog.assets.service.publishing import event_data
from catalog.assets.service.reading import label, no_asset, version_read
from catalog.assets.usage.models import VersionMove
from catalog.clock import now
from catalog.errors import ForbiddenError
from catalog.tenancy import Principal

_MOST_HELD = 200


class Drafting(Lifecycle):
    """What a publisher does with versions before they are out."""

    def held(self, tenant_id: UUID) -> Sequence[AssetVersion]:
        """Return the tenant's drafts and versions in review, latest change first."""
        return queries.held_versions(self._session, tenant_id, _MOST_HELD)

    def submit(
        self, principal: Principal, namespace: str, name: str, version: str, comment: str = ""
    ) -> AssetVersionRead:
        """Ask for a second person to publish a draft."""
        _, found = self._own_version(principal, namespace, name, version)
        self._step(principal, found, "submit", comment)
        found.submitter_member_id = principal.member_id
        told = {**event_data(found), "author": found.published_by, "comment": comment}
        self._emit(principal, found, AssetVersionSubmitted.model_validate(told))
        return version_read(found, principal.tenant_id)

    def withdraw(
        self, principal: Principal, namespace: str, name: str, version: str, comment: str = ""
    ) -> AssetVersionRead:
        """Make a version that waits for review a draft again: its publisher thought better, or a reviewer says why."""
        _, found = self._own_version(principal, namespace, name, version)
        self._step(principal, found, "withdraw", comment)
        told = {**event_data(found), "comment": comment}
        self._emit(principal, found, AssetVersionReturned.model_validate(told))
        return version_read(found, principal.tenant_id)

    def put_out(
        self, principal: Principal, namespace: str, name: str, version: str, comment: str = ""
    ) -> AssetVersionRead:
        """Publish a draft, or approve a version in review.

        Where the namespace asks for a review, and for every version in review, that takes a person who neither
        uploaded nor submitted it: raises ``SecondPersonNeededError``.
        """
        asset, found = self._own_version(principal, namespace, name, version)
        if found.state is VersionState.DRAFT and self.review_required(principal.tenant_id, namespace):
            raise SecondPersonNeededError(f"{namespace} asks for a review. Submit {label(found)} for it.")
        if found.state is VersionState.IN_REVIEW:
            _require_second_person(principal, found)
        self._step(principal, found, "publish", comment)
        self._put_out(principal, asset, found)
        return version_read(found, principal.tenant_id)

    def discard(self, principal: Principal, namespace: str, name: str, version: str) -> None:
        """Throw a draft away; its number is free again. Raises ``VersionStateError`` for what is no draft."""
        _, found = self._own_version(principal, namespace, name, version)
        if found.state is not VersionState.DRAFT:
            raise VersionStateError(f"Only a draft can be thrown away; {label(found)} is {words(found.state)}.")
        self._emit(principal, found, AssetVersionDiscarded.model_validate(event_data(found)))
        self._session.delete(found)
        self._session.flush()

    def _own_version(self, principal: Principal, namespace: str, name: str, version: str) -> tuple[Asset, AssetVersion]:
        found = self._version(principal.tenant_id, namespace, name, version)
        asset = queries.own_asset(self._session, principal.tenant_id, namespace, name, lock=True)
        if asset is None:
            raise no_asset(namespace, name)
        if found.tenant_id != principal.tenant_id:
            raise ForbiddenError(f"{namespace}/{name} belongs to another publisher.")
        self._session.refresh(found)
        return asset, found

    def _step(self, principal: Principal, version: AssetVersion, verb: str, comment: str) -> None:
        move = find_move(verb, version.state)
        allow(principal, move)
        moved = VersionMove(
            tenant_id=version.tenant_id,
            version_id=version.id,
            before=version.state,
            after=move.target,
            reason=comment,
            actor=principal.actor,
            name=principal.name,
        )
        version.state, version.state_changed_at, version.state_reason = move.target, now(), comment or None
        if move.target is VersionState.PUBLISHED:
            version.state_reason = None
        self._session.add_all([moved, version])
        self._session.flush()


def _require_second_person(principal: Principal, version: AssetVersion) -> None:
    if principal.member_id is None:
        raise SecondPersonNeededError("A person approves a version: sign in, or use a token of your own.")
    if principal.member_id in {version.author_member_id, version.submitter_member_id}:
        raise SecondPersonNeededError(
            f"You uploaded or submitted {label(version)} yourself. Somebody else has to approve it."
        )
