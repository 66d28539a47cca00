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
    DISMISS = "dismiss"


@dataclass(frozen=True)
class Facts:
    """What is known of a pull request and its environment.

    ``absences`` counts how often it was not found, this time included. ``seen_sha`` is the head that was decided about
    last, ``approved_sha`` the commit of a fork that somebody approved. ``moves`` says that the environment can move at
    all, ``quarantined`` that its blueprint is held. ``changed`` returns the paths that were changed since the merge
    base, and is asked only where that matters.
    """

    pull_request: PullRequest | None
    absences: int
    seen_sha: str
    approved_sha: str | None
    moves: bool
    quarantined: bool
    changed: Callable[[], Sequence[str]]


class Decision(BaseModel):
    """What follows, by which rule, and why in a sentence."""

    act: Act
    rule: str
    why: str


def decide(facts: Facts, follow: Follow) -> Decision:
    """Return what follows: that of the first rule that has something to say."""
    return next(each for each in _rules(facts, follow) if each is not None)


def _rules(facts: Facts, follow: Follow) -> Iterator[Decision | None]:
    pull = facts.pull_request
    if pull is None:
        yield _missing(facts.absences)
        return
    yield _state(pull)
    yield _labels(pull, follow)
    yield _base(pull, follow)
    yield _rest(pull, facts)
    yield _draft(pull, follow)
    yield _bot(pull, follow)
    yield _fork(pull, facts, follow)
    yield _paths(facts, follow)
    yield _said(Act.MOVE, "commit", f"Commit {pull.head_sha[:12]} is new.")


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


def _base(pull: PullRequest, follow: Follow) -> Decision | None:
    if not follow.bases or not pull.base or any(fnmatchcase(pull.base, each) for each in follow.bases):
        return None
    return _said(Act.DISMISS, "base", f"It goes to {pull.base}, and not to {' or '.join(follow.bases)}.")


def _rest(pull: PullRequest, facts: Facts) -> Decision | None:
    if pull.head_sha == facts.seen_sha:
        return _said(Act.KEEP, "unchanged", f"Commit {pull.head_sha[:12]} was decided about already.")
    if not facts.moves:
        return _said(Act.KEEP, "leaving", "The environment is being removed.")
    if facts.quarantined:
        return _said(Act.KEEP, "quarantine", "Its blueprint is in quarantine; nothing new is started from it.")
    return None


def _draft(pull: PullRequest, follow: Follow) -> Decision | None:
    if pull.is_draft and not follow.drafts:
        return _said(Act.KEEP, "draft", "It is a draft; its commits are deployed once it is ready for review.")
    return None


def _bot(pull: PullRequest, follow: Follow) -> Decision | None:
    return _said(Act.NOTE, "bot", f"{pull.author} is a bot.") if pull.is_bot and not follow.bots else None


def _fork(pull: PullRequest, facts: Facts, follow: Follow) -> Decision | None:
    if not pull.is_fork:
        return None
    if follow.forks == "refuse":
        return _said(Act.NOTE, "fork", "It comes from a fork, and commits of forks are not deployed.")
    if pull.association.is_trusted or pull.head_sha == facts.approved_sha:
        return None
    return _said(Act.HOLD, "fork", f"Commit {pull.head_sha[:12]} comes from a fork and waits for an approval.")


def _paths(facts: Facts, follow: Follow) -> Decision | None:
    if not follow.paths:
        return None
    changed = facts.changed()
    if any(matches(path, follow.paths) for path in changed):
        return None
    return _said(Act.NOTE, "path", f"None of the {len(changed)} changed paths is one of {', '.join(follow.paths)}.")


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
