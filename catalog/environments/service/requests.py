"""What may be asked: an environment for a pull request, another commit, more time, or that it be gone."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.assets.durations import parse_duration
from catalog.assets.inputs import complete_inputs, secret_pointers, without_secrets
from catalog.assets.models import AssetVersion
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments import queries, rules
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentExtended,
    EnvironmentRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.models import Desired, Environment, Phase, RequestEnvironment, ScmHook
from catalog.environments.service.rows import (
    DEPLOY_STEPS,
    DESTROY_STEPS,
    clear_condition,
    find,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError, QuotaExceededError
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService
from catalog.providers.scm import (
    CommitNotFoundError,
    PullRequest,
    PullRequestNotFoundError,
    RepositoryNotFoundError,
    ScmProvider,
    provider_for,
)
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

BLUEPRINT_KIND = "deployment-blueprint"


@dataclass(frozen=True)
class _Source:
    """What the provider answered about the pull request."""

    repository: str
    pull_request: PullRequest
    branch: str | None
    head_sha: str


class EphemeralEnvironmentService:
    """One unit of work on environments; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def request(self, principal: Principal, asked: RequestEnvironment) -> Environment:
        """Ask for the environment of a pull request, or for another state of the one it has.

        Raises ``InvalidInputError`` naming the fields at fault: repository, pull request, commit, blueprint, inputs
        or ttl; ``QuotaExceededError`` where the tenant has as many environments as it may.
        """
        principal.require("environments:write")
        source = self._source(asked)
        version = self._blueprint(principal, asked.blueprint)
        spec = parse_spec(version.manifest)
        inputs = complete_inputs(version.input_schema or {}, asked.inputs)
        ttl = self._ttl(asked.ttl, spec)
        environment = queries.by_pull_request(
            self._session, principal.tenant_id, source.repository, source.pull_request.number
        )
        if environment is None:
            self._check_quota(principal.tenant_id)
            environment = self._new(principal, source)
        elif environment.phase is Phase.DESTROYED:
            self._check_quota(principal.tenant_id)
        elif self._same(environment, source, version, inputs) and environment.phase is not Phase.FAILED:
            self._prolong(environment, ttl)
            return environment
        self._write_wish(environment, source, version, inputs, ttl)
        self._demand(environment, principal.actor, "requested")
        subject = f"environments/{environment.id}"
        detail = {"head_sha": source.head_sha, "blueprint": environment.blueprint}
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
        duration = _duration(by, "/by")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.phase is Phase.DESTROYED or environment.phase in rules.LEAVING:
            raise ConflictError(f"The environment is {environment.phase}; there is nothing to extend.")
        hard = environment.hard_expires_at
        later = rules.extended(environment.expires_at, now(), duration, hard)
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
            repository = provider_for(hook.repository).normalise(hook.repository, self._settings)
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
            provider = provider_for(environment.repository)
            found = provider.pull_request(
                environment.repository, environment.pull_request, environment.branch, self._settings
            )
        except (PullRequestNotFoundError, RepositoryNotFoundError):
            environment.absences += 1
            self._session.add(environment)
            if environment.absences >= 2:
                self.dismiss(environment, actor, "pull request closed")
            return
        if environment.absences:
            environment.absences = 0
            self._session.add(environment)
        if found.head_sha != environment.seen_sha and rules.follows(situation(environment)):
            environment.seen_sha = environment.head_sha = found.head_sha
            self._demand(environment, actor, "new commit")

    def dismiss(self, environment: Environment, actor: str, reason: str) -> None:
        """Write that the environment shall be gone; a worker brings it about."""
        before = situation(environment)
        after = rules.unwant(before)
        if after == before:
            return
        settle(environment, after)
        self._session.add(environment)
        if before.phase in rules.LEAVING:
            return
        clear_condition(environment, "Serving")
        operation = OperationService(self._session).start(
            environment.tenant_id, "environment.destroy", f"environments/{environment.id}", DESTROY_STEPS, actor
        )
        close_operation(self._session, environment)
        environment.operation_id = operation.id
        data = EnvironmentDestroyRequested(**stamp(environment), operation_id=operation.id, reason=reason)
        tell(self._session, environment, data, actor)

    def expire(self, tenant_id: UUID, environment_id: UUID) -> bool:
        """Dismiss the environment if it has expired; tell whether it had."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.expires_at > now():
            return False
        self.dismiss(environment, "system", "expired")
        return True

    def watch(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Follow the pull request of one environment."""
        self.follow(find(self._session, tenant_id, environment_id, lock=True), "system")

    @staticmethod
    def due_for_expiry(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return environments of all tenants whose time is up at ``moment``; needs a session of the system role."""
        return queries.expired(session, moment, limit)

    @staticmethod
    def watched(session: Session) -> list[queries.Due]:
        """Return the living environments of all tenants; needs a session of the system role."""
        return queries.living(session)

    def _source(self, asked: RequestEnvironment) -> _Source:
        field = "/repository"
        try:
            provider: ScmProvider = provider_for(asked.repository)
            repository = provider.normalise(asked.repository, self._settings)
            field = "/branch" if asked.branch else "/pull_request"
            found = provider.pull_request(repository, asked.pull_request, asked.branch, self._settings)
            field = "/head_sha"
            sha = provider.commit(repository, asked.head_sha, self._settings) if asked.head_sha else found.head_sha
        except (RepositoryNotFoundError, PullRequestNotFoundError, CommitNotFoundError, InvalidInputError) as error:
            raise InvalidInputError(error.detail, [FieldError(field, error.detail)]) from None
        return _Source(repository, found, asked.branch, sha)

    def _blueprint(self, principal: Principal, reference: str) -> AssetVersion:
        wanted = parse_reference(reference, "/blueprint")
        try:
            version = AssetService(self._session).resolve(principal.tenant_id, wanted)
        except NotFoundError as error:
            raise InvalidInputError(error.detail, [FieldError("/blueprint", error.detail)]) from None
        if version.kind != BLUEPRINT_KIND:
            detail = f"{wanted} is a {version.kind}; an environment is made from a {BLUEPRINT_KIND}."
            raise InvalidInputError(detail, [FieldError("/blueprint", detail)])
        return version

    def _ttl(self, text: str | None, spec: BlueprintSpec) -> tuple[timedelta, timedelta]:
        maximum = min(spec.maximum_ttl, timedelta(seconds=self._settings.environment_maximum_ttl_seconds))
        wanted = spec.default_ttl if text is None else _duration(text, "/ttl")
        if text is not None and wanted > maximum:
            detail = f"At most {maximum} is allowed here."
            raise InvalidInputError(detail, [FieldError("/ttl", detail)])
        return min(wanted, maximum), maximum

    def _check_quota(self, tenant_id: UUID) -> None:
        quota = self._settings.environment_quota
        if queries.count_living(self._session, tenant_id) >= quota:
            raise QuotaExceededError(f"All {quota} environments are in use. Destroy one that is no longer needed.")

    def _new(self, principal: Principal, source: _Source) -> Environment:
        name = rules.environment_name(source.repository, source.pull_request.number)
        moment = now()
        return Environment(
            tenant_id=principal.tenant_id,
            repository=source.repository,
            pull_request=source.pull_request.number,
            name=name,
            # Names are unguessable so that nobody finds an unannounced preview by counting.
            hostname=f"{name}-{secrets.token_hex(3)}.{self._settings.preview_domain}",
            blueprint="",
            blueprint_version="",
            head_sha=source.head_sha,
            seen_sha=source.pull_request.head_sha,
            requested_by=principal.actor,
            ttl_seconds=0,
            generation=0,
            created_at=moment,
            expires_at=moment,
            hard_expires_at=moment,
        )

    def _same(self, environment: Environment, source: _Source, version: AssetVersion, inputs: dict[str, Any]) -> bool:
        """Tell whether what is asked for is what is wanted already."""
        digests = [each["digest"] for each in environment.lock]
        return (
            environment.desired is Desired.PRESENT
            and environment.head_sha == source.head_sha
            and digests == [version.blob_digest]
            and self._open_inputs(environment) == inputs
        )

    def _open_inputs(self, environment: Environment) -> Any:
        if environment.sealed_inputs is None:
            return environment.inputs
        return SecretBox(self._settings).open(f"environments/{environment.id}/inputs", environment.sealed_inputs)

    def _write_wish(
        self,
        environment: Environment,
        source: _Source,
        version: AssetVersion,
        inputs: dict[str, Any],
        ttl: tuple[timedelta, timedelta],
    ) -> None:
        schema = version.input_schema or {}
        environment.branch = source.branch
        environment.head_sha = source.head_sha
        environment.seen_sha = source.pull_request.head_sha
        environment.absences = 0
        environment.blueprint = f"{version.namespace}/{version.name}"
        environment.blueprint_version = version.version
        environment.lock = [{"asset": environment.blueprint, "version": version.version, "digest": version.blob_digest}]
        environment.spec = dict(version.manifest["spec"])
        environment.inputs = without_secrets(schema, inputs)
        environment.sealed_inputs = None
        if any(True for _ in secret_pointers(schema)):
            purpose = f"environments/{environment.id}/inputs"
            environment.sealed_inputs = SecretBox(self._settings).seal(purpose, inputs)
        if environment.phase in {Phase.REQUESTED, Phase.DESTROYED}:
            environment.hard_expires_at = now() + ttl[1]
        self._prolong(environment, ttl)

    def _prolong(self, environment: Environment, ttl: tuple[timedelta, timedelta]) -> None:
        environment.ttl_seconds = int(ttl[0].total_seconds())
        environment.expires_at = rules.expiry(now(), ttl[0], environment.hard_expires_at)
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
        if before.phase in rules.LEAVING:
            return
        first = before.phase in {Phase.REQUESTED, Phase.DESTROYED}
        start_generation(self._session, environment, actor, reason, first=first)


def start_generation(session: Session, environment: Environment, actor: str, reason: str, *, first: bool) -> None:
    """Open an operation for the environment's newest generation and append the event that workers act on."""
    close_operation(session, environment)
    operation = OperationService(session).start(
        environment.tenant_id, "environment.deploy", f"environments/{environment.id}", DEPLOY_STEPS, actor
    )
    environment.operation_id = operation.id
    environment.failure = None
    environment.attempt = 0
    common = {
        **stamp(environment),
        "operation_id": operation.id,
        "head_sha": environment.head_sha,
        "blueprint_version": environment.blueprint_version,
    }
    if first:
        environment.destroyed_at = None
        request = EnvironmentRequested(
            **common,
            repository=environment.repository,
            pull_request=environment.pull_request,
            blueprint=environment.blueprint,
        )
        tell(session, environment, request, actor)
    else:
        tell(session, environment, EnvironmentUpdateRequested(**common, reason=reason), actor)
    session.add(environment)


def close_operation(session: Session, environment: Environment) -> None:
    """End the operation before, where it has not ended, because something newer is wanted."""
    if environment.operation_id is None:
        return
    operations = OperationService(session)
    current = operations.get(environment.tenant_id, environment.operation_id)
    if current.state is OperationState.PENDING:
        operations.finish(environment.tenant_id, current.id, OperationState.CANCELLED)


def _duration(text: str, pointer: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise InvalidInputError(str(error), [FieldError(pointer, str(error))]) from None
    if duration < timedelta(minutes=1):
        detail = "Give at least one minute, such as PT30M."
        raise InvalidInputError(detail, [FieldError(pointer, detail)])
    return duration
