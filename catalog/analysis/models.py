"""Analyses and their measurements, as rows; the counters of each metric stand beside what was measured."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class MetricVerdict(StrEnum):
    """What one measurement says."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    NODATA = "nodata"


class AnalysisPhase(StrEnum):
    """Where an analysis, or a metric of one, stands; from the best to the worst, as the verdict of several is made."""

    SUCCESSFUL = "successful"
    RUNNING = "running"
    PENDING = "pending"
    NODATA = "nodata"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAILED = "failed"


class Ending(StrEnum):
    """Why an analysis is ended before its metrics have decided.

    ``finished`` is the regular end of what it judges; ``stopped`` is everything else, such as a person.
    """

    FINISHED = "finished"
    STOPPED = "stopped"
    DEADLINE = "deadline"


class AnalysisRun(SQLModel, table=True):
    """One analysis of one subject, such as a wave of a campaign or a step of a rollout.

    ``metrics`` are the specifications as they were checked, ``states`` the phase and the counters of each by its name.
    ``fence`` counts who took up the work: a worker that measured under an earlier one writes nothing.
    """

    __tablename__ = "analysis_runs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_analysis_runs_subject", "tenant_id", "subject_kind", "subject_id", "started_at"),
        Index("ix_analysis_runs_due", "next_at", postgresql_where=text("phase IN ('pending', 'running')")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    subject_kind: str = Field(max_length=63)
    subject_id: UUID
    metrics: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    states: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    argo_compat: bool = False
    phase: AnalysisPhase = Field(default=AnalysisPhase.PENDING, sa_type=one_of(AnalysisPhase))
    message: str = ""
    ending: Ending | None = Field(default=None, sa_type=one_of(Ending))
    fence: int = 0
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    next_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    deadline_at: datetime = Field(sa_type=Timestamp)
    started_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class AnalysisMeasurement(SQLModel, table=True):
    """One measurement of one metric: unfinished while ``verdict`` is None, and kept for good once it is there.

    ``values`` is what the source answered, as texts where JSON has no such number; ``requests`` and ``samples`` are how
    much stands behind it, where the source tells.
    """

    __tablename__ = "analysis_measurements"
    __table_args__ = (
        UniqueConstraint("tenant_id", "run_id", "metric", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["analysis_runs.tenant_id", "analysis_runs.id"],
            ondelete="CASCADE",
            name="fk_analysis_measurements_run",
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    run_id: UUID
    metric: str = Field(max_length=63)
    number: int
    fence: int
    verdict: MetricVerdict | None = Field(default=None, sa_type=one_of(MetricVerdict))
    values: list[Any] = Field(default_factory=list, sa_type=Json)
    requests: float | None = None
    samples: int | None = None
    message: str = ""
    started_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
