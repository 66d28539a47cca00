"""UploadService: takes an archive in, has it checked, and publishes it, alone or together with others."""

from catalog.uploads.service.importing import Importing


class UploadService(Importing):
    """One unit of work on uploads; everything but the stored bytes happens in the session's transaction."""
