"""UploadService: takes an archive in, has it checked, and publishes it."""

from catalog.uploads.service.checking import Checking


class UploadService(Checking):
    """One unit of work on uploads; everything but the stored bytes happens in the session's transaction."""
