"""What begins by itself: environments of pull requests for which nobody has to ask one by one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import BlueprintSpec, Follow, parse_spec
from catalog.assets.inputs import without_secrets
from catalog.assets.references import parse_reference
from catalog.clock import now
from catalog.environments import queries
from catalog.environments.automations import Attempt, AutomateEnvironments, Automation, AutomationRead
from catalog.environments.errors import QueueFullError, TargetNotOfferedError
from catalog.environments.events import EnvironmentsAutomated
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.places import Wishes, chosen_target
from catalog.environments.service.explaining import every_rule
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.rows import is_wanted
from catalog.environments.service.wishes import blueprint_of, composed_of, duration
from catalog.environments.triggers import BEGINS, Act, Decision, Facts, Weighed, decide, facts_of_new
from catalog.environments.withholding import exposed, secret_paths, with_secrets_of
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError, UnavailableError
from catalog.events import outbox
from catalog.gating import PolicyRefusedError
from catalog.overlays.service import OverlayService
from catalog.providers.scm import PullRequest, RateLimitedError, Repository
from catalog.scm.service import ScmService, is_local
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal
from catalog.tenants.service import TenantService

TRY_AGAIN = timedelta(minutes=1)
"""After how long a pull request is taken up again whose environment failed to begin for a passing reason."""


class EnvironmentAutomation:
    """One unit of work on automations; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def automate(
        self, principal: Principal, asked: AutomateEnvironments, forgotten: Collection[str] | None = None
    ) -> Automation:
        """Let pull requests of a repository have environments by themselves; once more replaces what was said before.

        Given ``forgotten``, secret inputs that are left out stay as they are where the blueprint does, but for those at
        its JSON pointers, such as ``/token``; without it nothing stays. Raises
        ``InvalidInputError`` for a repository, blueprint, inputs or time to live that cannot be.
        """
        principal.require("environments:write")
        try:
            repository = ScmService(self._session, self._settings).open(principal.tenant_id, asked.repository).address
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/repository", error.detail)]) from None
        version, _ = blueprint_of(self._session, principal.tenant_id, asked.blueprint, ())
        row = queries.automation_of(self._session, principal.tenant_id, repository, lock=True)
        given = asked.inputs
        if forgotten is not None and row is not None and _name(row.blueprint) == _name(asked.blueprint):
            before = SecretBox(self._settings).open(_purpose(row), row.sealed_inputs)
            given = with_secrets_of(given, before, row.inputs, version.input_schema or {}, forgotten)
        inputs = OverlayService(self._session).over(principal.tenant_id, version).complete(given)
        if asked.ttl is not None:
            duration(asked.ttl, "/ttl")
        if asked.target is not None:
            self._check_target(principal.tenant_id, asked.target, parse_spec(version.manifest))
        if row is None:
            row = Automation(
                tenant_id=principal.tenant_id,
                repository=repository,
                blueprint="",
                sealed_inputs="",
                created_by=principal.name,
            )
        row.blueprint, row.labels, row.ttl, row.attempts = asked.blueprint, sorted(set(asked.labels)), asked.ttl, {}
        row.target = asked.target
        row.inputs = without_secrets(version.input_schema or {}, inputs)
        row.sealed_inputs = SecretBox(self._settings).seal(_purpose(row), given)
        self._session.add(row)
        self._session.flush()
        ScmService(self._session, self._settings).note(principal.tenant_id, repository)
        self._tell(principal, row, "automate", ends=False)
        return row

    def end(self, principal: Principal, automation_id: UUID) -> None:
        """Begin nothing more by itself in a repository; environments that are there stay."""
        principal.require("environments:write")
        row = queries.automation(self._session, principal.tenant_id, automation_id)
        if row is None:
            raise NotFoundError(f"There is no automation {automation_id}.")
        self._tell(principal, row, "end_automation", ends=True)
        self._session.delete(row)

    def all(self, tenant_id: UUID) -> list[AutomationRead]:
        """Return the tenant's automations by repository."""
        return [read_automation(each) for each in queries.automations(self._session, tenant_id)]

    @staticmethod
    def local(session: Session) -> Sequence[tuple[UUID, UUID]]:
        """Return tenant and id of all automations; needs a session of the system role."""
        return queries.all_automations(session)

    def repository(self, tenant_id: UUID, automation_id: UUID) -> Repository | None:
        """Open the repository of an automation where it is on this machine; those elsewhere are listed less often."""
        row = queries.automation(self._session, tenant_id, automation_id)
        if row is None or not is_local(row.repository):
            return None
        return ScmService(self._session, self._settings).open(tenant_id, row.repository)

    def due(self, tenant_id: UUID, repository: str, listed: Sequence[PullRequest]) -> list[PullRequest]:
        """Return the pull requests of a complete listing that are to be taken up, and forget those that are gone.

        No provider is asked. Where the blueprint cannot be had, that is told of each, and tried again after a while.
        """
        row = queries.automation_of(self._session, tenant_id, repository, lock=True)
        if row is None:
            return []
        open_ones = {str(each.number): each for each in listed if set(row.labels) <= each.labels}
        attempts = {key: each for key, each in row.attempts.items() if key in open_ones}
        found = [each for key, each in open_ones.items() if _is_open(attempts.get(key), each)]
        found.sort(key=lambda each: each.number)
        try:
            follow = self._follow(row) if found else Follow()
        except SlipwayError as error:
            attempts |= {str(each.number): _passing(each, error.detail) for each in found}
            found = []
        else:
            found = [each for each in found if self._may_begin(each, listed, follow, attempts)]
        if attempts != row.attempts:
            row.attempts = attempts
            self._session.add(row)
        return found

    def begin(self, tenant_id: UUID, repository: str, pull: PullRequest, listed: Sequence[PullRequest]) -> bool:
        """Take up one pull request: ask for its environment where it is to have one, and write down what became of it.

        What is in the way is told and raises nothing. Returns whether the provider may be asked more now.
        """
        row = queries.automation_of(self._session, tenant_id, repository)
        if row is None or not _is_open(row.attempts.get(str(pull.number)), pull):
            return True
        attempt: dict[str, Any] | None
        may_ask = True
        try:
            follow = self._follow(row)
            attempt = self._attempt(row, pull, self.decision(row, pull, listed, follow), follow)
        except (UnavailableError, QueueFullError, TargetNotOfferedError) as error:
            attempt = _passing(pull, error.detail)
            may_ask = not isinstance(error, RateLimitedError)
        except SlipwayError as error:
            attempt = {"head_sha": pull.head_sha, "problem": error.detail[:1000]}
        said = row.sealed_inputs
        # Locked only to write: others may write of other pull requests meanwhile, or ask for something else.
        row = queries.automation_of(self._session, tenant_id, repository, lock=True)
        if attempt is not None and row is not None and row.sealed_inputs == said:
            row.attempts = {**row.attempts, str(pull.number): attempt}
            self._session.add(row)
        return may_ask

    def decision(self, row: Automation, pull: PullRequest, listed: Sequence[PullRequest], follow: Follow) -> Decision:
        """Return what an automation means for a pull request that has no environment."""
        return _unlabelled(row, pull) or decide(self._facts(row, pull, listed, follow), follow)

    def explain(self, tenant_id: UUID, repository: Repository, number: int) -> tuple[str, list[Weighed]] | None:
        """Return the commit of a pull request without an environment, and what every rule says of it, in their order.

        The first that says something decides whether it gets one by itself. None: nothing begins there by itself.
        """
        row = queries.automation_of(self._session, tenant_id, repository.address)
        if row is None:
            return None
        pull = repository.pull_request(number)
        first = _attempted(row, pull) or _unlabelled(row, pull)
        rules_said = [Weighed(rule="automatic", says=first)]
        try:
            facts = self._facts(row, pull, repository.pull_requests(), self._follow(row), repository)
            rules_said += every_rule(facts, self._follow(row))
        except SlipwayError:
            # What was in the way is said all the same, though the blueprint is gone that has the other rules.
            if first is None:
                raise
        return pull.head_sha, rules_said

    def _facts(
        self,
        row: Automation,
        pull: PullRequest,
        listed: Sequence[PullRequest],
        follow: Follow,
        repository: Repository | None = None,
    ) -> Facts:
        def changed() -> Sequence[str]:
            opened = repository or ScmService(self._session, self._settings).open(row.tenant_id, row.repository)
            return opened.changed_paths(opened.resolve(pull.base), pull.head_sha)

        others = pull.is_fork and self._has_others(row, follow)
        return replace(facts_of_new(pull, listed, has_others=others), changed=changed)

    def ask_for(self, principal: Principal, repository: str, pull_request: int) -> Environment | None:
        """Ask for the environment of a pull request, whatever its labels; None where nothing begins there by itself.

        Raises as ``EphemeralEnvironmentService.request`` does.
        """
        row = queries.automation_of(self._session, principal.tenant_id, repository)
        if row is None:
            return None
        asked = self._request(row, pull_request)
        return EphemeralEnvironmentService(self._session, self._settings).request(
            principal, asked, automation=row.target
        )

    def target_of(self, environment: Environment) -> str | None:
        """Return the target that what begins by itself names for an environment of its blueprint; None: no other."""
        row = queries.automation_of(self._session, environment.tenant_id, environment.repository)
        same = row is not None and "/".join(_name(row.blueprint)) == environment.blueprint
        return row.target if row is not None and same else None

    def _request(self, row: Automation, pull_request: int) -> RequestEnvironment:
        """Return what an automation asks for; raise where the blueprint would show now what was a secret."""
        if any(secret_paths(row.inputs)):
            version, _ = blueprint_of(self._session, row.tenant_id, row.blueprint, ())
            if shown := exposed(version.input_schema or {}, row.inputs):
                names = ", ".join(".".join(each) for each in shown)
                detail = f"{version.namespace}/{version.name} {version.version} no longer keeps secret: {names}."
                raise InvalidInputError(f"{detail} Say anew what begins here by itself.")
        return RequestEnvironment(
            repository=row.repository,
            pull_request=pull_request,
            blueprint=row.blueprint,
            inputs=SecretBox(self._settings).open(_purpose(row), row.sealed_inputs),
            ttl=row.ttl,
        )

    def _check_target(self, tenant_id: UUID, target: str, spec: BlueprintSpec) -> None:
        """Raise ``InvalidInputError`` where nothing of a blueprint could go to a target now."""
        tenant = TenantService(self._session).get(tenant_id).name
        chosen_target(self._settings, Wishes(request=target), spec, tenant)

    def _follow(self, row: Automation) -> Follow:
        version, _ = blueprint_of(self._session, row.tenant_id, row.blueprint, ())
        return parse_spec(version.manifest).follow

    def _has_others(self, row: Automation, follow: Follow) -> bool:
        if follow.forks != "strip":
            return False
        version, lock = blueprint_of(self._session, row.tenant_id, row.blueprint, ())
        try:
            spec, _ = composed_of(self._session, self._settings, row.tenant_id, version, lock)
        except SlipwayError:
            return True
        return bool(parse_spec({"spec": spec}).environment.repositories)

    def _may_begin(
        self,
        pull: PullRequest,
        listed: Sequence[PullRequest],
        follow: Follow,
        attempts: Mapping[str, Any],
    ) -> bool:
        """Tell whether it pays to take a pull request up, without asking which paths it changes."""
        before = attempts.get(str(pull.number))
        if before is not None and before == before | {"head_sha": pull.head_sha, **_compared(pull, follow)}:
            return False
        decision = decide(facts_of_new(pull, listed), follow)
        return decision.act in BEGINS or decision.rule == "path"

    def _attempt(self, row: Automation, pull: PullRequest, decision: Decision, follow: Follow) -> dict[str, Any] | None:
        """Ask for the environment of a pull request, or record that it waits for an approval or was refused.

        None says that there is nothing to remember: it is looked at again.
        """
        if decision.rule == "path":
            return {"head_sha": pull.head_sha, "problem": decision.why[:1000], **_compared(pull, follow)}
        if decision.act not in BEGINS:
            return None
        present = queries.at_pull_request(self._session, row.tenant_id, row.repository, pull.number)
        attempt = {"head_sha": pull.head_sha, "problem": ""}
        if present is not None and present.phase is not Phase.DESTROYED:
            # What is being removed belongs to the life before: it begins again once that is over.
            return attempt if is_wanted(present) else None
        principal = system_principal(row.tenant_id)
        asked = self._request(row, pull.number)
        service = EphemeralEnvironmentService(self._session, self._settings)
        try:
            with self._session.begin_nested():
                if decision.act is Act.MOVE:
                    service.request(principal, asked, automation=row.target)
                else:
                    service.set_down(principal, asked, decision, None, automation=row.target)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            with self._session.begin_nested():
                service.set_down(principal, asked, None, refusal, automation=row.target)
        return attempt

    def _tell(self, principal: Principal, row: Automation, action: str, *, ends: bool) -> None:
        data = EnvironmentsAutomated(
            automation_id=row.id,
            repository=row.repository,
            blueprint=row.blueprint,
            labels=tuple(row.labels),
            ends=ends,
            target=row.target,
        )
        subject = f"environments/automations/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)
        detail = {"repository": row.repository, "blueprint": row.blueprint}
        TenantService(self._session).audit(row.tenant_id, principal.actor, f"environment.{action}", subject, detail)


def _name(blueprint: str) -> tuple[str, str]:
    wanted = parse_reference(blueprint, "/blueprint")
    return wanted.namespace, wanted.name


def read_automation(row: Automation) -> AutomationRead:
    """Return an automation as others read it."""
    attempts = [Attempt(pull_request=int(number), **each) for number, each in row.attempts.items()]
    return AutomationRead(
        **row.model_dump(exclude={"attempts", "tenant_id", "sealed_inputs"}),
        attempts=sorted(attempts, key=lambda each: each.pull_request),
    )


def _unlabelled(row: Automation, pull: PullRequest) -> Decision | None:
    """Return that a pull request lacks a label that the automation asks for, if it does."""
    missing = sorted(set(row.labels) - pull.labels)
    if not missing:
        return None
    why = f"It lacks the label {', '.join(missing)}, with which it would get an environment by itself."
    return Decision(act=Act.KEEP, rule="automatic", why=why)


def _attempted(row: Automation, pull: PullRequest) -> Decision | None:
    """Return what became of a pull request that was taken up and is not to be taken up again as it is, or not yet."""
    before = row.attempts.get(str(pull.number))
    if before is None or (before["problem"] and (before["head_sha"] != pull.head_sha or _is_open(before, pull))):
        return None
    if not before["problem"]:
        why = "It got an environment by itself once, and that was destroyed. Another one has to be requested."
    elif again_at := before.get("again_at"):
        at = f"{datetime.fromisoformat(again_at):%H:%M:%S} UTC"
        why = f"Its environment could not begin: {before['problem']} It is tried again by itself at {at}."
    else:
        next_ = "It is tried again with the next commit, or when you request it."
        why = f"Its environment could not begin with commit {pull.head_sha[:8]}: {before['problem']} {next_}"
    return Decision(act=Act.KEEP, rule="automatic", why=why)


def _is_open(before: Mapping[str, Any] | None, pull: PullRequest) -> bool:
    """Tell whether a pull request is still to be taken up: not yet, or in vain and something may be different now."""
    if before is None:
        return True
    if before["head_sha"] != pull.head_sha:
        return bool(before["problem"])
    again_at = before.get("again_at")
    return "paths" in before or (again_at is not None and datetime.fromisoformat(again_at) <= now())


def _passing(pull: PullRequest, problem: str) -> dict[str, Any]:
    """Return an attempt that failed for a reason that may pass by itself."""
    again_at = (now() + TRY_AGAIN).isoformat()
    return {"head_sha": pull.head_sha, "problem": problem[:1000], "again_at": again_at}


def _compared(pull: PullRequest, follow: Follow) -> dict[str, Any]:
    """Return what the changed paths of a commit were compared by: as long as that is the same, so is the answer."""
    return {"base": pull.base, "paths": list(follow.paths)}


def _purpose(row: Automation) -> str:
    return f"environment_automations/{row.id}/inputs"
