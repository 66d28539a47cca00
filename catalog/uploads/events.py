"""What happens to uploads."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("upload.received", version=1)
class UploadReceived(EventData):
    """A sound archive arrived and is kept."""

    upload_id: UUID
    namespace: str
    name: str
    version: str
    kind: str
    blob_digest: str


@event("upload.rejected", version=1)
class UploadRejected(EventData):
    """The sandboxed checks of an upload found errors; nothing was published, and its archive is not kept."""

    upload_id: UUID
    namespace: str
    name: str
    version: str
    kind: str
    blob_digest: str
    problems: int


@event("publishing_session.opened", version=1)
class PublishingSessionOpened(EventData):
    """Versions of several assets are being gathered, to come out together."""

    session_id: UUID
    title: str


@event("publishing_session.ended", version=1)
class PublishingSessionEnded(EventData):
    """Everything in a session is out, or was thrown away: ``outcome`` is ``published`` or ``discarded``."""

    session_id: UUID
    title: str
    outcome: str
    versions: list[str]
