"""Wishes: what a request asks for, looked up and checked, before anything is written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import BlueprintSpec, makes_environments, parse_spec
from catalog.assets.durations import parse_duration
from catalog.assets.inputs import secret_pointers, without_secrets
from catalog.assets.models import AssetVersion
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.environments import queries
from catalog.environments.life import TtlBase
from catalog.environments.models import Desired, Environment, Phase, RequestEnvironment
from catalog.environments.places import Wishes, chosen_target, passed_over
from catalog.environments.room import size_of
from catalog.environments.seeds import check_seeds
from catalog.environments.sources import pinned, pins
from catalog.environments.specs import why_unreadable
from catalog.environments.withholding import with_secrets_of, without
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.overlays.service import OverlayService
from catalog.providers.blobs import open_blobs
from catalog.providers.scm import (
    CommitNotFoundError,
    PullRequest,
    PullRequestNotFoundError,
    RepositoryNotFoundError,
)
from catalog.providers.targets import provider
from catalog.scm.service import ScmService
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenants.secrets import SecretService
from catalog.tenants.service import TenantService

BLUEPRINT_KIND = "deployment-blueprint"
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True)
class Wish:
    """What an environment shall be: every part exists and fits the others. ``inputs`` are complete, secrets and all.

    ``spec`` is the blueprint's, joined with the blueprints that it uses; ``versions`` are it and those.
    """

    repository: str
    pull_request: PullRequest
    branch: str | None
    head_sha: str
    version: AssetVersion
    lock: list[dict[str, Any]]
    spec: dict[str, Any]
    versions: Sequence[AssetVersion]
    inputs: dict[str, Any]
    ttl: timedelta
    maximum: timedelta
    target: str = "local"
    passed_over: str = ""
    """That the tenant's choice of a target is not offered any more, where it went elsewhere for that."""

    @classmethod
    def resolve(
        cls,
        session: Session,
        settings: Settings,
        tenant_id: UUID,
        asked: RequestEnvironment,
        forgotten: Collection[str] | None = None,
        automation: str | None = None,
    ) -> "Wish":
        """Look up and check everything a request names; ``automation`` is the target of what begins by itself.

        Given ``forgotten``, secrets that the environment has stay, but for those at its JSON pointers. Raises
        ``InvalidInputError`` with the field at fault, or ``OverlayConflictError`` where what the tenant narrows of the
        blueprint does not fit its version.
        """
        repository, pull_request, head_sha = _source(session, settings, tenant_id, asked)
        present = queries.by_pull_request(session, tenant_id, repository, pull_request.number)
        in_use = present.lock if present is not None and present.phase is not Phase.DESTROYED else []
        version, lock = blueprint_of(session, tenant_id, asked.blueprint, in_use)
        given = asked.inputs
        if forgotten is not None and present is not None and present.blueprint == f"{version.namespace}/{version.name}":
            before = open_inputs(present, settings)
            given = with_secrets_of(given, before, present.inputs, version.input_schema or {}, forgotten)
        inputs = OverlayService(session).over(tenant_id, version).complete(given)
        ttl, maximum = _ttl(settings, asked.ttl, parse_spec(version.manifest))
        spec, versions = composed_of(session, settings, tenant_id, version, lock)
        spec = pinned(session, settings, tenant_id, spec, inputs)
        check_seeds(session, settings, tenant_id, parse_spec({"spec": spec}))
        _check_secrets(session, settings, tenant_id, versions)
        tenant = TenantService(session).get(tenant_id).name
        choice = queries.target_choice(session, tenant_id)
        wishes = Wishes(
            request=asked.target,
            runs_at=present.target if present is not None and present.phase is not Phase.DESTROYED else None,
            automation=automation,
            tenant=None if choice is None else choice.target,
        )
        placement = chosen_target(settings, wishes, parse_spec({"spec": spec}), tenant)
        return cls(
            repository=repository,
            pull_request=pull_request,
            branch=asked.branch,
            head_sha=head_sha,
            version=version,
            lock=lock,
            spec=spec,
            versions=versions,
            inputs=inputs,
            ttl=ttl,
            maximum=maximum,
            target=placement.target or "",
            passed_over=passed_over(placement, settings, tenant),
        )

    def is_that_of(self, environment: Environment, settings: Settings) -> bool:
        """Tell whether this is what is wanted of the environment already."""
        return (
            environment.desired is Desired.PRESENT
            and environment.head_sha == self.head_sha
            and environment.target == self.target
            and _digests(environment.lock) == _digests(self.lock)
            and not why_unreadable(environment)
            and pins(environment.spec) == pins(self.spec)
            and open_inputs(environment, settings) == self.inputs
        )

    def write(self, environment: Environment, settings: Settings) -> None:
        """Write the wish into the row; secret inputs are sealed."""
        schema = self.version.input_schema or {}
        environment.branch = self.branch
        environment.head_sha = self.head_sha
        environment.seen_sha = self.pull_request.head_sha
        environment.seen_base = self.pull_request.base
        environment.seen_base_sha = None
        environment.absences = 0
        environment.target = self.target
        environment.blueprint = f"{self.version.namespace}/{self.version.name}"
        environment.blueprint_version = self.version.version
        environment.lock = self.lock
        environment.spec = self.spec
        spec = parse_spec({"spec": self.spec})
        environment.size = size_of(spec)
        environment.ttl_base = TtlBase(spec.ttl.base)
        environment.sleep_after_seconds = None
        if spec.sleep_after is not None and provider(self.target).wakes:
            environment.sleep_after_seconds = int(spec.sleep_after.total_seconds())
        environment.visits_count = spec.sleep is None or spec.sleep.visits_count
        environment.inputs = without_secrets(schema, self.inputs)
        environment.sealed_inputs = None
        if any(True for _ in secret_pointers(schema)):
            environment.sealed_inputs = SecretBox(settings).seal(_purpose(environment), self.inputs)


def open_inputs(environment: Environment, settings: Settings) -> dict[str, Any]:
    """Return the environment's inputs with its secrets; for workers and comparisons, never for readers."""
    if environment.sealed_inputs is None:
        return environment.inputs
    opened: dict[str, Any] = SecretBox(settings).open(_purpose(environment), environment.sealed_inputs)
    return opened


def asked_again(environment: Environment, settings: Settings) -> RequestEnvironment:
    """Return a request for an environment that is gone with what it was made of: its blueprint's version and inputs."""
    return RequestEnvironment(
        repository=environment.repository,
        pull_request=environment.pull_request,
        branch=environment.branch,
        blueprint=f"{environment.blueprint}=={environment.blueprint_version}",
        inputs=open_inputs(environment, settings),
    )


def inputs_of(environment: Environment, settings: Settings) -> dict[str, Any]:
    """Return the inputs with which the environment's commit runs: without secrets where it has to do without them."""
    return inputs_without_secrets(environment, settings) if environment.withheld else open_inputs(environment, settings)


def inputs_without_secrets(environment: Environment, settings: Settings) -> dict[str, Any]:
    """Return the environment's inputs without those that are secret."""
    return without(open_inputs(environment, settings), environment.inputs)


def duration(text: str, pointer: str) -> timedelta:
    """Read an ISO 8601 duration of at least a minute; raise ``InvalidInputError`` for the field ``pointer``."""
    try:
        wanted = parse_duration(text)
    except ValueError as error:
        raise InvalidInputError(str(error), [FieldError(pointer, str(error))]) from None
    if wanted < SHORTEST:
        detail = "Give at least one minute, such as PT30M."
        raise InvalidInputError(detail, [FieldError(pointer, detail)])
    return wanted


def _purpose(environment: Environment) -> str:
    return f"environments/{environment.id}/inputs"


def _source(
    session: Session, settings: Settings, tenant_id: UUID, asked: RequestEnvironment
) -> tuple[str, PullRequest, str]:
    field = "/repository"
    try:
        repository = ScmService(session, settings).open(tenant_id, asked.repository)
        field = "/branch" if asked.branch else "/pull_request"
        found = repository.pull_request(asked.pull_request, asked.branch)
        field = "/head_sha"
        sha = repository.commit(asked.head_sha) if asked.head_sha else found.head_sha
    except (RepositoryNotFoundError, PullRequestNotFoundError, CommitNotFoundError, InvalidInputError) as error:
        raise InvalidInputError(error.detail, [FieldError(field, error.detail)]) from None
    return repository.address, found, sha


def _digests(lock: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(each["asset"]): str(each["digest"]).removeprefix("sha256:") for each in lock}


def blueprint_of(
    session: Session, tenant_id: UUID, reference: str, in_use: Sequence[Mapping[str, Any]]
) -> tuple[AssetVersion, list[dict[str, Any]]]:
    """Return the blueprint's version and the lock of it with all it needs; nothing in use goes down by itself."""
    wanted = parse_reference(reference, "/blueprint")
    name = f"{wanted.namespace}/{wanted.name}"
    assets = AssetService(session)
    try:
        resolution = assets.resolve_reference(
            tenant_id, wanted, in_use if any(each["asset"] == name for each in in_use) else (), "/blueprint"
        )
    except SlipwayError as error:
        raise InvalidInputError(error.detail, [FieldError("/blueprint", error.detail)]) from None
    chosen = next(each.version for each in resolution.lock if each.asset == name)
    version = assets.version(tenant_id, wanted.namespace, wanted.name, chosen)
    if version.kind != BLUEPRINT_KIND:
        detail = f"{wanted} is a {version.kind}; an environment is made from a {BLUEPRINT_KIND}."
        raise InvalidInputError(detail, [FieldError("/blueprint", detail)])
    if not makes_environments(version.manifest):
        detail = f"{wanted} says how releases move, and not what an environment is made of."
        raise InvalidInputError(detail, [FieldError("/blueprint", detail)])
    return version, [each.as_json() for each in resolution.lock]


def composed_of(
    session: Session, settings: Settings, tenant_id: UUID, version: AssetVersion, lock: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], Sequence[AssetVersion]]:
    """Return the spec of a blueprint joined with its parts, and every version that has a part in it."""
    try:
        return AssetService(session).composed(tenant_id, version, lock, open_blobs(settings))
    except InvalidInputError as error:
        raise InvalidInputError(error.detail, [FieldError("/blueprint", error.detail)]) from None


def _check_secrets(session: Session, settings: Settings, tenant_id: UUID, versions: Sequence[AssetVersion]) -> None:
    """Raise ``InvalidInputError`` where a blueprint names a secret that is not there for it."""
    for each in versions:
        if each.kind == BLUEPRINT_KIND and makes_environments(each.manifest):
            names, own = parse_spec(each.manifest).environment.secrets, each.tenant_id == tenant_id
            SecretService(session, settings).check(tenant_id, names, f"{each.namespace}/{each.name}", own=own)


def _ttl(settings: Settings, text: str | None, spec: BlueprintSpec) -> tuple[timedelta, timedelta]:
    maximum = min(spec.maximum_ttl, timedelta(seconds=settings.environment_maximum_ttl_seconds))
    wanted = spec.default_ttl if text is None else duration(text, "/ttl")
    if text is not None and wanted > maximum:
        detail = f"At most {maximum} is allowed here."
        raise InvalidInputError(detail, [FieldError("/ttl", detail)])
    return min(wanted, maximum), maximum
