"""What every use case of attestations works with: the transaction, the settings, and the bytes."""

from functools import cached_property

from sqlmodel import Session

from catalog.providers.blobs import BlobStore, open_blobs
from catalog.settings import Settings


class Base:
    """One unit of work; everything happens in the session's transaction, except what signers and blob stores do."""

    def __init__(self, session: Session, settings: Settings, blobs: BlobStore | None = None) -> None:
        self._session = session
        self._settings = settings
        self._given_blobs = blobs

    @cached_property
    def _blobs(self) -> BlobStore:
        return self._given_blobs or open_blobs(self._settings)
