"""What may be asked: an environment for a pull request, another commit, more time, or that it be gone."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.assets.usage.models import Notice
from catalog.clock import now
from catalog.environments import queries, rules
from catalog.environments.events import EnvironmentDestroyRequested, EnvironmentExtended
from catalog.environments.machine import LEAVING
from catalog.environments.models import Environment, Phase, RequestEnvironment, ScmHook
from catalog.environments.service.generations import close_operation, start_generation
from catalog.environments.service.rows import (
    DESTROY_STEPS,
    PLAN_REFUSED,
    REFUSED,
    clear_condition,
    find,
    set_condition,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.environments.service.wishes import Wish, duration
from catalog.errors import ConflictError, NotFoundError, QuotaExceededError
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate, verdict_summary
from catalog.operations.service import OperationService
from catalog.providers.scm import (
    PullRequest,
    PullRequestNotFoundError,
    PullRequestState,
    RepositoryNotFoundError,
    normalised,
    provider_for,
)
from catalog.providers.targets import LogTail, target
from catalog.scm.service import LOCAL, ScmService
from catalog.settings import Settings
from catalog.stacks.graph import ResourceGraph, read_graph
from catalog.stacks.models import StackResource
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

SIGNS = "OutwardSigns"
"""The condition that is false while Slipway lacks a right to show the environment at its pull request."""


class EphemeralEnvironmentService:
    """One unit of work on environments; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def request(self, principal: Principal, asked: RequestEnvironment) -> Environment:
        """Ask for the environment of a pull request, or for another state of the one it has.

        Raises ``InvalidInputError`` naming the fields at fault: repository, pull request, commit, blueprint, inputs
        or ttl; ``QuotaExceededError`` where the tenant has as many environments as it may; ``PolicyRefusedError``
        where policies do not allow it.
        """
        principal.require("environments:write")
        wish = Wish.resolve(self._session, self._settings, principal.tenant_id, asked)
        number = wish.pull_request.number
        environment = queries.by_pull_request(self._session, principal.tenant_id, wish.repository, number)
        if environment is None or environment.phase is Phase.DESTROYED:
            self._check_quota(principal.tenant_id)
        if environment is None or environment.phase is Phase.DESTROYED or environment.phase in LEAVING:
            environment = environment or self._new(principal, wish)
            environment.hard_expires_at = now() + wish.maximum
        elif environment.phase is not Phase.FAILED and wish.is_that_of(environment, self._settings):
            self._prolong(environment, wish.ttl)
            return environment
        wish.write(environment, self._settings)
        ScmService(self._session, self._settings).note(principal.tenant_id, wish.repository)
        self._prolong(environment, wish.ttl)
        is_new = situation(environment).phase in {Phase.REQUESTED, Phase.DESTROYED}
        self._pass_gate(environment, principal.actor, is_new=is_new)
        self._demand(environment, principal.actor, "requested")
        subject = f"environments/{environment.id}"
        AssetService(self._session).use(principal.tenant_id, subject, environment.name, wish.versions)
        detail = {"head_sha": wish.head_sha, "blueprint": environment.blueprint}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "environment.request", subject, detail)
        return environment

    def get(self, tenant_id: UUID, environment_id: UUID) -> Environment:
        """Return the environment; raise ``NotFoundError`` where the tenant has none of that id."""
        return find(self._session, tenant_id, environment_id)

    def page(
        self,
        tenant_id: UUID,
        phases: Sequence[Phase] = (),
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> Sequence[Environment]:
        """Return environments, newest first; ``before`` is the creation time and id of the last one already seen."""
        return queries.page(self._session, tenant_id, phases, before, limit)

    def count_by_phase(self, tenant_id: UUID) -> dict[Phase, int]:
        """Return how many environments the tenant has in each phase."""
        return queries.count_by_phase(self._session, tenant_id)

    def extend(self, principal: Principal, environment_id: UUID, by: str) -> Environment:
        """Let the environment live longer by an ISO 8601 duration, never beyond its hard limit."""
        principal.require("environments:write")
        prolonged = duration(by, "/by")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.phase is Phase.DESTROYED or environment.phase in LEAVING:
            raise ConflictError(f"The environment is {environment.phase}; there is nothing to extend.")
        hard = environment.hard_expires_at
        later = rules.extended(environment.expires_at, now(), prolonged, hard)
        if later <= environment.expires_at:
            raise ConflictError(f"The environment may not live beyond {hard.isoformat(timespec='minutes')}.")
        environment.expires_at = later
        self._session.add(environment)
        tell(self._session, environment, EnvironmentExtended(**stamp(environment), expires_at=later), principal.actor)
        return environment

    def destroy(self, principal: Principal, environment_id: UUID) -> Environment:
        """Ask for the environment to be gone; always admitted, and repeating it changes nothing."""
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        self.dismiss(environment, principal.actor, "requested")
        return environment

    def on_hook(self, principal: Principal, hook: ScmHook) -> list[Environment]:
        """Look at the pull requests a hook hints at; returns the environments that were looked at."""
        principal.require("environments:write")
        try:
            repository = normalised(hook.repository, self._settings)
        except NotFoundError:
            repository = hook.repository
        found = queries.of_repository(self._session, principal.tenant_id, repository)
        matching = [each for each in found if hook.pull_request in (None, each.pull_request)]
        for each in matching:
            environment = find(self._session, each.tenant_id, each.id, lock=True)
            if hook.action == "closed" and hook.pull_request is not None:
                self.dismiss(environment, principal.actor, "pull request closed")
            else:
                self.follow(environment, principal.actor)
        return matching

    def follow(self, environment: Environment, actor: str) -> None:
        """Compare the environment with its pull request as it is now, and move or dismiss it accordingly.

        A provider that does not answer changes nothing; a pull request must be missing twice before it counts as
        closed, because a repository in the middle of a push may show neither the old ref nor the new one.
        """
        if environment.phase is Phase.DESTROYED:
            return
        try:
            repository = ScmService(self._session, self._settings).open(environment.tenant_id, environment.repository)
            found = repository.pull_request(environment.pull_request, environment.branch)
        except (PullRequestNotFoundError, RepositoryNotFoundError):
            found = None
        self._observe(environment, found, actor)

    def follow_listed(self, tenant_id: UUID, repository: str, listed: Sequence[PullRequest]) -> None:
        """Compare every environment of a repository with a complete listing of its pull requests."""
        by_number = {each.number: each for each in listed}
        for each in queries.of_repository(self._session, tenant_id, repository):
            environment = find(self._session, tenant_id, each.id, lock=True)
            self._observe(environment, by_number.get(environment.pull_request), "system")

    def pull_requests_of(self, tenant_id: UUID, repository: str) -> set[int]:
        """Return the pull requests of a repository that have living environments."""
        return {each.pull_request for each in queries.of_repository(self._session, tenant_id, repository)}

    def _observe(self, environment: Environment, found: PullRequest | None, actor: str) -> None:
        if found is None:
            environment.absences += 1
            self._session.add(environment)
            if environment.absences >= 2:
                self.dismiss(environment, actor, "pull request closed")
            return
        if found.state is PullRequestState.CLOSED:
            self.dismiss(environment, actor, "pull request closed")
            return
        if environment.absences:
            environment.absences = 0
            self._session.add(environment)
        subject = f"environments/{environment.id}"
        if AssetService(self._session).is_held(environment.tenant_id, subject):
            return  # its blueprint is in quarantine: what runs goes on, and nothing new is started from it
        if found.head_sha != environment.seen_sha and rules.follows(situation(environment)):
            self._move(environment, found.head_sha, actor)

    def dismiss(self, environment: Environment, actor: str, reason: str) -> None:
        """Write that the environment shall be gone; a worker brings it about."""
        before = situation(environment)
        after = rules.unwant(before)
        if after == before:
            return
        settle(environment, after)
        self._session.add(environment)
        if before.phase in LEAVING:
            return
        clear_condition(environment, "Serving")
        operation = OperationService(self._session).start(
            environment.tenant_id, "environment.destroy", f"environments/{environment.id}", DESTROY_STEPS, actor
        )
        close_operation(self._session, environment)
        environment.operation_id = operation.id
        data = EnvironmentDestroyRequested(**stamp(environment), operation_id=operation.id, reason=reason)
        tell(self._session, environment, data, actor)

    def rebuild(self, principal: Principal, environment_id: UUID) -> Environment:
        """Make the environment again from the same commit; what it has been serves until that is there."""
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if not rules.follows(situation(environment)):
            raise ConflictError(f"The environment is {environment.phase}; it cannot be made again now.")
        self._pass_gate(environment, principal.actor, is_new=False)
        self._demand(environment, principal.actor, "rebuild")
        return environment

    def note_signs(self, tenant_id: UUID, environment_id: UUID, problems: Sequence[str]) -> None:
        """Say on the environment which of its outward signs could not be brought up to date, and why."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if problems:
            set_condition(environment, SIGNS, "MissingRights", " ".join(problems)[:1000], status=False)
        else:
            clear_condition(environment, SIGNS)
        self._session.add(environment)

    def expire(self, tenant_id: UUID, environment_id: UUID) -> bool:
        """Dismiss the environment if it has expired; tell whether it had."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.expires_at > now():
            return False
        self.dismiss(environment, "system", "expired")
        return True

    def watch(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Follow the pull request of one environment; repositories elsewhere are listed as a whole, less often."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if provider_for(environment.repository).name == LOCAL:
            self.follow(environment, "system")

    def refused(self, tenant_id: UUID) -> list[UUID]:
        """Return the environments that policies keep from what their pull requests ask for."""
        return queries.with_condition(self._session, tenant_id, REFUSED)

    def ask_again(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Ask policies again about what they refused: a commit, if it is still the newest, or the engine's plan."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        reason = next((each["reason"] for each in environment.conditions if each["type"] == REFUSED), None)
        if reason == PLAN_REFUSED and environment.phase is Phase.FAILED:
            self._try_again(environment)
        elif reason is not None:
            # Unseen, so that the pull request is looked at as if it had just moved.
            environment.seen_sha = environment.head_sha
            self.follow(environment, "system")

    def log_tails(self, tenant_id: UUID, environment_id: UUID, lines: int = 200) -> tuple[LogTail, ...]:
        """Return the end of each component's log; empty where nothing was made yet or nothing is left."""
        environment = find(self._session, tenant_id, environment_id)
        if environment.stack_id is None:
            return ()
        stack = MultiCloudProvisioningService(self._session).get(tenant_id, environment.stack_id)
        return target(stack.target, self._settings).log_tails(environment_id, lines)

    def notices(self, environment: Environment) -> list[Notice]:
        """Return what is to be known of the asset versions that the environment runs."""
        return AssetService(self._session).notices(environment.tenant_id, f"environments/{environment.id}")

    def resources(self, environment: Environment) -> list[StackResource]:
        """Return what the environment consists of, as its last deployment left it."""
        if environment.stack_id is None:
            return []
        stack = MultiCloudProvisioningService(self._session).get(environment.tenant_id, environment.stack_id)
        return [StackResource.model_validate(each) for each in stack.resources]

    def graph(self, environment: Environment) -> ResourceGraph | None:
        """Return the graph of resources that the engine reported last; None where it has told none."""
        if environment.stack_id is None:
            return None
        stack = MultiCloudProvisioningService(self._session).get(environment.tenant_id, environment.stack_id)
        return read_graph(stack.graph)

    @staticmethod
    def due_for_expiry(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return environments of all tenants whose time is up at ``moment``; needs a session of the system role."""
        return queries.expired(session, moment, limit)

    @staticmethod
    def watched(session: Session) -> list[queries.Due]:
        """Return the living environments of all tenants; needs a session of the system role."""
        return queries.living(session)

    @staticmethod
    def all_by_phase(session: Session) -> dict[Phase, int]:
        """Return how many environments of all tenants are in each phase; needs a session of the system role."""
        return queries.all_by_phase(session)

    def _move(self, environment: Environment, head_sha: str, actor: str) -> None:
        """Move the environment to another commit, or say on its page why policies do not let it."""
        try:
            with self._session.begin_nested():
                environment.seen_sha = environment.head_sha = head_sha
                self._pass_gate(environment, actor, is_new=False)
                self._demand(environment, actor, "new commit")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            # Seen, so that the same commit is not asked about every few seconds.
            environment.seen_sha = head_sha
            environment.verdict = verdict_summary(refusal.verdict)
            message = f"Commit {head_sha[:8]} is not deployed. {refusal.detail}"
            set_condition(environment, REFUSED, "PolicyRefused", message, status=False)
            self._session.add(environment)

    def _try_again(self, environment: Environment) -> None:
        """Have the engine look ahead again, unless policies refuse without that; the worker asks about the plan."""
        try:
            with self._session.begin_nested():
                self._pass_gate(environment, "system", is_new=not environment.observed_generation)
                self._demand(environment, "system", "policies changed")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)

    def _pass_gate(self, environment: Environment, actor: str, *, is_new: bool) -> None:
        point = GatePoint.ENVIRONMENT_REQUEST if is_new else GatePoint.ENVIRONMENT_UPDATE
        self._session.add(environment)
        self._session.flush()
        verdict = pass_gate(self._session, environment.tenant_id, point, f"environments/{environment.id}", actor)
        environment.verdict = verdict_summary(verdict)
        clear_condition(environment, REFUSED)

    def _check_quota(self, tenant_id: UUID) -> None:
        quota = self._settings.environment_quota
        if queries.count_living(self._session, tenant_id) >= quota:
            raise QuotaExceededError(f"All {quota} environments are in use. Destroy one that is no longer needed.")

    def _new(self, principal: Principal, wish: Wish) -> Environment:
        name = rules.environment_name(wish.repository, wish.pull_request.number)
        moment = now()
        return Environment(
            tenant_id=principal.tenant_id,
            repository=wish.repository,
            pull_request=wish.pull_request.number,
            name=name,
            # Names are unguessable so that nobody finds an unannounced preview by counting.
            hostname=f"{name}-{secrets.token_hex(3)}.{self._settings.preview_domain}",
            blueprint="",
            blueprint_version="",
            head_sha=wish.head_sha,
            seen_sha=wish.pull_request.head_sha,
            requested_by=principal.actor,
            ttl_seconds=0,
            generation=0,
            created_at=moment,
            expires_at=moment,
            hard_expires_at=moment,
        )

    def _prolong(self, environment: Environment, ttl: timedelta) -> None:
        environment.ttl_seconds = int(ttl.total_seconds())
        environment.expires_at = rules.expiry(now(), ttl, environment.hard_expires_at)
        self._session.add(environment)

    def _demand(self, environment: Environment, actor: str, reason: str) -> None:
        """Write a new generation and, unless it has to wait for the end of a destruction, ask workers for it."""
        before = situation(environment)
        after = rules.want(before)
        if after.phase is Phase.REQUESTED:
            after = rules.admit(after)
        settle(environment, after)
        self._session.add(environment)
        self._session.flush()
        if before.phase in LEAVING:
            return
        first = before.phase in {Phase.REQUESTED, Phase.DESTROYED}
        start_generation(self._session, environment, actor, reason, first=first)
