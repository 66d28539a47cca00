"""Sources of metrics: whoever can answer a query about what is judged with numbers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol, runtime_checkable
from uuid import UUID

from sqlmodel import Session

from catalog.discovery import discover
from catalog.settings import Settings

GROUP = "slipway.providers.metrics"


class MetricSourceError(Exception):
    """Why a source could not answer; fit for a page, and never shows credentials."""


@dataclass(frozen=True)
class Reach:
    """For whom and about what a source is asked; ``session`` opens a unit of work as that tenant."""

    settings: Settings
    tenant_id: UUID
    tenant_name: str
    subject_kind: str
    subject_id: UUID
    session: Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Reading:
    """What a source answered: no value where it has none, several where the query names several series.

    ``samples`` and ``requests`` say how much stands behind it, None where the source does not tell.
    """

    values: tuple[float, ...]
    samples: int | None = None
    requests: float | None = None


@runtime_checkable
class MetricSource(Protocol):
    """Answers queries; ``is_scraped`` says that its numbers are samples, so that a window has to hold enough of them.

    Any thread may call.
    """

    name: str
    is_scraped: bool

    def problem(self, query: str, settings: Settings, tenant_name: str) -> str:
        """Return what is wrong with a query before anything is measured, "" where nothing is known to be."""
        ...

    def read(self, query: str, window: timedelta, at: datetime, reach: Reach) -> Reading:
        """Return what is known at a moment about the time before it; raise `MetricSourceError` and nothing else."""
        ...


@cache
def sources() -> dict[str, MetricSource]:
    """Return every source that discovery finds, by name."""
    return discover(GROUP, "PROVIDER", MetricSource)
