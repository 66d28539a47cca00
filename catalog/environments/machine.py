"""The environment's state machine as one table: every row of it, and the one function that follows it.

The rows are those of the level-triggered design: requests and closings only write what is wanted (``desired``,
``generation``); a worker that holds the stack's lease brings that about and reports with the generation it worked for,
so that a late report can never advertise something that is no longer wanted. What no row allows is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from catalog.environments.errors import TransitionError
from catalog.environments.models import Desired, Phase

APPLYING = frozenset({Phase.PROVISIONING, Phase.UPDATING, Phase.WAKING})
LEAVING = frozenset({Phase.DESTROYING, Phase.VERIFYING_GONE, Phase.DESTROY_FAILED})
WAITING = frozenset({Phase.REQUESTED, Phase.REJECTED, Phase.PENDING_APPROVAL, Phase.QUEUED})
RESTING = frozenset({Phase.READY, Phase.SLEEPING, Phase.FAILED})
NOT_BEGUN = frozenset({Phase.REJECTED, Phase.PENDING_APPROVAL})


@dataclass(frozen=True)
class Situation:
    """The part of an environment that its state machine is about.

    ``touched`` says that an apply was begun in this incarnation, so that something may be left in the world;
    ``wanted_again`` that the pull request was reopened while its environment was still being destroyed; ``pinned``
    that somebody keeps it as it is.
    """

    phase: Phase = Phase.REQUESTED
    desired: Desired = Desired.PRESENT
    incarnation: int = 1
    generation: int = 1
    observed_generation: int = 0
    touched: bool = False
    wanted_again: bool = False
    pinned: bool = False


class Event(StrEnum):
    """What can happen to an environment."""

    WANTED = "wanted"
    UNWANTED = "unwanted"
    REFUSED = "refused by policy"
    HELD = "approval needed"
    APPROVED = "approved for this commit"
    ADMITTED = "admitted"
    BEGUN = "apply begun"
    SUCCEEDED = "apply succeeded"
    FAILED = "apply failed"
    LOST = "worker lost"
    RECOVERED = "state looked at"
    IDLE = "idle"
    WOKEN = "woken"
    EXPIRING = "expires soon"
    LEFT = "removal begun"
    REMOVED = "removed"
    GONE = "nothing found"
    REMAINS = "something left"


class Guard(StrEnum):
    """Under which circumstances a row holds; ``generation`` is the one that a worker worked for."""

    ALWAYS = "always"
    PRESENT = "wanted"
    ABSENT = "not wanted"
    UNTOUCHED = "wanted, nothing ever begun"
    TOUCHED = "wanted, something begun"
    NEWEST_FIRST = "wanted, newest generation, first apply"
    NEWEST_AGAIN = "wanted, newest generation, applied before"
    NEWEST = "wanted, newest generation"
    OUTDATED = "wanted, older generation"
    UNPINNED = "not pinned"
    AGAIN = "wanted again"
    NOT_AGAIN = "not wanted again"


class Effect(StrEnum):
    """What a row changes beside the phase."""

    NEW_GENERATION = "generation + 1"
    NEW_LIFE = "incarnation + 1"
    WANT = "desired = present"
    UNWANT = "desired = absent"
    TOUCH = "touched"
    OBSERVE = "observed = generation"
    KEEP_WISH = "wish kept"
    DROP_WISH = "wish dropped"
    CLEAN = "untouched"


def _newest(now: Situation, generation: int) -> bool:
    return now.desired is Desired.PRESENT and generation == now.generation


_GUARDS: dict[Guard, Callable[[Situation, int], bool]] = {
    Guard.ALWAYS: lambda _now, _: True,
    Guard.PRESENT: lambda now, _: now.desired is Desired.PRESENT,
    Guard.ABSENT: lambda now, _: now.desired is Desired.ABSENT,
    Guard.UNTOUCHED: lambda now, _: now.desired is Desired.PRESENT and not now.touched,
    Guard.TOUCHED: lambda now, _: now.desired is Desired.PRESENT and now.touched,
    Guard.NEWEST_FIRST: lambda now, generation: _newest(now, generation) and not now.observed_generation,
    Guard.NEWEST_AGAIN: lambda now, generation: _newest(now, generation) and now.observed_generation > 0,
    Guard.NEWEST: _newest,
    Guard.OUTDATED: lambda now, generation: now.desired is Desired.PRESENT and generation < now.generation,
    Guard.UNPINNED: lambda now, _: not now.pinned,
    Guard.AGAIN: lambda now, _: now.wanted_again,
    Guard.NOT_AGAIN: lambda now, _: not now.wanted_again,
}

_EFFECTS: dict[Effect, Callable[[Situation, int], Situation]] = {
    Effect.NEW_GENERATION: lambda now, _: replace(now, generation=now.generation + 1),
    Effect.NEW_LIFE: lambda now, _: replace(
        now, incarnation=now.incarnation + 1, observed_generation=0, touched=False, wanted_again=False
    ),
    Effect.WANT: lambda now, _: replace(now, desired=Desired.PRESENT),
    Effect.UNWANT: lambda now, _: replace(now, desired=Desired.ABSENT),
    Effect.TOUCH: lambda now, _: replace(now, touched=True),
    Effect.OBSERVE: lambda now, generation: replace(now, observed_generation=generation),
    Effect.KEEP_WISH: lambda now, _: replace(now, wanted_again=True),
    Effect.DROP_WISH: lambda now, _: replace(now, wanted_again=False),
    Effect.CLEAN: lambda now, _: replace(now, touched=False),
}


@dataclass(frozen=True)
class Row:
    """From ``sources``, when ``event`` happens and ``guard`` holds, to ``target`` (None: the same phase)."""

    sources: frozenset[Phase]
    event: Event
    guard: Guard
    target: Phase | None
    effects: tuple[Effect, ...] = ()

    def fits(self, now: Situation, event: Event, generation: int) -> bool:
        """Tell whether this row says what happens."""
        return event is self.event and now.phase in self.sources and _GUARDS[self.guard](now, generation)

    def follow(self, now: Situation, generation: int) -> Situation:
        """Return the situation after this row."""
        after = now
        for effect in self.effects:
            after = _EFFECTS[effect](after, generation)
        return replace(after, phase=self.target or now.phase)


def _rows(*rows: tuple[frozenset[Phase] | Phase, Event, Guard, Phase | None, tuple[Effect, ...]]) -> tuple[Row, ...]:
    return tuple(
        Row(frozenset({sources}) if isinstance(sources, Phase) else sources, event, guard, target, effects)
        for sources, event, guard, target, effects in rows
    )


_WISH = (Effect.NEW_GENERATION, Effect.WANT)
_DISMISSAL = (Effect.NEW_GENERATION, Effect.UNWANT)
_ALIVE = APPLYING | {Phase.UNKNOWN}

TABLE = _rows(
    (Phase.REQUESTED, Event.REFUSED, Guard.ALWAYS, Phase.REJECTED, ()),
    (Phase.REQUESTED, Event.HELD, Guard.ALWAYS, Phase.PENDING_APPROVAL, ()),
    (Phase.REQUESTED, Event.ADMITTED, Guard.ALWAYS, Phase.QUEUED, ()),
    (Phase.PENDING_APPROVAL, Event.APPROVED, Guard.ALWAYS, Phase.QUEUED, ()),
    (Phase.PENDING_APPROVAL, Event.REFUSED, Guard.ALWAYS, Phase.REJECTED, ()),
    # What is wanted.
    (Phase.REJECTED, Event.WANTED, Guard.ALWAYS, Phase.REQUESTED, _WISH),
    (
        frozenset({Phase.REQUESTED, Phase.PENDING_APPROVAL, Phase.QUEUED}) | _ALIVE,
        Event.WANTED,
        Guard.ALWAYS,
        None,
        _WISH,
    ),
    (RESTING, Event.WANTED, Guard.ALWAYS, Phase.UPDATING, _WISH),
    (LEAVING, Event.WANTED, Guard.ALWAYS, None, (Effect.KEEP_WISH,)),
    (Phase.DESTROYED, Event.WANTED, Guard.ALWAYS, Phase.REQUESTED, (Effect.NEW_LIFE, *_WISH)),
    (WAITING, Event.UNWANTED, Guard.UNTOUCHED, Phase.DESTROYED, _DISMISSAL),
    (WAITING, Event.UNWANTED, Guard.TOUCHED, Phase.DESTROYING, _DISMISSAL),
    (RESTING | {Phase.UNKNOWN}, Event.UNWANTED, Guard.PRESENT, Phase.DESTROYING, _DISMISSAL),
    (APPLYING, Event.UNWANTED, Guard.PRESENT, None, _DISMISSAL),
    (_ALIVE, Event.UNWANTED, Guard.ABSENT, None, ()),
    (LEAVING, Event.UNWANTED, Guard.ALWAYS, None, (Effect.DROP_WISH,)),
    (Phase.DESTROYED, Event.UNWANTED, Guard.ALWAYS, None, ()),
    # What a worker does, and how it ends.
    (
        frozenset({Phase.QUEUED, Phase.UNKNOWN, Phase.PROVISIONING, Phase.UPDATING}),
        Event.BEGUN,
        Guard.NEWEST_FIRST,
        Phase.PROVISIONING,
        (Effect.TOUCH,),
    ),
    (
        frozenset({Phase.QUEUED, Phase.UNKNOWN, Phase.PROVISIONING, Phase.UPDATING}),
        Event.BEGUN,
        Guard.NEWEST_AGAIN,
        Phase.UPDATING,
        (Effect.TOUCH,),
    ),
    (Phase.WAKING, Event.BEGUN, Guard.NEWEST, Phase.WAKING, (Effect.TOUCH,)),
    (APPLYING, Event.SUCCEEDED, Guard.NEWEST, Phase.READY, (Effect.OBSERVE,)),
    (APPLYING, Event.SUCCEEDED, Guard.OUTDATED, Phase.QUEUED, ()),
    (APPLYING, Event.SUCCEEDED, Guard.ABSENT, Phase.DESTROYING, ()),
    (APPLYING, Event.FAILED, Guard.NEWEST, Phase.FAILED, ()),
    (APPLYING, Event.FAILED, Guard.OUTDATED, Phase.QUEUED, ()),
    (APPLYING, Event.FAILED, Guard.ABSENT, Phase.DESTROYING, ()),
    (_ALIVE, Event.LOST, Guard.ALWAYS, Phase.UNKNOWN, ()),
    (Phase.UNKNOWN, Event.RECOVERED, Guard.PRESENT, Phase.QUEUED, ()),
    (Phase.UNKNOWN, Event.RECOVERED, Guard.ABSENT, Phase.DESTROYING, ()),
    # Life by the clock.
    (Phase.READY, Event.IDLE, Guard.UNPINNED, Phase.SLEEPING, ()),
    (Phase.SLEEPING, Event.WOKEN, Guard.ALWAYS, Phase.WAKING, _WISH),
    (RESTING, Event.EXPIRING, Guard.ALWAYS, None, ()),
    # The way out; the caller holds the lease, so nobody applies any more.
    (WAITING | _ALIVE | LEAVING, Event.LEFT, Guard.ABSENT, Phase.DESTROYING, ()),
    (Phase.DESTROYING, Event.REMOVED, Guard.ALWAYS, Phase.VERIFYING_GONE, ()),
    (Phase.VERIFYING_GONE, Event.GONE, Guard.NOT_AGAIN, Phase.DESTROYED, (Effect.CLEAN,)),
    (Phase.VERIFYING_GONE, Event.GONE, Guard.AGAIN, Phase.REQUESTED, (Effect.NEW_LIFE, *_WISH)),
    (
        frozenset({Phase.DESTROYING, Phase.VERIFYING_GONE}),
        Event.REMAINS,
        Guard.ALWAYS,
        Phase.DESTROY_FAILED,
        (),
    ),
)
"""Every transition there is. At most one row fits any situation; a test holds that for all of them."""


def step(now: Situation, event: Event, generation: int = 0) -> Situation:
    """Return what follows when ``event`` happens; ``generation`` is the one that the reporting worker worked for.

    Raises ``TransitionError`` where no row of the table says what follows.
    """
    for row in TABLE:
        if row.fits(now, event, generation):
            return row.follow(now, generation)
    raise TransitionError(_refusal(now, event, generation))


def allows(now: Situation, event: Event, generation: int = 0) -> bool:
    """Tell whether some row of the table says what follows."""
    return any(row.fits(now, event, generation) for row in TABLE)


def as_markdown() -> str:
    """Return the table as it stands in the documentation."""
    lines = ["| From | Event | If | To | Changes |", "|---|---|---|---|---|"]
    for row in TABLE:
        sources = ", ".join(f"`{phase}`" for phase in Phase if phase in row.sources)
        target = f"`{row.target}`" if row.target else "the same"
        guard = "" if row.guard is Guard.ALWAYS else row.guard.value
        cells = (sources, row.event.value, guard, target, ", ".join(row.effects))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _refusal(now: Situation, event: Event, generation: int) -> str:
    if event is Event.BEGUN and now.desired is Desired.PRESENT and generation != now.generation:
        return f"Generation {generation} is not wanted (any more)."
    if event is Event.LEFT and now.desired is Desired.PRESENT:
        return "The environment is wanted; it must not be destroyed."
    wanted = "" if now.desired is Desired.PRESENT else " and not wanted"
    return f"The environment is {now.phase}{wanted}: {event} does not apply to it."
