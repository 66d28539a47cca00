"""How environments follow their pull requests: one policy decides, approvals of forks are bound to a commit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from catalog.assets.blueprint_spec import Follow
from catalog.assets.service import AssetService
from catalog.environments import queries, rules
from catalog.environments.events import (
    EnvironmentApprovalNeeded,
    EnvironmentBuildRequested,
    EnvironmentCommitApproved,
)
from catalog.environments.machine import APPLYING, Event, step
from catalog.environments.models import Environment, Phase
from catalog.environments.service.generations import dismiss
from catalog.environments.service.moving import DRAFT, NOTED, ORDERLY, EnvironmentMoves, waits_as_draft
from catalog.environments.service.rows import (
    clear_condition,
    find,
    refusal_of,
    set_condition,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.environments.service.watching import WATCHED, cannot_watch
from catalog.environments.specs import has_other_repositories, spec_of, why_unreadable
from catalog.environments.triggers import Act, Decision, Facts, decide, runs_stripped, strips
from catalog.environments.withholding import withheld_names
from catalog.errors import ConflictError, FieldError, InvalidInputError, SlipwayError
from catalog.providers.scm import (
    CommitNotFoundError,
    PullRequest,
    PullRequestNotFoundError,
    Repository,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
)
from catalog.scm.service import ScmService, is_local
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

BUILT = "Built"
"""The condition that says whether a commit that waits for an approval can be fetched and planned."""


class EnvironmentFollowing(EnvironmentMoves):
    """What happens to environments because of their pull requests; everything in the session's transaction."""

    def follow(
        self,
        environment: Environment,
        actor: str,
        others: Sequence[PullRequest] | None = None,
        *,
        counts: bool = False,
    ) -> None:
        """Compare the environment with its pull request as it is now, and move or dismiss it accordingly.

        A provider that does not answer, and a repository that cannot be read, change nothing; a pull request must be
        missing twice before it counts as closed, because a repository in the middle of a push may show neither the old
        ref nor the new one. That it is missing now ``counts`` where the clock looks, and not where a hook does: two
        hooks may come in the middle of the same push.
        ``others`` is a listing of the repository's open pull requests, where there is one already.
        """
        if environment.phase is Phase.DESTROYED:
            return
        try:
            repository = ScmService(self._session, self._settings).open(environment.tenant_id, environment.repository)
            found = repository.pull_request(environment.pull_request, environment.branch)
        except PullRequestNotFoundError:
            found = None
        except (RepositoryNotFoundError, RepositoryUnavailableError) as error:
            cannot_watch(self._session, environment, error)
            return
        self._observe(environment, found, actor, others, tip=self._tip(environment, found), counts=counts)

    def living(self, tenant_id: UUID, repository: str) -> list[UUID]:
        """Return the living environments of a repository."""
        return [each.id for each in queries.of_repository(self._session, tenant_id, repository)]

    def follow_listed(
        self,
        tenant_id: UUID,
        environment_id: UUID,
        listed: Sequence[PullRequest],
        is_newest: Callable[[], bool] = lambda: True,
    ) -> None:
        """Compare one environment with a complete listing of its repository's pull requests, if that is the newest.

        What has to be asked of the provider is asked before anything is locked.
        """
        by_number = {each.number: each for each in listed}
        environment = find(self._session, tenant_id, environment_id)
        found = by_number.get(environment.pull_request)
        tip = self._tip(environment, found)
        paths = self._compared(environment, found, listed, tip)
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase is not Phase.DESTROYED and is_newest():
            self._observe(environment, found, "system", listed, paths, tip)

    def pull_requests_of(self, tenant_id: UUID, repository: str) -> set[int]:
        """Return the pull requests of a repository that have living environments."""
        return {each.pull_request for each in queries.of_repository(self._session, tenant_id, repository)}

    def approve(self, principal: Principal, environment_id: UUID, head_sha: str) -> Environment:
        """Let exactly one commit be deployed: the one of a fork or a draft that waits, and that the pull request is at.

        Raises ``ConflictError`` where another commit waits or was pushed meanwhile; the next one waits again.
        """
        principal.require("environments:write")
        environment = find(self._session, principal.tenant_id, environment_id, lock=True)
        if environment.waiting_sha is None or not rules.follows(situation(environment)):
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
        self._observe(environment, found, principal.actor, tip=self._tip(environment, found))
        if environment.phase is Phase.PENDING_APPROVAL and refusal_of(environment) is not None:
            # Nothing waits for an approval any more; policies are asked again once they change.
            settle(environment, step(situation(environment), Event.REFUSED))
        return environment

    def _admit_fork(self, environment: Environment, pull: PullRequest) -> None:
        """Take a request that names a fork's commit as its approval, unless the blueprint refuses forks."""
        environment.waiting_sha = None
        policy = self._policy(environment)
        if not pull.is_fork or runs_stripped(policy, has_others=has_other_repositories(environment.spec)):
            environment.withheld = self._withheld(environment, replace(pull, head_sha=environment.head_sha), policy)
            return
        if policy.forks == "refuse":
            detail = "It comes from a fork, and this blueprint makes no environments of forks."
            raise InvalidInputError(detail, [FieldError("/pull_request", detail)])
        environment.approved_sha, environment.withheld = environment.head_sha, []

    def _withheld(self, environment: Environment, pull: PullRequest, policy: Follow) -> list[str]:
        """Return the names of what a pull request's commit does without."""
        if not strips(pull, policy, environment.approved_sha):
            return []
        return withheld_names(spec_of(environment), environment.inputs)

    def _observe(
        self,
        environment: Environment,
        found: PullRequest | None,
        actor: str,
        others: Sequence[PullRequest] | None = None,
        paths: Sequence[str] | None = None,
        tip: str | None = None,
        *,
        counts: bool = True,
    ) -> None:
        environment.absences = 0 if found is not None else environment.absences + counts
        clear_condition(environment, WATCHED)
        self._session.add(environment)
        facts = self._facts(environment, found, others=others, tip=tip)
        facts = facts if paths is None else replace(facts, changed=lambda: paths)
        decision = decide(facts, self._policy(environment))
        if decision.act is Act.DISMISS:
            why = decision.why if decision.rule in _SPELLED else _CLOSED
            # What is merged is not opened again.
            comes_back = found is None or not found.is_merged
            dismiss(self._session, environment, actor, why, comes_back=comes_back)
        elif why_unreadable(environment):
            return  # its commit stays unseen, and nothing of it is deployed: what withholds secrets is not known
        elif found is None or decision.rule == "unchanged":
            if found is not None:
                environment.seen_base = environment.seen_base or found.base
                environment.seen_base_sha = environment.seen_base_sha or tip
            return
        elif decision.act is Act.MOVE:
            policy = self._policy(environment)
            clear_condition(environment, NOTED)
            environment.waiting_sha = None
            environment.seen_base, environment.seen_base_sha = found.base, tip
            environment.withheld = self._withheld(environment, found, policy)
            # One that waits for room gives way to the newest, unless each commit has its turn.
            environment.backlog = environment.backlog if policy.concurrency in ORDERLY else []
            self._move(environment, found.head_sha, actor)
        elif decision.act in {Act.HOLD, Act.BUILD}:
            self._hold(environment, found, decision)
        elif decision.act is Act.QUEUE:
            environment.seen_base, environment.seen_base_sha = found.base, tip
            environment.withheld = environment.withheld or self._withheld(environment, found, self._policy(environment))
            self._put_off(environment, found.head_sha)
        elif decision.act is Act.NOTE:
            environment.seen_sha, environment.seen_base, environment.seen_base_sha = found.head_sha, found.base, tip
            set_condition(environment, NOTED, decision.rule.capitalize(), decision.why, status=False)

    def _tip(self, environment: Environment, found: PullRequest | None) -> str | None:
        """Return the commit of the branch that a pull request goes to, None where that does not count or is gone."""
        if found is None or not self._policy(environment).tracks_base:
            return None
        try:
            return self._repository(environment).resolve(found.base)
        except CommitNotFoundError:
            return None

    def _compared(
        self, environment: Environment, found: PullRequest | None, others: Sequence[PullRequest], tip: str | None
    ) -> Sequence[str] | None:
        """Return the paths that a pull request changes; None where the decision does not ask for them."""
        facts, asked = self._facts(environment, found, others=others, tip=tip), list[Sequence[str]]()

        def changed() -> Sequence[str]:
            asked.append(facts.changed())
            return asked[-1]

        decide(replace(facts, changed=changed), self._policy(environment))
        return asked[-1] if asked else None

    def _hold(self, environment: Environment, found: PullRequest, decision: Decision) -> None:
        is_draft = decision.rule == "draft"
        if environment.waiting_sha == found.head_sha and waits_as_draft(environment) is is_draft:
            return
        # Whatever was approved before is void, also where it still waits for its turn: an approval is of one commit.
        environment.waiting_sha, environment.approved_sha, environment.backlog = found.head_sha, None, []
        set_condition(environment, NOTED, DRAFT if is_draft else "ApprovalNeeded", decision.why, status=False)
        clear_condition(environment, BUILT)
        if not is_draft:  # nobody is asked to approve that: it waits until it is ready for review
            data = EnvironmentApprovalNeeded(**stamp(environment), name=environment.name, head_sha=found.head_sha)
            tell(self._session, environment, data, "system")
        if decision.act is Act.BUILD:
            asked = EnvironmentBuildRequested(**stamp(environment), head_sha=found.head_sha)
            tell(self._session, environment, asked, "system")

    def _facts(
        self,
        environment: Environment,
        found: PullRequest | None,
        repository: Repository | None = None,
        others: Sequence[PullRequest] | None = None,
        tip: str | None = None,
    ) -> Facts:
        def changed() -> Sequence[str]:
            opened = repository or self._repository(environment)
            return opened.changed_paths(opened.resolve(found.base), found.head_sha) if found is not None else ()

        # Asked of the database, and so only where it matters.
        is_new = found is not None and found.head_sha != environment.seen_sha
        subject = f"environments/{environment.id}"
        return Facts(
            pull_request=found,
            absences=environment.absences,
            seen_sha=environment.seen_sha,
            approved_sha=environment.approved_sha,
            moves=rules.follows(situation(environment)),
            quarantined=is_new and AssetService(self._session).is_held(environment.tenant_id, subject),
            changed=changed,
            busy=_is_busy(environment, self._policy(environment)),
            seen_base=environment.seen_base,
            listed=lambda: (
                others if others is not None else (repository or self._repository(environment)).pull_requests()
            ),
            has_others=has_other_repositories(environment.spec),
            base_moved=lambda: tip is not None and environment.seen_base_sha not in (None, tip),
        )

    def _repository(self, environment: Environment) -> Repository:
        return ScmService(self._session, self._settings).open(environment.tenant_id, environment.repository)

    def changed(self, tenant_id: UUID) -> list[tuple[UUID, Sequence[PullRequest] | SlipwayError]]:
        """Return the environments of repositories on this machine that may have to follow their pull requests.

        Beside each stands the listing of its repository, or why that could not be had.
        Each repository is listed once; those of which nothing changed since they were decided about are left out.
        """
        found: list[tuple[UUID, Sequence[PullRequest] | SlipwayError]] = []
        for address in queries.repositories(self._session, tenant_id):
            if not is_local(address):
                continue
            try:
                pulls = ScmService(self._session, self._settings).open(tenant_id, address).pull_requests()
            except SlipwayError as error:
                found += [(row.environment_id, error) for row in queries.seen(self._session, tenant_id, address)]
                continue
            listed = {each.number: each for each in pulls}
            for row in queries.seen(self._session, tenant_id, address):
                pull = listed.get(row.pull_request)
                same = pull is not None and pull.head_sha == row.seen_sha and row.seen_base in (None, pull.base)
                if not same or row.absences or row.has_conditions:
                    found.append((row.environment_id, pulls))
        return found

    def watch(
        self, tenant_id: UUID, environment_id: UUID, others: Sequence[PullRequest] | SlipwayError | None = None
    ) -> None:
        """Follow the pull request of one environment; repositories elsewhere are listed as a whole, less often.

        ``others`` is a listing of the repository's open pull requests, where there is one already, or why there is
        none: then nothing counts as missing.
        """
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if not is_local(environment.repository) or environment.phase is Phase.DESTROYED:
            return
        if isinstance(others, SlipwayError):
            cannot_watch(self._session, environment, others)
        else:
            self.follow(environment, "system", others, counts=True)


def _is_busy(environment: Environment, policy: Follow) -> bool:
    """Tell whether an earlier commit is being deployed, or will be before any other."""
    under_way = environment.phase in APPLYING | {Phase.QUEUED, Phase.UNKNOWN} and environment.waits_since is None
    return under_way or (bool(environment.backlog) and policy.concurrency in ORDERLY)


_CLOSED = "pull request closed"
_SPELLED = {"label", "base", "stacked"}
"""The rules whose own words are the reason of a removal."""
