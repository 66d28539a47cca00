"""Publishing over HTTP: what needs a sandboxed worker is handed over, and waited for as long as a caller will."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, BinaryIO
from uuid import UUID

from sqlmodel import Session

from catalog.assets.models import Visibility
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.models import ImportTag, Publication
from catalog.uploads.service import UploadService
from portal.streams import OperationStreams
from portal.threads import Threads

_LOOK_SECONDS = 1.0


class Publishing:
    """Publishes in the request's session: whatever has to be checked elsewhere is handed over and waited for."""

    def __init__(self, session: Session, settings: Settings, threads: Threads, streams: OperationStreams) -> None:
        self._session = session
        self._settings = settings
        self._threads = threads
        self._streams = streams
        self._service = UploadService(session, open_blobs(settings))

    async def publish(
        self, principal: Principal, archive: BinaryIO, visibility: Visibility | None, **terms: Any
    ) -> Publication:
        """Return what came of an archive, after waiting for its checks; ``version`` is None where they go on.

        ``terms`` and errors are those of ``UploadService.receive`` and ``UploadService.outcome``.
        """
        return await self.settle(principal, partial(self._service.receive, principal, archive, visibility, **terms))

    async def import_tag(self, principal: Principal, request: ImportTag) -> Publication:
        """Return what came of a repository's tag, as `publish` does of an archive."""
        return await self.settle(principal, partial(self._service.import_tag, principal, request, self._settings))

    async def settle(self, principal: Principal, receive: Callable[[], Publication]) -> Publication:
        """Let ``receive`` take an upload in, and wait for its checks as `publish` does.

        What was taken in is committed before the wait, because the worker has to see it.
        """
        publication = await self._threads.run(receive)
        if publication.version is not None or publication.upload is None:
            return publication
        upload = publication.upload
        # Followed before it is handed over: the checks may end while this process still looks away.
        with self._streams.following(upload.operation_id, to_its_end=True) as wait:
            await self._threads.end(self._hand_over)
            deadline = monotonic() + self._settings.upload_wait_seconds
            while publication.version is None and (left := deadline - monotonic()) > 0:
                if not await wait(min(left, _LOOK_SECONDS)):
                    break
                publication = await self._threads.run(self._look, principal.tenant_id, upload.id)
        return publication

    def _hand_over(self) -> None:
        self._session.commit()
        self._session.expunge_all()

    def _look(self, tenant_id: UUID, upload_id: UUID) -> Publication:
        publication = self._service.outcome(tenant_id, upload_id)
        if publication.version is None:
            # Waiting must not hold a connection.
            self._session.rollback()
            self._session.expunge_all()
        return publication
