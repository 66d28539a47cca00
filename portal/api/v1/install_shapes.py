"""Shapes of answers about installs that stand for what is stored."""

from pydantic import BaseModel


class KeptFile(BaseModel):
    """One file of a revision; ``data`` is its content in base64."""

    path: str
    executable: bool
    data: str


class KeptFiles(BaseModel):
    """The files of a revision, byte for byte, after the chain and every digest were checked."""

    content_digest: str
    files: list[KeptFile]
