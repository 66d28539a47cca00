"""What a check of the machine found."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """``MISSING`` keeps the main job from running; ``LIMITED`` costs one ability, which the remedy names."""

    FOUND = "found"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for; ``remedy`` is empty where nothing needs to be done."""

    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return asdict(self)
