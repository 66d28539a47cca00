"""The errors of the domain: each has a stable code, a status and, where it helps, the fields at fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One field at fault: ``pointer`` is a JSON pointer into the input, ``detail`` says what is wrong and the fix."""

    pointer: str
    detail: str


class SlipwayError(Exception):
    """The base of every error a user can meet; ``status`` is the HTTP status it maps to."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class NotFoundError(SlipwayError):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"
    status = 404
    title = "Not found"


class ConflictError(SlipwayError):
    """The request contradicts the present state."""

    code = "conflict"
    status = 409
    title = "Conflict with the present state"


class InvalidInputError(SlipwayError):
    """The input is well formed but not acceptable; ``errors`` names every field at fault."""

    code = "invalid_input"
    status = 422
    title = "The input is not valid"


class UnauthorizedError(SlipwayError):
    """The caller is not known."""

    code = "unauthorized"
    status = 401
    title = "Sign in or give a valid token"


class ForbiddenError(SlipwayError):
    """The caller is known but lacks the role or scope."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class QuotaExceededError(SlipwayError):
    """The tenant has used up what it may use at once."""

    code = "quota_exceeded"
    status = 429
    title = "Quota used up"


class UnavailableError(SlipwayError):
    """Something this request needs cannot be reached at the moment; trying again later may work."""

    code = "unavailable"
    status = 503
    title = "Not available at the moment"
