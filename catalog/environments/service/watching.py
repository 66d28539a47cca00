"""Whether an environment's pull request can be looked at at all, said on the environment, and what comes of it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import queries
from catalog.environments.models import Environment, Phase
from catalog.environments.service.generations import dismiss
from catalog.environments.service.returning import REMEMBERED
from catalog.environments.service.rows import clear_condition, find, set_condition
from catalog.errors import SlipwayError
from catalog.providers.scm import RepositoryNotFoundError
from catalog.scm.service import ScmService, is_local
from catalog.settings import Settings

WATCHED = "Watched"
"""The condition that is false while an environment's pull request cannot be looked at."""
NO_CONNECTION = "NoConnection"
"""Its reason where the tenant has no connection to the repository's server any more."""
UNWATCHED = timedelta(hours=24)
"""How long an environment lives on whose repository is connected no longer."""


def cannot_watch(session: Session, environment: Environment, error: SlipwayError) -> None:
    """Say why the pull request is not looked at; nothing follows from that, however long it lasts."""
    reason = "NoRepository" if isinstance(error, RepositoryNotFoundError) else "NoAnswer"
    told = f"Its pull request cannot be looked at, and nothing follows from that. {error.detail}"[:1000]
    said = {"type": WATCHED, "status": False, "reason": reason, "message": told}
    # Looked at every few seconds, and written once.
    if not any(said.items() <= each.items() for each in environment.conditions):
        set_condition(environment, WATCHED, reason, told, status=False)
        session.add(environment)


class EnvironmentWatches:
    """One unit of work on what can be watched and what cannot; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._scm = ScmService(session, settings)

    def cannot_watch(self, tenant_id: UUID, environment_id: UUID, error: SlipwayError) -> None:
        """Say on an environment why its pull request has not been looked at for long."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase is not Phase.DESTROYED:
            cannot_watch(self._session, environment, error)

    def connections_changed(self, tenant_id: UUID) -> None:
        """Follow each repository again that environments need and a connection reaches; say which none does.

        Those need it that live, and those that may come back with their pull requests.

        What stands at the pull requests of those that are reached again is shown again, too.
        """
        elsewhere = [each for each in queries.repositories(self._session, tenant_id) if not is_local(each)]
        connected = {each for each in elsewhere if self._scm.is_connected(tenant_id, each)}
        # All environments are locked first, by their ids, as everywhere; only then what is written of repositories.
        found = queries.of_repository(self._session, tenant_id, *elsewhere)
        for environment in [find(self._session, tenant_id, each.id, lock=True) for each in found]:
            self._tell(environment, is_connected=environment.repository in connected)
        ended = queries.coming_back_repositories(self._session, tenant_id, now() - REMEMBERED)
        for address in sorted({*connected, *ended}):
            if address in connected or (not is_local(address) and self._scm.is_connected(tenant_id, address)):
                self._scm.note(tenant_id, address)

    def _tell(self, environment: Environment, *, is_connected: bool) -> None:
        lacked = _no_connection(environment)
        if is_connected and lacked is not None:
            clear_condition(environment, WATCHED)
            environment.signs_due_at = now()
        elif not is_connected:
            hours = int(UNWATCHED.total_seconds() // 3600)
            told = (
                "Its pull request is no longer watched: the connection to its repository was removed. Make one again"
                f" within {hours} hours, or it is destroyed."
            )
            set_condition(environment, WATCHED, NO_CONNECTION, told, status=False)
        self._session.add(environment)

    def unwatched(self, tenant_id: UUID) -> list[UUID]:
        """Return the tenant's living environments whose pull requests cannot be looked at."""
        return queries.with_condition(self._session, tenant_id, WATCHED)

    def leave_unwatched(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Dismiss an environment whose repository has been connected no longer for a day."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        lacked = _no_connection(environment)
        if lacked is None or now() - datetime.fromisoformat(lacked["at"]) < UNWATCHED:
            return
        if not self._scm.is_connected(tenant_id, environment.repository):
            dismiss(self._session, environment, "system", "its repository is connected no longer")


def _no_connection(environment: Environment) -> dict[str, Any] | None:
    found = (each for each in environment.conditions if each["type"] == WATCHED)
    return next((each for each in found if each["reason"] == NO_CONNECTION), None)
