"""How environments move to another commit: at once, in their turn, or once policies and room let them."""

import json
from enum import StrEnum

from pydantic import ValidationError

from catalog.assets.blueprint_spec import Follow
from catalog.environments.events import EnvironmentCommitQueued, EnvironmentRefused
from catalog.environments.models import Environment
from catalog.environments.service.life import EnvironmentLife
from catalog.environments.service.rows import REFUSED, clear_condition, schedule, set_condition, stamp, tell
from catalog.environments.specs import part_of
from catalog.errors import QuotaExceededError
from catalog.gating import PolicyRefusedError, verdict_summary

MOST_COMMITS = 20
"""How many commits of one pull request wait for their turn at most."""
NOTED = "Following"
"""The condition that says why a commit of the pull request does not move its environment."""
DRAFT = "Draft"
"""Its reason where that is a draft's, and waits until the pull request is ready for review."""
ORDERLY = frozenset({"queue", "allow"})
"""The ways of ``spec.follow.concurrency`` in which each commit is deployed, one after the other."""


class Outcome(StrEnum):
    """What becomes of a commit that an environment is to move to."""

    MOVES = "moves"
    REFUSED = "refused by policy"
    NO_ROOM = "no room"


class EnvironmentMoves(EnvironmentLife):
    """Moves to commits; everything happens in the session's transaction."""

    def _move(self, environment: Environment, head_sha: str, actor: str, seen: str | None = None) -> Outcome:
        """Move the environment to another commit, or say on its page why policies, or room, do not let it.

        ``seen`` is the newest commit that was decided about, where that is another one.
        """
        try:
            with self._session.begin_nested():
                environment.head_sha = head_sha
                environment.seen_sha = seen or head_sha
                self._pass_gate(environment, actor, is_new=not environment.touched)
                self._bring_about(environment, actor, "new commit")
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            # Seen, so that the same commit is not asked about every few seconds.
            environment.seen_sha = seen or head_sha
            self._refused(environment, head_sha, refusal)
            return Outcome.REFUSED
        except QuotaExceededError as error:
            environment.seen_sha = seen or head_sha
            self._wait_for_room(environment, head_sha, error.detail)
            return Outcome.NO_ROOM
        return Outcome.MOVES

    def _wait_for_room(self, environment: Environment, head_sha: str, why: str) -> None:
        """Keep a commit for which there is no room before all others, and say so; the clock tries it again."""
        is_new = head_sha not in environment.backlog
        others = [each for each in environment.backlog if each != head_sha]
        others = others if self._policy(environment).concurrency in ORDERLY else []
        environment.backlog = [head_sha, *others][:MOST_COMMITS]
        told = f"Commit {head_sha[:8]} waits. {why} It is tried again by itself."
        set_condition(environment, NOTED, "NoRoom", told, status=False)
        schedule(environment)
        self._session.add(environment)
        if is_new:
            length = len(environment.backlog)
            data = EnvironmentCommitQueued(**stamp(environment), head_sha=head_sha, length=length)
            tell(self._session, environment, data, "system")

    def _refused(self, environment: Environment, head_sha: str, refusal: PolicyRefusedError) -> None:
        """Say on the environment, and at its pull request, which rules keep a commit from being deployed."""
        environment.verdict = verdict_summary(refusal.verdict)
        rules_said = tuple(dict.fromkeys(each.rule for each in refusal.verdict.violations))[:20]
        by = f", by {', '.join(rules_said)}" if rules_said else ""
        message = f"Commit {head_sha[:8]} is not deployed{by}. {refusal.detail}"
        set_condition(environment, REFUSED, "PolicyRefused", message, status=False)
        self._session.add(environment)
        data = EnvironmentRefused(
            **stamp(environment), name=environment.name, head_sha=head_sha, rules=rules_said, message=message[:1000]
        )
        tell(self._session, environment, data, "system")

    def _pass_gate(self, environment: Environment, actor: str, *, is_new: bool) -> None:
        self._ask_policies(environment, actor, is_new=is_new)
        clear_condition(environment, REFUSED)

    def _put_off(self, environment: Environment, head_sha: str) -> None:
        """Let a commit wait for its turn; where too many do, the newest takes the place of the one before it."""
        environment.seen_sha = head_sha
        environment.waiting_sha = None
        clear_condition(environment, NOTED)
        if head_sha in environment.backlog[-1:]:
            return  # the same commit for another base has its turn already
        environment.backlog = [*environment.backlog[: MOST_COMMITS - 1], head_sha]
        length = len(environment.backlog)
        data = EnvironmentCommitQueued(**stamp(environment), head_sha=head_sha, length=length)
        tell(self._session, environment, data, "system")

    def _policy(self, environment: Environment) -> Follow:
        """Return its policy; one that cannot be read is none: nothing is deployed of such a spec, and it may go."""
        try:
            said = part_of(environment.spec, "follow") or {}
            return Follow.model_validate_json(json.dumps(said), strict=True)
        except ValidationError:
            return Follow()


def waits_as_draft(environment: Environment) -> bool:
    """Tell whether the commit that waits is a draft's, and not a fork's."""
    return any(each["type"] == NOTED and each["reason"] == DRAFT for each in environment.conditions)


def what_waits(environment: Environment, page: str) -> str:
    """Return what the commit waits for that waits, with a link to where it can be approved."""
    commit = f"Commit `{(environment.waiting_sha or '')[:12]}`"
    if waits_as_draft(environment):
        return f"{commit} is a draft's: it runs once the pull request is ready for review, or [approved]({page})."
    return f"{commit} comes from a fork and waits for an [approval]({page})."
