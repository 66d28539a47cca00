"""Room: what an environment takes of what its tenant may have, measure by measure; pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.assets.blueprint_spec import BlueprintSpec, ProcessLimits
from catalog.settings import Settings


class Measure(Protocol):
    """One thing that is counted: what an environment takes of it, and how much a tenant may have, None for any amount.

    What something costs is one more of these.
    """

    @property
    def name(self) -> str:
        """The key under which an environment keeps how much it takes."""
        ...

    def of(self, spec: BlueprintSpec) -> int:
        """Return how much an environment of this blueprint takes."""
        ...

    def limit(self, settings: Settings) -> int | None:
        """Return how much all environments of a tenant that are awake may take together."""
        ...

    def say(self, amount: int) -> str:
        """Return an amount in words."""
        ...


def _limits(spec: BlueprintSpec) -> list[ProcessLimits]:
    """Return the limits of everything that runs; what a file of the repository describes is counted once it was read.

    The processes of a component of a package have together what one process has.
    """
    made = spec.environment
    own = [each.limits for each in (*made.processes.values(), *made.backing.values())]
    return own + [ProcessLimits() for _ in made.packaged]


@dataclass(frozen=True)
class _Counted:
    name: str
    words: str
    takes: Callable[[BlueprintSpec], int]
    allowed: Callable[[Settings], int | None]

    def of(self, spec: BlueprintSpec) -> int:
        return self.takes(spec)

    def limit(self, settings: Settings) -> int | None:
        return self.allowed(settings)

    def say(self, amount: int) -> str:
        return f"{amount} {self.words}"


MEASURES: tuple[Measure, ...] = (
    _Counted("environments", "environments", lambda _: 1, lambda settings: settings.environment_quota),
    _Counted(
        "memory_mb",
        "MB of memory",
        lambda spec: sum(each.memory_mb for each in _limits(spec)),
        lambda settings: settings.environment_quota_memory_mb,
    ),
    _Counted(
        "processes",
        "processes",
        lambda spec: sum(each.processes for each in _limits(spec)),
        lambda settings: settings.environment_quota_processes,
    ),
)
"""What room is measured by: how many there are, and the limits of what they run."""


def size_of(spec: BlueprintSpec) -> dict[str, int]:
    """Return what an environment of a blueprint takes, by measure."""
    return {each.name: each.of(spec) for each in MEASURES}


def in_words(spec: BlueprintSpec) -> str:
    """Say what an environment of a blueprint may take at the most, and of processors where the blueprint says so."""
    taken = [each.say(each.of(spec)) for each in MEASURES[1:]]
    made = spec.environment
    given = {name: each.limits.cpus for name, each in (*made.processes.items(), *made.backing.items())}
    parts = [f"{cpus:g} for {name}" for name, cpus in given.items() if cpus is not None]
    return ", ".join(taken) + (f"; processors: {', '.join(parts)}" if parts else "")


def lacking(
    settings: Settings,
    size: Mapping[str, int],
    used: Iterable[Mapping[str, int]] = (),
    measures: Sequence[Measure] = MEASURES,
) -> str:
    """Return in a sentence what there is too little of for one of ``size`` beside those that are ``used``; "" if none.

    Without ``used`` that is what there could never be enough of.
    """
    others = list(used)
    for measure in measures:
        limit = measure.limit(settings)
        taken = sum(_amount(each, measure) for each in others)
        wanted = _amount(size, measure)
        if limit is not None and taken + wanted > limit:
            if measure is measures[0]:
                return f"All {measure.say(limit)} are in use."
            return f"It takes {measure.say(wanted)}, and {max(limit - taken, 0)} of {measure.say(limit)} are free."
    return ""


def _amount(size: Mapping[str, int], measure: Measure) -> int:
    # One from before there was a measure takes none of it; it counts as one in any case.
    return size.get(measure.name, 1 if measure is MEASURES[0] else 0)
