"""What may be asked: an environment for a pull request, another commit, more time, or that it be gone."""

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.assets.usage.models import Notice
from catalog.clock import now
from catalog.environments import queries, rules
from catalog.environments.machine import LEAVING, NOT_BEGUN, Event, step
from catalog.environments.models import Environment, EnvironmentRead, Phase, RequestEnvironment, ScmHook
from catalog.environments.room import in_words
from catalog.environments.service.forks import unapproved
from catalog.environments.service.generations import dismiss, remove_again
from catalog.environments.service.life import begin_life, prolong
from catalog.environments.service.rows import (
    OFFERED,
    PLAN_REFUSED,
    REFUSED,
    RETURNED,
    clear_condition,
    find,
    read,
    refusal_of,
    set_condition,
    settle,
    signs_due_now,
    situation,
)
from catalog.environments.service.turns import EnvironmentTurns
from catalog.environments.service.wishes import Wish
from catalog.environments.specs import secret_names, spec_of, why_unreadable
from catalog.environments.triggers import Decision
from catalog.errors import ConflictError, NotFoundError
from catalog.gating import PolicyRefusedError
from catalog.providers.scm import (
    PullRequestNotFoundError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    normalised,
)
from catalog.providers.targets import FollowsLogs, LogPiece, LogTail, TellsBounds, provider, target
from catalog.scm.service import ScmService
from catalog.stacks.graph import ResourceGraph, read_graph
from catalog.stacks.models import StackResource
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

_TRIED_ANEW = {Phase.FAILED, Phase.SLEEPING, *NOT_BEGUN}
CHOSEN = "ChosenTarget"
"""The condition that is false where an environment runs elsewhere because its tenant's choice is not offered."""


class EphemeralEnvironmentService(EnvironmentTurns):
    """One unit of work on environments; everything happens in the session's transaction."""

    def request(
        self,
        principal: Principal,
        asked: RequestEnvironment,
        forgotten: Collection[str] | None = None,
        automation: str | None = None,
    ) -> Environment:
        """Ask for the environment of a pull request, or for another state of the one it has.

        Given ``forgotten``, secret inputs that are left out stay as they are where the blueprint does, but for those at
        its JSON pointers, such as ``/token``; without it nothing stays. ``automation`` is the target that what begins
        by itself names, for one that is not there yet. Where it comes from a fork and nobody named the commit, that
        waits for an approval: whoever asks need not have seen what was pushed last.

        Raises ``InvalidInputError`` naming the fields at fault: repository, pull request, commit, blueprint, inputs,
        target or ttl; ``QuotaExceededError`` where there can never be room for it, or too many wait for room already;
        ``PolicyRefusedError`` where policies do not allow it.
        """
        principal.require("environments:write")
        wish = Wish.resolve(self._session, self._settings, principal.tenant_id, asked, forgotten, automation)
        number = wish.pull_request.number
        environment = queries.by_pull_request(self._session, principal.tenant_id, wish.repository, number)
        if (held := unapproved(wish, asked, environment)) is not None:
            return self._set_down(principal, wish, environment, held, None)
        if environment is None or environment.phase is Phase.DESTROYED or environment.phase in LEAVING:
            environment = environment or self._new(principal, wish)
            self._begin(environment, wish)
        elif environment.phase not in _TRIED_ANEW and wish.is_that_of(environment, self._settings):
            prolong(environment, wish.ttl)
            self._session.add(environment)
            return environment
        before = environment.size
        wish.write(environment, self._settings)
        environment.comes_back = False
        self._admit_fork(environment, wish.pull_request)
        ScmService(self._session, self._settings).note(principal.tenant_id, wish.repository)
        prolong(environment, wish.ttl)
        self._session.add(environment)
        is_new = situation(environment).phase in {Phase.REQUESTED, Phase.DESTROYED, *NOT_BEGUN}
        self._pass_gate(environment, principal.actor, is_new=is_new)
        environment.backlog = []
        grows = any(amount > before.get(name, 0) for name, amount in environment.size.items())
        self._bring_about(environment, principal.actor, "requested", grows=grows)
        self._record(principal, environment, wish)
        return environment

    def set_down(
        self,
        principal: Principal,
        asked: RequestEnvironment,
        decision: Decision | None,
        refusal: PolicyRefusedError | None,
        automation: str | None = None,
    ) -> Environment:
        """Record an environment that is not to be made yet: its commit waits for an approval, or policies refuse it.

        One that is there already stays as it is. Raises as ``request`` does.
        """
        principal.require("environments:write")
        wish = Wish.resolve(self._session, self._settings, principal.tenant_id, asked, automation=automation)
        environment = queries.by_pull_request(
            self._session, principal.tenant_id, wish.repository, wish.pull_request.number
        )
        if environment is not None and environment.phase is not Phase.DESTROYED:
            return environment
        return self._set_down(principal, wish, environment, decision, refusal)

    def _set_down(
        self,
        principal: Principal,
        wish: Wish,
        environment: Environment | None,
        decision: Decision | None,
        refusal: PolicyRefusedError | None,
    ) -> Environment:
        environment = environment or self._new(principal, wish)
        if environment.phase not in NOT_BEGUN:
            self._begin(environment, wish)
        wish.write(environment, self._settings)
        wanted = rules.want(situation(environment))
        if wanted.phase is not Phase.PENDING_APPROVAL:
            wanted = step(wanted, Event.HELD if refusal is None else Event.REFUSED)
        settle(environment, wanted)
        environment.destroyed_at = environment.operation_id = environment.retry_at = None
        environment.comes_back = False
        environment.waiting_sha = environment.approved_sha = None
        prolong(environment, wish.ttl)
        self._session.add(environment)
        self._session.flush()
        if refusal is not None:
            self._refused(environment, wish.head_sha, refusal)
        elif decision is not None:
            # Unseen, so that the approval finds it as if it were new.
            environment.seen_sha = ""
            clear_condition(environment, REFUSED)
            self._hold(environment, wish.pull_request, decision)
        ScmService(self._session, self._settings).note(principal.tenant_id, wish.repository)
        self._record(principal, environment, wish)
        return environment

    def _begin(self, environment: Environment, wish: Wish) -> None:
        """Begin a life; another target may know addresses of another domain, and the name in it stays."""
        domain = provider(wish.target).domain(self._settings)
        environment.hostname = f"{environment.hostname.partition('.')[0]}.{domain}"
        begin_life(environment, wish.maximum)
        clear_condition(environment, RETURNED)
        _say_where(environment, wish)

    def _record(self, principal: Principal, environment: Environment, wish: Wish) -> None:
        subject = f"environments/{environment.id}"
        AssetService(self._session).use(principal.tenant_id, subject, environment.name, wish.versions)
        detail = {"head_sha": wish.head_sha, "blueprint": environment.blueprint}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "environment.request", subject, detail)

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

    def destroy(self, principal: Principal, environment_id: UUID) -> Environment:
        """Ask for the environment to be gone; always admitted, and repeating it changes nothing.

        Where it could not be removed, that is tried again at once.
        """
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        failed = environment.phase is Phase.DESTROY_FAILED
        dismiss(self._session, environment, principal.actor, "requested")
        if environment.comes_back:
            # By hand is for good, also where it ended with its pull request before; its comment said otherwise.
            environment.comes_back, environment.signs_due_at = False, signs_due_now(environment)
            environment.retry_at = None
            clear_condition(environment, RETURNED)
            self._session.add(environment)
        if failed:
            remove_again(self._session, environment, principal.actor)
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
        # All are locked before any asks for room: whoever holds that waits for nobody's row.
        for environment in [find(self._session, each.tenant_id, each.id, lock=True) for each in matching]:
            if hook.action == "closed" and hook.pull_request is not None and not self._shows(environment):
                dismiss(self._session, environment, principal.actor, "pull request closed", comes_back=True)
            else:
                self.follow(environment, principal.actor)
        return matching

    def _shows(self, environment: Environment) -> bool:
        """Tell whether the repository itself knows the pull request, so that nobody's word counts for it."""
        try:
            repository = ScmService(self._session, self._settings).open(environment.tenant_id, environment.repository)
            repository.pull_request(environment.pull_request)
        except PullRequestNotFoundError:
            return False
        except (RepositoryNotFoundError, RepositoryUnavailableError):
            return True  # it may know it: what cannot be read denies nothing
        return True

    def rebuild(self, principal: Principal, environment_id: UUID) -> Environment:
        """Make the environment again from the same commit; what it has been serves until that is there.

        One that waits for an approval, or was refused, never began: made again it would go past either.
        """
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if not rules.follows(situation(environment)):
            raise ConflictError(f"The environment is {environment.phase}; it cannot be made again now.")
        if environment.phase in NOT_BEGUN:
            raise ConflictError(f"The environment is {environment.phase}; nothing of it was made yet.")
        self._admit_start(environment)
        self._ask_policies(environment, principal.actor, is_new=False)
        if refusal_of(environment) == PLAN_REFUSED or environment.seen_sha == environment.head_sha:
            # What was said of a newer commit stays: that one is not what is made again.
            clear_condition(environment, REFUSED)
        self._bring_about(environment, principal.actor, "rebuild")
        return environment

    def log_tails(self, tenant_id: UUID, environment_id: UUID, lines: int = 200) -> tuple[LogTail, ...]:
        """Return the end of each component's log; empty where nothing was made yet or nothing is left."""
        environment = find(self._session, tenant_id, environment_id)
        if environment.stack_id is None:
            return ()
        stack = MultiCloudProvisioningService(self._session).get(tenant_id, environment.stack_id)
        return target(stack.target, self._settings).log_tails(environment_id, lines)

    def bounds(self, environment: Environment) -> str:
        """Say what holds the applications of one that is there to their limits; "" where the target takes care."""
        if environment.stack_id is None or environment.phase is Phase.DESTROYED:
            return ""
        place = target(environment.target, self._settings)
        return place.bounds() if isinstance(place, TellsBounds) else ""

    def limits(self, environment: Environment) -> str:
        """Say what the environment may take at the most; "" of one that is gone, or whose spec cannot be read."""
        if environment.phase is Phase.DESTROYED or why_unreadable(environment):
            return ""
        return in_words(spec_of(environment))

    def log_reader(self, tenant_id: UUID, environment_id: UUID) -> Callable[[str], LogPiece]:
        """Return what reads the components' logs after a position; where the target does not know, their ends.

        It needs no session: a target may take its time, and nobody's connection is to wait for it.
        """
        environment = find(self._session, tenant_id, environment_id)
        if environment.stack_id is None:
            return lambda position: LogPiece((), position)
        stack = MultiCloudProvisioningService(self._session).get(tenant_id, environment.stack_id)
        place = target(stack.target, self._settings)
        if isinstance(place, FollowsLogs):
            return partial(place.log_after, environment_id)

        def ends(position: str) -> LogPiece:
            tails = place.log_tails(environment_id, 200)
            digest = sha256(repr(tails).encode()).hexdigest()[:16]
            return LogPiece(() if digest == position else tails, digest, is_whole=True)

        return ends

    def uses_of_secrets(self, tenant_id: UUID) -> dict[str, list[tuple[UUID, str]]]:
        """Return which living environments take each of the tenant's secrets: their ids and names, by secret."""
        found: dict[str, list[tuple[UUID, str]]] = {}
        for environment_id, name, spec in queries.taking_secrets(self._session, tenant_id):
            for secret in secret_names(spec):
                found.setdefault(secret, []).append((environment_id, name))
        return found

    def notices(self, environment: Environment) -> list[Notice]:
        """Return what is to be known of the asset versions that the environment runs."""
        return AssetService(self._session).notices(environment.tenant_id, f"environments/{environment.id}")

    def read(self, environment: Environment) -> EnvironmentRead:
        """Return the environment as others read it, with its resources, and its place where it waits for room."""
        return read(environment, self.resources(environment), self.place(environment))

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
    def watched(session: Session) -> Sequence[UUID]:
        """Return the tenants that have living environments; needs a session of the system role."""
        return queries.living_tenants(session)

    @staticmethod
    def all_by_phase(session: Session) -> dict[Phase, int]:
        """Return how many environments of all tenants are in each phase; needs a session of the system role."""
        return queries.all_by_phase(session)

    def _new(self, principal: Principal, wish: Wish) -> Environment:
        name = rules.environment_name(wish.repository, wish.pull_request.number)
        moment = now()
        return Environment(
            tenant_id=principal.tenant_id,
            repository=wish.repository,
            pull_request=wish.pull_request.number,
            name=name,
            # Names are unguessable so that nobody finds an unannounced preview by counting.
            hostname=f"{name}-{secrets.token_hex(3)}.{provider(wish.target).domain(self._settings)}",
            target=wish.target,
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


def _say_where(environment: Environment, wish: Wish) -> None:
    """Say on an environment that begins whether its tenant's choice of a target was passed over."""
    if wish.passed_over:
        set_condition(environment, CHOSEN, "NotOffered", wish.passed_over, status=False)
    else:
        clear_condition(environment, CHOSEN)
    clear_condition(environment, OFFERED)
