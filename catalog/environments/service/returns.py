"""What comes back: environments that ended with their pull requests, once those are to have one again."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.durations import format_duration
from catalog.clock import now
from catalog.environments import queries
from catalog.environments.errors import QueueFullError, TargetNotOfferedError
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.service.automation import TRY_AGAIN
from catalog.environments.service.life import retry_after
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.returning import REMEMBERED, decide_return, may_come_back
from catalog.environments.service.rows import RETURNED, set_condition, signs_due_now
from catalog.environments.service.wishes import asked_again
from catalog.environments.triggers import BEGINS, Act, Decision
from catalog.errors import SlipwayError, UnavailableError
from catalog.gating import PolicyRefusedError
from catalog.providers.scm import PullRequest, RateLimitedError
from catalog.scm.service import is_local
from catalog.settings import Settings
from catalog.tenancy import system_principal


class EnvironmentReturns:
    """One unit of work on what comes back; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._service = EphemeralEnvironmentService(session, settings)

    @staticmethod
    def tenants(session: Session) -> Sequence[UUID]:
        """Return the tenants of which environments may come back; needs a session of the system role."""
        return queries.coming_back_tenants(session, now() - REMEMBERED)

    def local(self, tenant_id: UUID) -> list[str]:
        """Return the repositories on this machine of which environments may come back; others are listed anyway."""
        found = queries.coming_back_repositories(self._session, tenant_id, now() - REMEMBERED)
        return [each for each in found if is_local(each)]

    def due(self, tenant_id: UUID, repository: str, listed: Sequence[PullRequest]) -> list[PullRequest]:
        """Return the pull requests of a complete listing whose environments come back now; no provider is asked."""
        pulls = {each.number: each for each in listed}
        found = queries.coming_back(self._session, tenant_id, repository, pulls.keys(), now() - REMEMBERED)
        automated = queries.automation_of(self._session, tenant_id, repository) is not None
        by_itself = system_principal(tenant_id).actor
        return [
            pulls[each.pull_request]
            for each in found
            # What began by itself does so no more once that was ended.
            if (automated or each.requested_by != by_itself) and self._is_due(each, pulls[each.pull_request], listed)
        ]

    def _is_due(self, environment: Environment, pull: PullRequest, listed: Sequence[PullRequest]) -> bool:
        if environment.retry_at is not None and environment.retry_at > now():
            return False
        if not may_come_back(environment):
            return False
        act = decide_return(environment, pull, listed).act
        return act in (BEGINS if environment.phase is Phase.DESTROYED else {Act.MOVE})

    def bring_back(self, tenant_id: UUID, repository: str, pull: PullRequest, listed: Sequence[PullRequest]) -> bool:
        """Ask for the environment of a pull request again as it was: its blueprint's version, inputs, time and target.

        One that is still being removed is asked for meanwhile, unless its commit needs an approval first. What is in
        the way is told on its page and raises nothing: what may pass by itself is tried again every minute, anything
        else three times. Returns whether the provider may be asked more now.
        """
        environment = queries.by_pull_request(self._session, tenant_id, repository, pull.number)
        if environment is None or not environment.comes_back:
            return True
        decision = decide_return(environment, pull, listed)
        if decision.act not in BEGINS:
            return True
        try:
            self._ask(environment, decision)
        except SlipwayError as error:
            self._session.refresh(environment)
            self._not_back(environment, error)
            return not isinstance(error, RateLimitedError)
        return True

    def put_off(self, tenant_id: UUID, repository: str, pull_request: int) -> None:
        """Try one again in a while that could not even be looked at, so that it takes no other's place."""
        environment = queries.by_pull_request(self._session, tenant_id, repository, pull_request)
        if environment is not None and environment.comes_back:
            environment.retry_at = now() + TRY_AGAIN
            self._session.add(environment)

    def _ask(self, environment: Environment, decision: Decision) -> None:
        asked, principal = self._asked(environment), system_principal(environment.tenant_id)
        is_gone = environment.phase is Phase.DESTROYED
        try:
            with self._session.begin_nested():
                if decision.act is Act.MOVE:
                    self._service.request(principal, asked)
                elif is_gone:
                    self._service.set_down(principal, asked, decision, None)
        except PolicyRefusedError as refusal:
            if not is_gone:
                raise
            refusal.keep(self._session)
            with self._session.begin_nested():
                self._service.set_down(principal, asked, None, refusal)

    def _asked(self, environment: Environment) -> RequestEnvironment:
        limit = timedelta(seconds=self._settings.environment_maximum_ttl_seconds)
        ttl = min(timedelta(seconds=environment.ttl_seconds), limit)
        again = asked_again(environment, self._settings)
        return again.model_copy(update={"ttl": format_duration(ttl), "target": environment.target})

    def _not_back(self, environment: Environment, error: SlipwayError) -> None:
        """Say why one does not come back, and when that is tried again; None: not by itself any more."""
        if environment.phase is not Phase.DESTROYED:
            # It is tried again once it is gone, and what is in the way is told then.
            environment.retry_at = now() + TRY_AGAIN
            self._session.add(environment)
            return
        if isinstance(error, UnavailableError | QueueFullError | TargetNotOfferedError):
            environment.retry_at = now() + TRY_AGAIN
        else:
            environment.attempt += 1
            environment.retry_at = retry_after(environment)
        environment.comes_back = environment.retry_at is not None
        next_ = "It is tried again by itself." if environment.comes_back else "Request it, or write `/preview up`."
        reason = "TriedAgain" if environment.comes_back else "GivenUp"
        told = f"It does not come back with its pull request. {error.detail[:800]} {next_}"
        said = {"type": RETURNED, "reason": reason, "message": told}
        if not any(said.items() <= each.items() for each in environment.conditions):
            # Tried every minute, and told at the pull request once.
            set_condition(environment, RETURNED, reason, told, status=False)
            environment.signs_due_at = signs_due_now(environment)
        self._session.add(environment)
