"""The life of a version: its states, which move leads from where to where, and what each state means for others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from catalog.assets.errors import VersionStateError
from catalog.assets.models import VersionState
from catalog.errors import ForbiddenError
from catalog.tenancy import Principal


class Choice(StrEnum):
    """How a version takes part when one is chosen: like any other, last, by exact pin only, or never."""

    FIRST = "like any other"
    LAST = "where nothing else fits"
    PINNED = "by exact pin only"
    NEVER = "never"


class Running(StrEnum):
    """What happens to environments and installs that use a version already."""

    ON = "goes on"
    NOTICED = "goes on, with a notice"
    HELD = "is held as it is: no new commit, no change"


@dataclass(frozen=True)
class Meaning:
    """What a state means: ``summary`` for people, and for resolve and install, run, and download.

    ``seen`` says whether the version exists for other tenants at all, ``download`` whether its bytes are handed out.
    """

    summary: str
    choice: Choice
    running: Running
    download: bool
    seen: bool = True


MEANINGS: Mapping[VersionState, Meaning] = {
    VersionState.DRAFT: Meaning("Uploaded and not offered yet.", Choice.NEVER, Running.ON, download=True, seen=False),
    VersionState.IN_REVIEW: Meaning("Waits for a second person.", Choice.NEVER, Running.ON, download=True, seen=False),
    VersionState.PUBLISHED: Meaning("Offered to everybody who may see it.", Choice.FIRST, Running.ON, download=True),
    VersionState.DEPRECATED: Meaning(
        "It still works, but plan to move to another version.", Choice.LAST, Running.NOTICED, download=True
    ),
    VersionState.YANKED: Meaning(
        "Only taken when this exact version is asked for.", Choice.PINNED, Running.NOTICED, download=True
    ),
    VersionState.ARCHIVED: Meaning(
        "No longer maintained; its end of life was reached.", Choice.PINNED, Running.NOTICED, download=True
    ),
    VersionState.REVOKED: Meaning(
        "It cannot be used for anything new, for ever.", Choice.NEVER, Running.NOTICED, download=True
    ),
    VersionState.QUARANTINED: Meaning(
        "It cannot be downloaded or used until it is cleared.", Choice.NEVER, Running.HELD, download=False
    ),
}
"""One line a state; code asks here, and docs/life-of-a-version.md shows the same table."""

SELECTABLE = frozenset(state for state, meaning in MEANINGS.items() if meaning.choice is not Choice.NEVER)
"""The states in which a request may get a version at all."""
LISTED = frozenset(state for state, meaning in MEANINGS.items() if meaning.choice in {Choice.FIRST, Choice.LAST})
"""The states in which a version may stand for its asset in lists."""
UNSEEN = frozenset(state for state, meaning in MEANINGS.items() if not meaning.seen)
"""The states in which a version exists for its publisher alone."""


@dataclass(frozen=True)
class Move:
    """One kind of step: ``verb`` takes a version from any of ``sources`` to ``target``, for who holds ``scope``."""

    verb: str
    sources: frozenset[VersionState]
    target: VersionState
    scope: str = "assets:write"


_OUT = frozenset(VersionState) - UNSEEN
MOVES: tuple[Move, ...] = (
    Move("submit", frozenset({VersionState.DRAFT}), VersionState.IN_REVIEW),
    Move("withdraw", frozenset({VersionState.IN_REVIEW}), VersionState.DRAFT),
    Move("publish", frozenset({VersionState.DRAFT, VersionState.IN_REVIEW}), VersionState.PUBLISHED),
    Move("deprecate", frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED}), VersionState.DEPRECATED),
    Move(
        "yank",
        frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED, VersionState.ARCHIVED}),
        VersionState.YANKED,
    ),
    Move(
        "retire",
        frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED, VersionState.ARCHIVED}),
        VersionState.ARCHIVED,
    ),
    Move("quarantine", _OUT - {VersionState.REVOKED}, VersionState.QUARANTINED),
    Move("revoke", _OUT, VersionState.REVOKED),
    Move(
        "restore",
        frozenset({VersionState.DEPRECATED, VersionState.YANKED, VersionState.ARCHIVED}),
        VersionState.PUBLISHED,
    ),
    # Who found a version unsafe may take it out of reach alone; to bring it back takes an administrator.
    Move("restore", frozenset({VersionState.QUARANTINED}), VersionState.PUBLISHED, scope="assets:admin"),
)
"""Every step there is; nothing else changes a version's state."""


def find_move(verb: str, present: VersionState) -> Move:
    """Return the step that ``verb`` is from ``present``; raise ``VersionStateError`` where it is none."""
    for move in MOVES:
        if move.verb == verb and present in move.sources:
            return move
    if present is VersionState.REVOKED:
        raise VersionStateError("A revoked version stays revoked. Publish a new version instead.")
    target = next((move.target for move in MOVES if move.verb == verb), VersionState.PUBLISHED)
    raise VersionStateError(f"A version that is {words(present)} cannot become {words(target)}.")


def allow(principal: Principal, move: Move) -> None:
    """Raise ``ForbiddenError`` unless the caller may take this step."""
    if not principal.may(move.scope):
        who = "an administrator" if move.scope.endswith(":admin") else "a publisher"
        raise ForbiddenError(f"To {move.verb} this version takes {who} (scope {move.scope}).")


def moves_from(present: VersionState, verbs: Iterable[str]) -> list[str]:
    """Return those of ``verbs`` that lead on from ``present`` to another state, in the order of ``MOVES``."""
    wanted = set(verbs)
    found = [
        move.verb for move in MOVES if move.verb in wanted and present in move.sources and move.target is not present
    ]
    return list(dict.fromkeys(found))


def words(state: VersionState) -> str:
    """Return a state as it reads in a sentence."""
    return state.value.replace("_", " ")
