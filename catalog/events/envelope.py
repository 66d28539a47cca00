"""The CloudEvents 1.0 envelope in which every event leaves the process.

Source: the CloudEvents specification 1.0.2, JSON format. ``tenantid``, ``actor``, ``correlationid``,
``causationid`` and ``sequence`` are extension attributes, which CloudEvents wants in lower case letters and digits.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from catalog.events.models import EventRecord
from catalog.events.registry import EventData, event_class


class Envelope(BaseModel):
    """One event as others read it; ``data`` has the shape that ``type`` promises."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    tenantid: UUID
    actor: str
    correlationid: UUID
    causationid: UUID | None = None
    sequence: str
    data: dict[str, Any] = Field(default_factory=dict)

    def event(self) -> EventData:
        """Return ``data`` as an instance of the class registered for ``type``."""
        return event_class(self.type).model_validate(self.data)


def envelope(record: EventRecord) -> Envelope:
    """Return the envelope of a recorded event; ``sequence`` sorts as text in the order of recording."""
    return Envelope(
        id=record.id,
        source=f"/tenants/{record.tenant_id}",
        type=record.type,
        subject=record.subject,
        time=record.occurred_at,
        tenantid=record.tenant_id,
        actor=record.actor,
        correlationid=record.correlation_id,
        causationid=record.causation_id,
        sequence=f"{record.sequence:020d}",
        data=record.data,
    )
