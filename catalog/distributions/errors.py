"""What can be wrong with a wheel, and why a file cannot be handed out."""

from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError, UnavailableError


class WheelRefusedError(InvalidInputError):
    """The wheel cannot be taken in; ``reason`` says why and ``fix`` what to do about it."""

    code = "wheel_refused"
    title = "The wheel was not accepted"

    def __init__(self, reason: str, fix: str, pointer: str = "/content") -> None:
        super().__init__(f"{reason} {fix}", [FieldError(pointer, f"{reason} {fix}")])
        self.reason = reason
        self.fix = fix


class ProjectTakenError(ConflictError):
    """Another asset of the same tenant publishes under this project name."""

    code = "project_taken"
    title = "The project name is taken"


class NoSuchProjectError(NotFoundError):
    """No such project or file, or none that the tenant may see: both are said alike."""

    code = "project_not_found"
    title = "No such project"


class FileUnavailableError(UnavailableError):
    """The stored bytes of a file are missing or damaged."""

    code = "file_unavailable"
    title = "The file cannot be served"
