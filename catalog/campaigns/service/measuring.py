"""Measuring: what the ledger says of a wave, as numbers that an analysis can judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from uuid import UUID

from catalog.campaigns import queries
from catalog.campaigns.models import MemberState
from catalog.campaigns.service.base import Base


@dataclass(frozen=True)
class WaveFacts:
    """How many installs of a wave came how far; ``seconds`` is how long each upgrade took from revision to outcome.

    ``broken`` are those that were upgraded and are not any more as the campaign left them: they have failed since, or
    somebody put another revision there.
    """

    size: int
    upgraded: int
    failed: int
    left: int
    broken: int
    seconds: tuple[float, ...]

    def number(self, name: str) -> tuple[float | None, int]:
        """Return one of ``NUMBERS`` and how many installs it stands on, None where there are none of these."""
        return NUMBERS[name](self)


def _share(part: int, whole: int) -> tuple[float | None, int]:
    return (part / whole if whole else None), whole


NUMBERS: Mapping[str, Callable[[WaveFacts], tuple[float | None, int]]] = {
    "failed_share": lambda each: _share(each.failed, each.failed + each.upgraded),
    "left_share": lambda each: _share(each.left, each.size),
    "broken_share": lambda each: _share(each.broken, each.upgraded),
    "seconds_p50": lambda each: (median(each.seconds) if each.seconds else None, len(each.seconds)),
    "seconds_p95": lambda each: (_p95(each.seconds), len(each.seconds)),
    "seconds_max": lambda each: (max(each.seconds, default=None), len(each.seconds)),
}
"""What can be asked of a wave, by name."""


def _p95(seconds: tuple[float, ...]) -> float | None:
    """Return the 95th percentile as R's type 7 has it, None of nothing."""
    if len(seconds) < 2:
        return seconds[0] if seconds else None
    return quantiles(seconds, n=20, method="inclusive")[-1]


class Measuring(Base):
    """What is known of waves."""

    def wave_facts(self, tenant_id: UUID, wave_id: UUID) -> WaveFacts | None:
        """Return what the ledger says of a wave now, None where there is no such wave."""
        wave = queries.wave(self._session, tenant_id, wave_id)
        if wave is None:
            return None
        members = queries.members(self._session, tenant_id, wave.campaign_id, wave.number)
        states = [each.state for each in members]
        upgraded = [each for each in members if each.state is MemberState.UPGRADED and each.revision is not None]
        as_left = queries.as_left(self._session, tenant_id, [each.install_id for each in upgraded])
        broken = [each for each in upgraded if as_left.get(each.install_id) != each.revision]
        numbers = [(each.install_id, each.revision) for each in upgraded if each.revision is not None]
        return WaveFacts(
            size=len(members),
            upgraded=len(upgraded),
            failed=states.count(MemberState.FAILED),
            left=sum(states.count(each) for each in (MemberState.LEFT, MemberState.SKIPPED)),
            broken=len(broken),
            seconds=queries.seconds_of(self._session, tenant_id, numbers),
        )
