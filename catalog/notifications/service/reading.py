"""What was told to whom, sent again where it was given up, and each member's inbox."""

from datetime import datetime
from uuid import UUID

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.notifications import queries
from catalog.notifications.errors import NotReplayableError
from catalog.notifications.models import (
    AttemptRead,
    Notification,
    NotificationDetail,
    NotificationRead,
    NotificationState,
)
from catalog.notifications.service.subscribing import ADMIN
from catalog.notifications.service.telling import Telling
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


class Reading(Telling):
    """What people read of notifications."""

    def page(
        self,
        principal: Principal,
        subscription_id: UUID | None = None,
        state: NotificationState | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[NotificationRead]:
        """Return what went out, newest first: of one subscription that the caller sees, or of all of the tenant."""
        if subscription_id is not None:
            self._seen(principal, subscription_id)
        else:
            principal.require(ADMIN)
        found = queries.page(self._session, principal.tenant_id, subscription_id, state, before, limit)
        return [NotificationRead.model_validate(each) for each in found]

    def get(self, principal: Principal, notification_id: UUID) -> NotificationDetail:
        """Return one with every try; raise ``NotFoundError`` where the caller can see none of that id."""
        found = self._visible(principal, notification_id)
        tries = queries.attempts(self._session, principal.tenant_id, notification_id)
        values = NotificationRead.model_validate(found).model_dump()
        return NotificationDetail(**values, tries=[AttemptRead.model_validate(each) for each in tries])

    def replay(self, principal: Principal, notification_id: UUID) -> NotificationRead:
        """Send once more what was given up, under the same id; raise ``NotReplayableError`` for anything else."""
        found = self._visible(principal, notification_id)
        if found.subscription_id is not None:
            self._own(principal, found.subscription_id)
        found = queries.notification(self._session, principal.tenant_id, notification_id, lock=True) or found
        if found.state is not NotificationState.DEAD:
            raise NotReplayableError(f"It is {found.state}: only what was given up can be sent again.")
        found.state, found.attempts, found.problem = NotificationState.PENDING, 0, ""
        self._session.add(found)
        self._session.flush()
        self._send(found, principal.actor)
        audit = TenantService(self._session).audit
        audit(found.tenant_id, principal.actor, "notification.replay", f"notifications/{found.id}", {})
        return NotificationRead.model_validate(found)

    def inbox(
        self, principal: Principal, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[NotificationRead]:
        """Return what the caller was told in the portal, newest first; nothing for a token that belongs to nobody."""
        if principal.member_id is None:
            return []
        found = queries.inbox(self._session, principal.tenant_id, principal.member_id, before, limit)
        return [NotificationRead.model_validate(each) for each in found]

    def unread(self, principal: Principal) -> int:
        """Return how much the caller has not read, at most 500."""
        if principal.member_id is None:
            return 0
        return len(queries.unread(self._session, principal.tenant_id, principal.member_id))

    def mark_read(self, principal: Principal) -> int:
        """Mark the caller's inbox as read, and return how much was unread."""
        if principal.member_id is None:
            return 0
        found = queries.unread(self._session, principal.tenant_id, principal.member_id)
        moment = now()
        for each in found:
            each.read_at = moment
            self._session.add(each)
        self._session.flush()
        return len(found)

    def _visible(self, principal: Principal, notification_id: UUID) -> Notification:
        found = queries.notification(self._session, principal.tenant_id, notification_id)
        if found is None or not self._may_see(principal, found):
            raise NotFoundError(f"There is no notification {notification_id}.")
        return found

    def _may_see(self, principal: Principal, found: Notification) -> bool:
        if found.member_id is not None and found.member_id == principal.member_id:
            return True
        if found.subscription_id is None:
            return False
        subscription = queries.subscription(self._session, principal.tenant_id, found.subscription_id)
        return subscription is not None and (subscription.member_id is None or principal.may(ADMIN))
