"""What can keep the embedded default from starting, said so that the reader knows what to do."""


class EmbeddedError(Exception):
    """A part of the embedded default cannot run; the message names the cause and the remedy."""


class AlreadyRunningError(EmbeddedError):
    """Another process holds what was asked for; ``pid`` is that process, or None where it cannot be told."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class MissingProgramError(EmbeddedError):
    """A program that is needed is not on this machine; the message says how to get it."""
