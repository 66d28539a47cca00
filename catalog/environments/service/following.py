"""How environments follow their pull requests: one policy decides, approvals of forks are bound to a commit."""

import json
from collections.abc import Sequence
from uuid import UUID

from catalog.assets.blueprint_spec import Follow
from catalog.assets.service import AssetService
from catalog.environments import queries, rules
from catalog.environments.events import EnvironmentApprovalNeeded, EnvironmentCommitApproved
from catalog.environments.models import Environment, Explanation, Phase
from catalog.environments.service.generations import demand, dismiss
from catalog.environments.service.life import EnvironmentLife
from catalog.environments.service.rows import (
    PLAN_REFUSED,
    REFUSED,
    clear_condition,
    find,
    set_condition,
    situation,
    stamp,
    tell,
)
from catalog.environments.triggers import Act, Decision, Facts, decide
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.gating import PolicyRefusedError, verdict_summary
from catalog.providers.scm import (
    PullRequest,
    PullRequestNotFoundError,
    Repository,
    RepositoryNotFoundError,
    provider_for,
)
from catalog.scm.service import LOCAL, ScmService
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

NOTED = "Following"
"""The condition that says why a commit of the pull request does not move its environment."""


class EnvironmentFollowing(EnvironmentLife):
    """What happens to environments because of their pull requests; everything in the session's transaction."""

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

    def explain(self, principal: Principal, address: str, number: int) -> Explanation:
        """Say what a pull request means for its environment now, and by which rule, changing nothing.

        Raises ``InvalidInputError`` for a repository that cannot be opened, and the provider's own errors.
        """
        principal.require("environments:read")
        repository = ScmService(self._session, self._settings).open(principal.tenant_id, address)
        environment = queries.at_pull_request(self._session, principal.tenant_id, repository.address, number)
        if environment is None or environment.phase is Phase.DESTROYED:
            why = "Nobody asked for an environment of it; a request makes one, with the blueprint that it names."
            decision = Decision(act=Act.KEEP, rule="requested", why=why)
            return Explanation(repository=repository.address, pull_request=number, decision=decision)
        try:
            found = repository.pull_request(number, environment.branch)
        except PullRequestNotFoundError:
            found = None
        decision = decide(self._facts(environment, found, repository), self._policy(environment))
        return Explanation(
            repository=repository.address,
            pull_request=number,
            decision=decision,
            environment=environment.id,
            head_sha=None if found is None else found.head_sha,
        )

    def approve(self, principal: Principal, environment_id: UUID, head_sha: str) -> Environment:
        """Let exactly one commit of a fork be deployed: the one that waits, and that the pull request is still at.

        Raises ``ConflictError`` where another commit waits or was pushed meanwhile; the next one waits again.
        """
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.waiting_sha is None:
            raise ConflictError("No commit waits for an approval.")
        if environment.waiting_sha != head_sha:
            raise ConflictError(
                f"Commit {environment.waiting_sha[:12]} waits, and not {head_sha[:12]}. Look at it first."
            )
        found = self._repository(environment).pull_request(environment.pull_request, environment.branch)
        if found.head_sha != head_sha:
            raise ConflictError(f"Meanwhile {found.head_sha[:12]} was pushed, which nobody has approved.")
        environment.approved_sha, environment.waiting_sha = head_sha, None
        data = EnvironmentCommitApproved(**stamp(environment), head_sha=head_sha)
        tell(self._session, environment, data, principal.actor)
        detail = {"name": environment.name, "head_sha": head_sha}
        subject = f"environments/{environment.id}"
        TenantService(self._session).audit(principal.tenant_id, principal.actor, "environment.approve", subject, detail)
        self._observe(environment, found, principal.actor)
        return environment

    def _admit_fork(self, environment: Environment, pull: PullRequest) -> None:
        """Take a request for a fork's commit as the approval of that commit, unless the blueprint refuses forks."""
        environment.waiting_sha = None
        if not pull.is_fork:
            return
        if self._policy(environment).forks == "refuse":
            detail = "It comes from a fork, and this blueprint makes no environments of forks."
            raise InvalidInputError(detail, [FieldError("/pull_request", detail)])
        environment.approved_sha = environment.head_sha

    def _observe(self, environment: Environment, found: PullRequest | None, actor: str) -> None:
        environment.absences = 0 if found is not None else environment.absences + 1
        self._session.add(environment)
        decision = decide(self._facts(environment, found), self._policy(environment))
        if decision.act is Act.DISMISS:
            dismiss(self._session, environment, actor, decision.why if decision.rule in _SPELLED else _CLOSED)
        elif found is None or decision.rule == "unchanged":
            return
        elif decision.act is Act.MOVE:
            clear_condition(environment, NOTED)
            environment.waiting_sha = None
            self._move(environment, found.head_sha, actor)
        elif decision.act is Act.HOLD:
            self._hold(environment, found.head_sha, decision.why)
        elif decision.act is Act.NOTE:
            environment.seen_sha = found.head_sha
            set_condition(environment, NOTED, decision.rule.capitalize(), decision.why, status=False)

    def _hold(self, environment: Environment, head_sha: str, why: str) -> None:
        if environment.waiting_sha == head_sha:
            return
        # Whatever was approved before is void: an approval is of one commit.
        environment.waiting_sha, environment.approved_sha = head_sha, None
        set_condition(environment, NOTED, "ApprovalNeeded", why, status=False)
        data = EnvironmentApprovalNeeded(**stamp(environment), name=environment.name, head_sha=head_sha)
        tell(self._session, environment, data, "system")

    def _facts(
        self, environment: Environment, found: PullRequest | None, repository: Repository | None = None
    ) -> Facts:
        def changed() -> Sequence[str]:
            opened = repository or self._repository(environment)
            return opened.changed_paths(opened.resolve(found.base), found.head_sha) if found is not None else ()

        return Facts(
            pull_request=found,
            absences=environment.absences,
            seen_sha=environment.seen_sha,
            approved_sha=environment.approved_sha,
            moves=rules.follows(situation(environment)),
            quarantined=AssetService(self._session).is_held(environment.tenant_id, f"environments/{environment.id}"),
            changed=changed,
        )

    def _policy(self, environment: Environment) -> Follow:
        return Follow.model_validate_json(json.dumps(environment.spec.get("follow") or {}), strict=True)

    def _repository(self, environment: Environment) -> Repository:
        return ScmService(self._session, self._settings).open(environment.tenant_id, environment.repository)

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

    def _try_again(self, environment: Environment) -> None:
        """Have the engine look ahead again, unless policies refuse without that; the worker asks about the plan."""
        try:
            with self._session.begin_nested():
                self._pass_gate(environment, "system", is_new=not environment.observed_generation)
                demand(self._session, environment, "system", "policies changed")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)

    def _move(self, environment: Environment, head_sha: str, actor: str) -> None:
        """Move the environment to another commit, or say on its page why policies do not let it."""
        try:
            with self._session.begin_nested():
                environment.seen_sha = environment.head_sha = head_sha
                self._pass_gate(environment, actor, is_new=False)
                demand(self._session, environment, actor, "new commit")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            # Seen, so that the same commit is not asked about every few seconds.
            environment.seen_sha = head_sha
            environment.verdict = verdict_summary(refusal.verdict)
            message = f"Commit {head_sha[:8]} is not deployed. {refusal.detail}"
            set_condition(environment, REFUSED, "PolicyRefused", message, status=False)
            self._session.add(environment)

    def _pass_gate(self, environment: Environment, actor: str, *, is_new: bool) -> None:
        self._ask_policies(environment, actor, is_new=is_new)
        clear_condition(environment, REFUSED)


_CLOSED = "pull request closed"
_SPELLED = {"label", "base"}
"""The rules whose own words are the reason of a removal."""
