"""What happens to overlays."""

from uuid import UUID

from pydantic import BaseModel

from catalog.events.registry import EventData, event


@event("overlay.changed", version=1)
class OverlayChanged(EventData):
    """A tenant set (``set``) or took away (``removed``) what it narrows of an asset; values stay in the catalog."""

    asset: str
    revision: int
    change: str
    pointers: list[str]


class OverlayMisfit(BaseModel):
    """One rule that does not fit, by the JSON pointer of its input."""

    pointer: str
    detail: str


@event("overlay.conflicted", version=1)
class OverlayConflicted(EventData):
    """A version came that an overlay does not fit, so that no request gets it; told once for each version."""

    asset: str
    version_id: UUID
    version: str
    revision: int
    misfits: list[OverlayMisfit]
