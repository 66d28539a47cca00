"""One policy that says what a pull request means for its environment, and by which of its rules; pure.

Events decide nothing: the same state of a pull request gives the same decision, however one came to look at it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel

from catalog.assets.blueprint_spec import Follow
from catalog.providers.scm import PullRequest, PullRequestState

ABSENCES = 2
"""How often in a row a pull request must not be found before it counts as closed."""


class Act(StrEnum):
    """What follows for an environment."""

    MOVE = "move"
    KEEP = "keep"
    NOTE = "note"
    HOLD = "hold"
    QUEUE = "queue"
    BUILD = "build"
    DISMISS = "dismiss"


BEGINS = frozenset({Act.MOVE, Act.HOLD, Act.BUILD})
"""The acts by which a pull request without an environment gets one, or one that waits for an approval."""


@dataclass(frozen=True)
class Facts:
    """What is known of a pull request and its environment.

    ``absences`` counts how often it was not found, this time included. ``seen_sha`` is the head that was decided about
    last, ``approved_sha`` the commit, of a fork or a draft, that somebody approved. ``moves`` says that the
    environment can move at all, ``quarantined`` that its blueprint is held, ``busy`` that an earlier commit is being
    deployed or waits for that. ``seen_base`` is where it went when it was decided about last. ``listed`` returns the
    pull requests that are open, ``changed`` returns the paths that were changed since the merge base; both are asked
    only where that matters. ``has_others`` says that files of other repositories lie beside it. ``base_moved`` says
    whether the branch it goes to has moved since; it is asked only where the blueprint wants that.
    """

    pull_request: PullRequest | None
    absences: int
    seen_sha: str
    approved_sha: str | None
    moves: bool
    quarantined: bool
    changed: Callable[[], Sequence[str]]
    busy: bool = False
    seen_base: str | None = None
    listed: Callable[[], Sequence[PullRequest]] = tuple
    has_others: bool = False
    base_moved: Callable[[], bool] = lambda: False


class Decision(BaseModel):
    """What follows, by which rule, and why in a sentence."""

    act: Act
    rule: str
    why: str


class Weighed(BaseModel):
    """What one rule says of a pull request; ``says`` is None where it lets it pass. The first that says one decides."""

    rule: str
    says: Decision | None


def decide(facts: Facts, follow: Follow) -> Decision:
    """Return what follows: that of the first rule that has something to say."""
    return next(each for _, each in _rules(facts, follow) if each is not None)


def weigh(facts: Facts, follow: Follow) -> list[Weighed]:
    """Return what every rule says, in their order."""
    return [Weighed(rule=rule, says=each) for rule, each in _rules(facts, follow)]


def facts_of_new(pull: PullRequest, listed: Sequence[PullRequest], *, has_others: bool = False) -> Facts:
    """Return what is known of a pull request that has no environment (any more): nothing was decided, or approved."""
    return Facts(
        pull, 0, "", None, moves=True, quarantined=False, changed=tuple, listed=lambda: listed, has_others=has_others
    )


def _rules(facts: Facts, follow: Follow) -> Iterator[tuple[str, Decision | None]]:
    pull = facts.pull_request
    if pull is None:
        yield "missing", _missing(facts.absences)
        return
    yield "closed", _state(pull)
    yield "label", _labels(pull, follow)
    below = below_of(pull, facts.listed) if follow.bases or follow.stacked != "follow" else ()
    yield "base", _base(pull, below, follow)
    yield "unchanged", _rest(pull, facts, follow)
    yield "stacked", _stacked(below, follow)
    yield "draft", _draft(pull, follow)
    yield "bot", _bot(pull, follow)
    yield "path", _paths(facts, follow)
    if follow.drafts == "build_only":
        yield "draft", _built_draft(pull, follow, facts.approved_sha)
    yield "fork", of_fork(pull, follow, facts.approved_sha, has_others=facts.has_others)
    yield "concurrency", _concurrency(pull, facts, follow)
    if pull.head_sha == facts.seen_sha:
        yield "base", _said(Act.MOVE, "base", _other_base(pull, facts))
    yield "commit", _said(Act.MOVE, "commit", f"Commit {pull.head_sha[:12]} is new.")


def below_of(pull: PullRequest, listed: Callable[[], Sequence[PullRequest]]) -> tuple[PullRequest, ...]:
    """Return the open pull requests that one is stacked on, the nearest first; none where it goes to another branch."""
    by_branch = {each.branch: each for each in listed() if each.state is PullRequestState.OPEN and not each.is_fork}
    found: list[PullRequest] = []
    above = {pull.number}
    base = pull.base
    # Two that go to each other's branches end the walk.
    while base in by_branch and by_branch[base].number not in above:
        found.append(by_branch[base])
        above.add(found[-1].number)
        base = found[-1].base
    return tuple(found)


def _missing(absences: int) -> Decision:
    if absences < ABSENCES:
        return _said(Act.KEEP, "missing", "It was not found once, as in the middle of a push. It is looked at again.")
    return _said(Act.DISMISS, "missing", f"It was not found {absences} times in a row, and counts as closed.")


def _state(pull: PullRequest) -> Decision | None:
    if pull.state is PullRequestState.CLOSED:
        return _said(Act.DISMISS, "closed", "It is merged." if pull.is_merged else "It is closed.")
    return None


def _labels(pull: PullRequest, follow: Follow) -> Decision | None:
    missing = sorted(set(follow.labels) - pull.labels)
    return _said(Act.DISMISS, "label", f"It lacks the label {', '.join(missing)}.") if missing else None


def _base(pull: PullRequest, below: Sequence[PullRequest], follow: Follow) -> Decision | None:
    if below and follow.stacked == "refuse":
        return _said(Act.DISMISS, "stacked", f"It is stacked on pull request {below[0].number}, which is open.")
    base = below[-1].base if below else pull.base
    if not follow.bases or not base or any(fnmatchcase(base, each) for each in follow.bases):
        return None
    through = f" through pull request {below[0].number}" if below else ""
    return _said(Act.DISMISS, "base", f"It goes to {base}{through}, and not to {' or '.join(follow.bases)}.")


def _stacked(below: Sequence[PullRequest], follow: Follow) -> Decision | None:
    if not below or follow.stacked != "wait":
        return None
    told = f"It is stacked on pull request {below[0].number}; its commits are deployed once that is merged."
    return _said(Act.KEEP, "stacked", told)


def _other_base(pull: PullRequest, facts: Facts) -> str:
    if facts.seen_base in (None, pull.base):
        return f"The branch {pull.base} has moved; it is made again from the same commit."
    return f"It goes to {pull.base} now, and no longer to {facts.seen_base}."


def _rest(pull: PullRequest, facts: Facts, follow: Follow) -> Decision | None:
    same = pull.head_sha == facts.seen_sha and facts.seen_base in (None, pull.base)
    if same and not (follow.tracks_base and facts.base_moved()):
        return _said(Act.KEEP, "unchanged", f"Commit {pull.head_sha[:12]} was decided about already.")
    if not facts.moves:
        return _said(Act.KEEP, "leaving", "The environment is being removed.")
    if facts.quarantined:
        return _said(Act.KEEP, "quarantine", "Its blueprint is in quarantine; nothing new is started from it.")
    return None


def _draft(pull: PullRequest, follow: Follow) -> Decision | None:
    if pull.is_draft and follow.drafts is False:
        return _said(Act.KEEP, "draft", "It is a draft; its commits are deployed once it is ready for review.")
    return None


def _built_draft(pull: PullRequest, follow: Follow, approved_sha: str | None) -> Decision | None:
    if not pull.is_draft or pull.head_sha == approved_sha or (pull.is_fork and follow.forks == "refuse"):
        return None
    told = f"Commit {pull.head_sha[:12]} is a draft's: it is built without secrets, and deployed once that is ready."
    return _said(Act.BUILD, "draft", told)


def _bot(pull: PullRequest, follow: Follow) -> Decision | None:
    return _said(Act.NOTE, "bot", f"{pull.author} is a bot.") if pull.is_bot and not follow.bots else None


def of_fork(pull: PullRequest, follow: Follow, approved_sha: str | None, *, has_others: bool) -> Decision | None:
    """Return what keeps a fork's commit from being deployed; None where nothing does, or it comes from no fork."""
    if not pull.is_fork:
        return None
    if follow.forks == "refuse":
        return _said(Act.NOTE, "fork", "It comes from a fork, and commits of forks are not deployed.")
    if pull.association.is_trusted or pull.head_sha == approved_sha:
        return None
    commit = f"Commit {pull.head_sha[:12]}"
    if follow.forks == "build_only":
        return _said(Act.BUILD, "fork", f"{commit} comes from a fork: it is built without secrets, and not deployed.")
    if runs_stripped(follow, has_others=has_others):
        return None
    # Nothing but files beside it keeps a stripped commit from running.
    why = ": it could read the other repositories that services come from" if follow.forks == "strip" else ""
    return _said(Act.HOLD, "fork", f"{commit} comes from a fork and waits for an approval{why}.")


def _paths(facts: Facts, follow: Follow) -> Decision | None:
    if not follow.paths:
        return None
    changed = facts.changed()
    if any(matches(path, follow.paths) for path in changed):
        return None
    return _said(Act.NOTE, "path", f"None of the {len(changed)} changed paths is one of {', '.join(follow.paths)}.")


def runs_stripped(follow: Follow, *, has_others: bool) -> bool:
    """Tell whether commits of forks run unasked, without what is secret; never beside files of other repositories.

    What an environment runs has one user, so that nothing keeps a stranger's commit from those files.
    """
    return follow.forks == "strip" and not has_others


def strips(pull: PullRequest, follow: Follow, approved_sha: str | None) -> bool:
    """Tell whether a pull request's commit runs without what is secret."""
    trusted = not pull.is_fork or pull.association.is_trusted or pull.head_sha == approved_sha
    return follow.forks == "strip" and not trusted


def _concurrency(pull: PullRequest, facts: Facts, follow: Follow) -> Decision | None:
    if not facts.busy or follow.concurrency in {"replace", "latest"}:
        return None
    commit = pull.head_sha[:12]
    if follow.concurrency == "forbid":
        return _said(Act.NOTE, "concurrency", f"Commit {commit} came while another one was deployed, and is left out.")
    return _said(Act.QUEUE, "concurrency", f"Commit {commit} is deployed after those before it.")


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path is one of the patterns; the last one that matches counts, ``!`` takes away again.

    ``*`` matches across folders; a list of nothing but ``!`` patterns takes away from everything.
    """
    chosen = all(each.startswith("!") for each in patterns)
    for pattern in patterns:
        if fnmatchcase(path, pattern.removeprefix("!")):
            chosen = not pattern.startswith("!")
    return chosen


def _said(act: Act, rule: str, why: str) -> Decision:
    return Decision(act=act, rule=rule, why=why)
