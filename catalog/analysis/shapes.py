"""The shapes in which analyses are asked for and read."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape
from pydantic.alias_generators import to_camel

from catalog.analysis.models import AnalysisPhase, Ending, MetricVerdict
from catalog.assets.durations import DurationText
from catalog.assets.strategy_spec import Measure

SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
MOST_METRICS = 20


class MetricSpec(Measure):
    """One metric of an analysis, as strategies write it (docs/package-format.md), from any source of numbers.

    ``error_retry`` is how long after an error it is measured again.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)

    provider: SourceName
    error_retry: DurationText = "PT10S"


class AnalysisSpec(BaseModel):
    """What is measured. ``argo_compat`` counts what is stopped before anything was measured as a success."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: tuple[MetricSpec, ...] = Shape(min_length=1, max_length=MOST_METRICS)
    argo_compat: bool = False


class MeasurementRead(BaseModel):
    """One measurement; ``values`` are those that the source answered."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    metric: str
    number: int
    verdict: MetricVerdict | None
    values: list[Any]
    requests: float | None
    samples: int | None
    message: str
    started_at: datetime
    finished_at: datetime | None


class MetricRead(BaseModel):
    """A metric as it stands: its counters by name, what decided it, and its latest measurements, newest first."""

    model_config = ConfigDict(frozen=True)

    name: str
    provider: str
    kind: str
    dry_run: bool
    success_condition: str | None
    failure_condition: str | None
    phase: AnalysisPhase
    message: str
    counters: dict[str, int]
    measurements: list[MeasurementRead]


class AnalysisRead(BaseModel):
    """An analysis of a subject: its phase is the verdict once it has ended."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    subject_kind: str
    subject_id: UUID
    phase: AnalysisPhase
    message: str
    ending: Ending | None
    metrics: list[MetricRead]
    started_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
