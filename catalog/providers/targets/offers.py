"""What a target offers beside services: servers behind them, and what those begin with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from catalog.providers.targets import TargetProvider

WORDS: Mapping[str, str] = {"postgres": "PostgreSQL", "redis": "Redis", "objects": "object storage"}


@dataclass(frozen=True, slots=True)
class Needs:
    """What a blueprint needs: the kind of each server by its name, and which of them begin with something."""

    servers: Mapping[str, str] = field(default_factory=dict)
    seeded: Collection[str] = ()


def lacking(provider: TargetProvider, needs: Needs) -> str:
    """Return in a sentence what a target does not offer of what is needed, "" where it offers everything."""
    others = "Choose another target, or take it out of the blueprint."
    for name, kind in needs.servers.items():
        if kind not in provider.backing:
            return f"{name}: the target {provider.name} offers no {WORDS.get(kind, kind)}. {others}"
    if needs.seeded and not provider.seeds:
        name = min(needs.seeded)
        return f"{name}: the target {provider.name} cannot fill a database (seed). {others}"
    return ""
