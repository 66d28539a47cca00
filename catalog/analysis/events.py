"""What happens to analyses; events name metrics and verdicts, never queries."""

from uuid import UUID

from catalog.events.registry import EventData, event


class AnalysisEvent(EventData):
    """What every event of an analysis says; the subject is what it judges, such as a wave of a campaign."""

    run_id: UUID
    subject_kind: str
    subject_id: UUID


@event("analysis.started", version=1)
class AnalysisStarted(AnalysisEvent):
    """Metrics are measured from now on."""

    metrics: list[str]


@event("analysis.concluded", version=1)
class AnalysisConcluded(AnalysisEvent):
    """There is a verdict; ``message`` names the metric that decided, where one did."""

    phase: str
    message: str
