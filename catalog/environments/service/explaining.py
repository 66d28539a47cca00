"""What a pull request means for its environment, said without doing anything, and by which rule."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from catalog.assets.blueprint_spec import Follow
from catalog.environments import queries
from catalog.environments.models import Environment, Explanation, Phase
from catalog.environments.service.following import EnvironmentFollowing
from catalog.environments.service.moving import NOTED
from catalog.environments.service.returning import facts_of_return, may_come_back, policy_of_return
from catalog.environments.service.rows import PLAN_REFUSED, REFUSED, RETURNED
from catalog.environments.service.targets import EnvironmentTargets
from catalog.environments.triggers import BEGINS, Act, Decision, Facts, Weighed, decide, weigh
from catalog.errors import SlipwayError
from catalog.providers.scm import PullRequestNotFoundError, Repository
from catalog.scm.service import ScmService
from catalog.tenancy import Principal


class EnvironmentExplanations(EnvironmentFollowing):
    """Explanations of what pull requests mean; everything happens in the session's transaction."""

    def explain(
        self,
        principal: Principal,
        address: str,
        number: int,
        automatic: Callable[[UUID, Repository, int], tuple[str, list[Weighed]] | None] | None = None,
    ) -> Explanation:
        """Say what a pull request means for its environment now, and by which rule, changing nothing.

        ``automatic`` says what one without an environment gets by itself. Raises ``InvalidInputError`` for a repository
        that cannot be opened, and the provider's own errors.
        """
        principal.require("environments:read")
        repository = ScmService(self._session, self._settings).open(principal.tenant_id, address)
        environment = queries.at_pull_request(self._session, principal.tenant_id, repository.address, number)
        targets = EnvironmentTargets(self._session, self._settings)
        if environment is None or environment.phase is Phase.DESTROYED:
            found_by = automatic(principal.tenant_id, repository, number) if automatic is not None else None
            head_sha, rules_said = found_by or (None, [Weighed(rule="requested", says=_NOBODY_ASKED)])
            returns = environment is not None and may_come_back(environment)
            if environment is not None and returns and _first(rules_said).act not in BEGINS:
                head_sha, rules_said = _returning(environment, repository, number)
            return Explanation(
                repository=repository.address,
                pull_request=number,
                decision=_first(rules_said),
                head_sha=head_sha,
                rules=rules_said,
                placement=targets.awaited(
                    principal.tenant_id,
                    queries.automation_of(self._session, principal.tenant_id, repository.address),
                ),
            )
        try:
            found = repository.pull_request(number, environment.branch)
        except PullRequestNotFoundError:
            found = None
        policy = self._policy(environment)
        facts = self._facts(environment, found, repository, tip=self._tip(environment, found))
        facts = replace(facts, absences=environment.absences + 1) if found is None else facts
        decision = decide(facts, policy)
        if decision.rule == "unchanged":
            decision = _kept_back(environment) or decision
        return Explanation(
            repository=repository.address,
            pull_request=number,
            decision=decision,
            environment=environment.id,
            head_sha=None if found is None else found.head_sha,
            rules=every_rule(facts, policy),
            placement=targets.of(environment),
        )


def _first(rules_said: Sequence[Weighed]) -> Decision:
    """Return what the first rule says that says something: that decides."""
    return next(each.says for each in rules_said if each.says is not None)


def _returning(environment: Environment, repository: Repository, number: int) -> tuple[str | None, list[Weighed]]:
    """Return the commit of a pull request whose environment ended with it, and what every rule says of its return."""
    kept = next((each for each in environment.conditions if each["type"] == RETURNED), None)
    said = None if kept is None else Decision(act=Act.KEEP, rule="returned", why=kept["message"])
    try:
        pull = repository.pull_request(number, environment.branch)
    except PullRequestNotFoundError:
        return None, [Weighed(rule="returned", says=said or _AWAITED)]
    facts = facts_of_return(environment, pull, repository.pull_requests())
    return pull.head_sha, [Weighed(rule="returned", says=said), *every_rule(facts, policy_of_return(environment))]


def every_rule(facts: Facts, policy: Follow) -> list[Weighed]:
    """Return what every rule says; those behind the one that decides may ask for what is not there any more."""
    return weigh(replace(facts, changed=lambda: _or_none(facts.changed)), policy)


def _or_none(changed: Callable[[], Sequence[str]]) -> Sequence[str]:
    try:
        return changed()
    except SlipwayError:
        return ()


def _kept_back(environment: Environment) -> Decision | None:
    """Return what keeps the commit that was decided about last from being deployed; None where nothing does."""
    for condition in environment.conditions:
        if condition["type"] == REFUSED and condition["reason"] != PLAN_REFUSED:
            return Decision(act=Act.NOTE, rule="policy", why=condition["message"])
        if condition["type"] == NOTED:
            rule = "room" if condition["reason"] == "NoRoom" else str(condition["reason"]).lower()
            return Decision(act=Act.QUEUE if rule == "room" else Act.NOTE, rule=rule, why=condition["message"])
    return None


_AWAITED = Decision(
    act=Act.KEEP,
    rule="returned",
    why="Its environment ended with it, and comes back with it.",
)
_NOBODY_ASKED = Decision(
    act=Act.KEEP,
    rule="requested",
    why="Nobody asked for an environment of it; a request makes one, with the blueprint that it names.",
)
