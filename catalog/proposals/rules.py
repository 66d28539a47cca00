"""What may follow what, how far an agent may go, and when a finding is the same: values in, values or errors out."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import rfc8785

from catalog.proposals.errors import ProposalMoveError
from catalog.proposals.models import Autonomy, ProposalState
from catalog.proposals.shapes import Finding

MOST_NOTES = 200
"""How many things a run writes down that it saw, and how many that it did."""

_S = ProposalState
_ENDINGS = {_S.REJECTED, _S.SUPERSEDED, _S.WITHDRAWN}
MOVES: Mapping[ProposalState, frozenset[ProposalState]] = {
    _S.PROPOSED: frozenset({_S.APPROVED, _S.EXPIRED, *_ENDINGS}),
    _S.APPROVED: frozenset({_S.APPLIED, _S.EXPIRED, *_ENDINGS}),
    _S.APPLIED: frozenset(_ENDINGS),
    _S.REJECTED: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.WITHDRAWN: frozenset(),
}
"""Where a proposal may go from each state. Time alone ends what was not carried out, never what was."""
OPEN = frozenset(state for state, further in MOVES.items() if further)


class Course(StrEnum):
    """What an agent does with a finding."""

    NOTHING = "nothing"
    NOTE = "note"
    PROPOSE = "propose"
    ACT = "act"


@dataclass(frozen=True)
class Known:
    """A proposal as far as settling needs it; ``is_resolved`` says that its finding has ceased to hold since."""

    id: UUID
    state: ProposalState
    fingerprint: str
    is_resolved: bool = False


@dataclass(frozen=True)
class Settlement:
    """What follows from looking at a subject again: what ends, what is over for good, and whether a proposal is due."""

    is_due: bool
    ends: tuple[UUID, ...] = ()
    resolves: tuple[UUID, ...] = ()
    stays: UUID | None = None


def moved(state: ProposalState, to: ProposalState) -> ProposalState:
    """Return ``to`` where a proposal may go there; raise ``ProposalMoveError`` where it may not."""
    if to not in MOVES[state]:
        raise ProposalMoveError(f"The proposal is {state}; it cannot become {to} any more.")
    return to


def autonomy(usual: Autonomy, chosen: Autonomy | None, bound: Autonomy | None, *, is_stopped: bool) -> Autonomy:
    """Return how far an agent may go: as chosen (or as usual for it), never beyond the bound, nowhere once stopped."""
    if is_stopped:
        return Autonomy.OFF
    wanted = chosen or usual
    return wanted if bound is None or wanted.rank <= bound.rank else bound


def course(level: Autonomy, *, has_action: bool) -> Course:
    """Return what an agent does with a finding by itself."""
    match level:
        case Autonomy.OFF:
            return Course.NOTHING
        case Autonomy.OBSERVE:
            return Course.NOTE
        case Autonomy.ACT if has_action:
            return Course.ACT
        case _:
            return Course.PROPOSE


def carries_out(level: Autonomy) -> bool:
    """Tell whether an agent carries out itself what a person approved."""
    return level.rank >= Autonomy.ACT_WITH_APPROVAL.rank


def fingerprint(agent: str, subject: str, finding: Finding) -> str:
    """Return what tells one finding from another (SHA-256): agent, subject, kind and ``same_by``, not its wording."""
    content: dict[str, Any] = {
        "agent": agent,
        "subject": subject,
        "kind": finding.kind,
        "same_by": dict(finding.same_by),
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def settle(known: Iterable[Known], found: str | None) -> Settlement:
    """Return what follows from a look at a subject that found a fingerprint, or nothing.

    A finding that is proposed, approved or carried out already makes no second proposal. Neither does one that a person
    rejected, until it has ceased to hold in between.
    """
    every = list(known)
    resolves = tuple(
        each.id
        for each in every
        if each.state is ProposalState.REJECTED and not each.is_resolved and each.fingerprint != found
    )
    stays = next((each.id for each in every if each.state in OPEN and each.fingerprint == found), None)
    ends = tuple(each.id for each in every if each.state in OPEN and each.id != stays)
    is_unwanted = any(
        each.state is ProposalState.REJECTED and not each.is_resolved and each.fingerprint == found for each in every
    )
    is_due = found is not None and stays is None and not is_unwanted
    return Settlement(is_due=is_due, ends=ends, resolves=resolves, stays=stays)


def has_expired(state: ProposalState, expires_at: datetime, moment: datetime) -> bool:
    """Tell whether time has ended a proposal that nobody carried out."""
    return ProposalState.EXPIRED in MOVES[state] and expires_at <= moment


def noted(notes: Sequence[Mapping[str, object]], further: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return notes with further ones, cut where a run would write down too many."""
    return [dict(each) for each in (*notes, *further)][:MOST_NOTES]
