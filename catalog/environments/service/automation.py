"""What begins by itself: environments of pull requests for which nobody has to ask one by one."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import Follow, parse_spec
from catalog.assets.inputs import without_secrets
from catalog.environments import queries
from catalog.environments.events import EnvironmentsAutomated
from catalog.environments.models import (
    Attempt,
    AutomateEnvironments,
    Automation,
    AutomationRead,
    Phase,
    RequestEnvironment,
)
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.wishes import blueprint_of, composed_of, duration
from catalog.environments.triggers import Act, Decision, Facts, decide
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError
from catalog.events import outbox
from catalog.gating import PolicyRefusedError
from catalog.overlays.service import OverlayService
from catalog.providers.scm import PullRequest, Repository, provider_for
from catalog.scm.service import LOCAL, ScmService
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal
from catalog.tenants.service import TenantService


class EnvironmentAutomation:
    """One unit of work on automations; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def automate(self, principal: Principal, asked: AutomateEnvironments) -> Automation:
        """Let pull requests of a repository have environments by themselves; once more replaces what was said before.

        Raises ``InvalidInputError`` for a repository, blueprint, inputs or time to live that cannot be.
        """
        principal.require("environments:write")
        try:
            repository = ScmService(self._session, self._settings).open(principal.tenant_id, asked.repository).address
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/repository", error.detail)]) from None
        version, _ = blueprint_of(self._session, principal.tenant_id, asked.blueprint, ())
        inputs = OverlayService(self._session).over(principal.tenant_id, version).complete(asked.inputs)
        if asked.ttl is not None:
            duration(asked.ttl, "/ttl")
        row = queries.automation_of(self._session, principal.tenant_id, repository, lock=True)
        if row is None:
            row = Automation(
                tenant_id=principal.tenant_id,
                repository=repository,
                blueprint="",
                sealed_inputs="",
                created_by=principal.name,
            )
        row.blueprint, row.labels, row.ttl, row.attempts = asked.blueprint, sorted(set(asked.labels)), asked.ttl, {}
        row.inputs = without_secrets(version.input_schema or {}, inputs)
        row.sealed_inputs = SecretBox(self._settings).seal(_purpose(row), asked.inputs)
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

    def look(self, tenant_id: UUID, automation_id: UUID) -> None:
        """Begin what is to begin in a repository on this machine; those elsewhere are listed less often."""
        row = queries.automation(self._session, tenant_id, automation_id)
        if row is None or provider_for(row.repository).name != LOCAL:
            return
        listed = ScmService(self._session, self._settings).open(tenant_id, row.repository).pull_requests()
        self.begin(tenant_id, row.repository, listed)

    def begin(self, tenant_id: UUID, repository: str, listed: Sequence[PullRequest]) -> None:
        """Ask for the environments that pull requests of a complete listing are to have and do not have yet."""
        row = queries.automation_of(self._session, tenant_id, repository, lock=True)
        if row is None:
            return
        attempts = {}
        follow: Follow | None = None
        for pull in sorted(listed, key=lambda each: each.number):
            key, before = str(pull.number), row.attempts.get(str(pull.number))
            if before is not None and (not before["problem"] or before["head_sha"] == pull.head_sha):
                if self._meets(row, pull):
                    attempts[key] = before
                continue
            if not self._meets(row, pull):
                continue
            follow = follow or self._follow(row)
            decision = self.decision(row, pull, listed, follow)
            if decision.act in {Act.MOVE, Act.HOLD, Act.BUILD}:
                attempts[key] = self._ask(row, pull, decision)
        if attempts != row.attempts:
            row.attempts = attempts
            self._session.add(row)

    def decision(
        self,
        row: Automation,
        pull: PullRequest,
        listed: Sequence[PullRequest],
        follow: Follow,
        repository: Repository | None = None,
    ) -> Decision:
        """Return what an automation means for a pull request that has no environment."""
        missing = sorted(set(row.labels) - pull.labels)
        if missing:
            why = f"It lacks the label {', '.join(missing)}, with which it would get an environment by itself."
            return Decision(act=Act.KEEP, rule="automatic", why=why)

        def changed() -> Sequence[str]:
            opened = repository or ScmService(self._session, self._settings).open(row.tenant_id, row.repository)
            return opened.changed_paths(opened.resolve(pull.base), pull.head_sha)

        facts = Facts(pull, 0, "", None, moves=True, quarantined=False, changed=changed, listed=lambda: listed)
        return decide(replace(facts, has_others=pull.is_fork and self._has_others(row, follow)), follow)

    def explain(self, tenant_id: UUID, repository: Repository, number: int) -> tuple[Decision, str] | None:
        """Return what a pull request without an environment will get by itself, and its commit; None: nothing."""
        row = queries.automation_of(self._session, tenant_id, repository.address)
        if row is None:
            return None
        pull = repository.pull_request(number)
        before = row.attempts.get(str(number))
        if before is None or (before["problem"] and before["head_sha"] != pull.head_sha):
            listed, follow = repository.pull_requests(), self._follow(row)
            return self.decision(row, pull, listed, follow, repository), pull.head_sha
        why = before["problem"] or "Its environment was made by itself and has been destroyed since. Request it again."
        return Decision(act=Act.KEEP, rule="automatic", why=why), pull.head_sha

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

    def _meets(self, row: Automation, pull: PullRequest) -> bool:
        return set(row.labels) <= pull.labels

    def _ask(self, row: Automation, pull: PullRequest, decision: Decision) -> dict[str, str]:
        """Ask for the environment of a pull request, or record that it waits for an approval or was refused."""
        present = queries.at_pull_request(self._session, row.tenant_id, row.repository, pull.number)
        attempt = {"head_sha": pull.head_sha, "problem": ""}
        if present is not None and present.phase is not Phase.DESTROYED:
            return attempt
        principal = system_principal(row.tenant_id)
        asked = RequestEnvironment(
            repository=row.repository,
            pull_request=pull.number,
            blueprint=row.blueprint,
            inputs=SecretBox(self._settings).open(_purpose(row), row.sealed_inputs),
            ttl=row.ttl,
        )
        service = EphemeralEnvironmentService(self._session, self._settings)
        try:
            with self._session.begin_nested():
                if decision.act is Act.MOVE:
                    service.request(principal, asked)
                else:
                    service.set_down(principal, asked, decision, None)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            service.set_down(principal, asked, None, refusal)
        except SlipwayError as error:
            attempt["problem"] = error.detail[:1000]
        return attempt

    def _tell(self, principal: Principal, row: Automation, action: str, *, ends: bool) -> None:
        data = EnvironmentsAutomated(
            automation_id=row.id,
            repository=row.repository,
            blueprint=row.blueprint,
            labels=tuple(row.labels),
            ends=ends,
        )
        subject = f"environments/automations/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)
        detail = {"repository": row.repository, "blueprint": row.blueprint}
        TenantService(self._session).audit(row.tenant_id, principal.actor, f"environment.{action}", subject, detail)


def read_automation(row: Automation) -> AutomationRead:
    """Return an automation as others read it."""
    attempts = [Attempt(pull_request=int(number), **each) for number, each in row.attempts.items()]
    return AutomationRead(
        **row.model_dump(exclude={"attempts", "tenant_id", "sealed_inputs"}),
        attempts=sorted(attempts, key=lambda each: each.pull_request),
    )


def _purpose(row: Automation) -> str:
    return f"environment_automations/{row.id}/inputs"
