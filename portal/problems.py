"""Errors on their way out: problem details (RFC 9457) for programs, a page or a fragment for people."""

import logging
import re
from traceback import walk_tb
from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import MediaType, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.response import Redirect
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from catalog.errors import (
    FieldError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    SlipwayError,
    UnauthorizedError,
    UnavailableError,
)
from catalog.gating import PolicyRefusedError, Violation
from catalog.refusals import sentence
from portal.boundary import WebRequest
from portal.oci_errors import OCI_DOOR, answer_oci, oci_challenge
from portal.pages.render import ErrorPage, Renderer

LOG = logging.getLogger("slipway.portal")
PROBLEM_JSON = "application/problem+json"
DOORS = ("/t/", "/v2")
"""The standard doors, where other people's clients come in."""
TYPE_PREFIX = "urn:slipway:problem:"
API_PREFIXES = ("/api/", "/hooks/", "/health/", "/metrics", *DOORS)
PROMISED_PATHS = frozenset({"/policies/evaluate", "/environments/ephemeral", "/attestations"})
"""Paths at the root that answer as the API does."""


class FieldProblem(BaseModel):
    """One field at fault: a JSON pointer into the input, and what is wrong with the fix."""

    pointer: str = Field(examples=["/pull_request"])
    detail: str = Field(examples=["Input should be greater than or equal to 1"])


class ProblemDetails(BaseModel):
    """Why a request failed, after RFC 9457; ``correlation_id`` finds the request in the log."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=["urn:slipway:problem:invalid_input"])
    title: str = Field(examples=["The input is not valid"])
    status: int = Field(examples=[422])
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list)
    findings: list[dict[str, Any]] = Field(
        default_factory=list, description="What the checks of an archive found, warnings included; else empty."
    )
    violations: list[Violation] = Field(
        default_factory=list, description="What policies found, where they refused; else empty."
    )
    evaluation: UUID | None = Field(default=None, description="The record of the evaluation that refused.")
    causes: list[dict[str, Any]] = Field(
        default_factory=list, description="Which requirements contradict each other where resolving fails; else empty."
    )
    correlation_id: str = Field(default="", examples=["6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"])


_UNUSABLE = "It holds a number that is too large, a character that cannot be kept (NUL), or is nested too deeply."
_LONGEST = 200
_MISSING = re.compile(r"missing required field `([^`]+)`")
_HTTP = {
    400: ("malformed", "The request could not be read"),
    401: (UnauthorizedError.code, UnauthorizedError.title),
    403: (ForbiddenError.code, ForbiddenError.title),
    404: (NotFoundError.code, NotFoundError.title),
    405: ("method_not_allowed", "This method is not allowed here"),
    406: ("not_acceptable", "No acceptable form of the answer"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "This content type is not understood here"),
    421: ("misdirected", "This name is not served here"),
    422: (InvalidInputError.code, InvalidInputError.title),
    429: ("too_many_requests", "Too many requests"),
    503: (UnavailableError.code, UnavailableError.title),
}


def answer_error(request: WebRequest, error: Exception) -> Response[Any]:
    """Return the answer for any error: what it is to the caller, and nothing more."""
    problem = describe(request, error)
    headers = _headers(request, error, problem.status)
    if request.scope["path"].startswith(OCI_DOOR):
        return answer_oci(request, problem, headers)
    if not wants_page(request):
        return Response(content=problem, status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)
    if problem.status == 401:
        return _to_sign_in(request)
    return _page(request, problem, headers)


def wants_page(request: WebRequest) -> bool:
    """Tell whether the caller is a person's browser on a page rather than a program."""
    path = request.scope["path"]
    if path.startswith(API_PREFIXES) or (path in PROMISED_PATHS and request.method == "POST"):
        return False
    return "text/html" in request.headers.get("accept", "") or request.headers.get("hx-request") == "true"


def safe_next(target: str | None) -> str:
    """Return ``target`` if it is a path of this portal, the start page otherwise: no redirect leads elsewhere."""
    if target is None or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    return target if target.isprintable() else "/"


def describe(request: WebRequest, error: Exception) -> ProblemDetails:
    """Return what an error is to the caller; what is our own fault is logged."""
    correlation = str(request.scope["state"].get("correlation_id", ""))
    if isinstance(error, SlipwayError):
        fields = [FieldProblem(pointer=each.pointer, detail=each.detail) for each in error.errors]
        code, title, status, detail = error.code, error.title, error.status, error.detail
        if status >= 500 and not isinstance(error, UnavailableError):
            LOG.error("request %s failed", correlation, exc_info=error)
    elif isinstance(error, ValidationException):
        fields = [FieldProblem(pointer=each.pointer, detail=each.detail) for each in _field_errors(error)]
        code, title, status = InvalidInputError.code, InvalidInputError.title, 422
        detail = f"{_count(len(fields))} not valid." if fields else error.detail
    elif isinstance(error, HTTPException) and error.status_code < 500:
        fields, status = [], error.status_code
        code, title = _HTTP.get(status, ("refused", "The request was refused"))
        detail = _http_detail(request, error)
    elif isinstance(error, DBAPIError | NoConnectionError) and _is_connection_lost(error):
        LOG.warning("request %s: the database does not answer: %s", correlation, error)
        fields, status = [], 503
        code, title, detail = UnavailableError.code, UnavailableError.title, "The database does not answer. Try again."
    elif isinstance(error, ValueError | LookupError) and _is_of_the_form(error):
        fields, status = [], 400
        code, title = _HTTP[status]
        detail = "The form has a text that is not in the encoding that it says, or not UTF-8. Send files as files."
    elif isinstance(error, DataError | RecursionError):
        LOG.warning("request %s holds what cannot be kept: %s", correlation, type(error).__name__)
        fields, status = [], 422
        code, title, detail = InvalidInputError.code, InvalidInputError.title, _UNUSABLE
    else:
        LOG.error("request %s failed", correlation, exc_info=error)
        fields, status = [], 500
        code, title = SlipwayError.code, SlipwayError.title
        detail = f"This is a fault of Slipway. The log has the details under {correlation}."
    kind = f"{TYPE_PREFIX}{code}"
    findings = [each.as_json() for each in getattr(error, "findings", ())]
    verdict = error.verdict if isinstance(error, PolicyRefusedError) else None
    return ProblemDetails(
        type=kind,
        title=title,
        status=status,
        detail=detail,
        errors=fields,
        findings=findings,
        violations=list(verdict.violations) if verdict else [],
        evaluation=verdict.evaluation if verdict else None,
        causes=[each.model_dump(mode="json") for each in getattr(error, "causes", ())],
        correlation_id=correlation,
    )


def _is_connection_lost(error: DBAPIError | NoConnectionError) -> bool:
    if isinstance(error, NoConnectionError) or error.connection_invalidated:
        return True
    # Class 57P is an administrator's shutdown, class 08 a broken connection; a refused connection has no class.
    state = getattr(error.orig, "sqlstate", None)
    return type(error).__name__ == "OperationalError" and (state is None or state[:3] in {"57P", "080"})


def _is_of_the_form(error: Exception) -> bool:
    """Tell whether an error came up where the parts of a form are read, which the framework lets through."""
    return any(frame.f_globals.get("__name__") == "litestar._multipart" for frame, _ in walk_tb(error.__traceback__))


def _count(number: int) -> str:
    return "One field is" if number == 1 else f"{number} fields are"


def _field_errors(error: ValidationException) -> list[FieldError]:
    # Litestar joins locations with dots; the error beneath still has them apart, so that a dot in a key does no harm.
    beneath = getattr(error.__cause__, "errors", None)
    if isinstance(beneath, list):
        return [FieldError(_pointer(each["loc"]), sentence(each)) for each in beneath]
    extra = error.extra if isinstance(error.extra, list) else []
    return [
        FieldError(_pointer(_keys(each)), _said(str(each.get("message", ""))))
        for each in extra
        if isinstance(each, dict)
    ]


def _said(message: str) -> str:
    """Return what the reader of requests says without the types of a program, and without repeating what is long."""
    if message.startswith("Unsupported type: "):
        return "This is not what belongs here; a file is sent once, as a file with a name."
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _keys(message: dict[str, object]) -> list[str]:
    key = str(message.get("key", ""))
    keys = [] if key in {"", "data"} else key.split(".")
    missing = _MISSING.search(str(message.get("message", "")))
    return [*keys, missing[1]] if missing else keys


def _pointer(location: tuple[object, ...] | list[str]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _http_detail(request: WebRequest, error: HTTPException) -> str:
    if isinstance(error, NotFoundException):
        return "There is nothing at this address."
    if isinstance(error, MethodNotAllowedException):
        return f"{request.method} is not possible here."
    if error.status_code == 413:
        return "The request's body is larger than this address accepts."
    return error.detail


def _headers(request: WebRequest, error: Exception, status: int) -> dict[str, str]:
    headers = {key: str(value) for key, value in (getattr(error, "headers", None) or {}).items()}
    if status == 401:
        # Clients of the standard doors send a password only where Basic is asked for.
        scheme = "Basic" if request.scope["path"].startswith(DOORS) else "Bearer"
        headers["WWW-Authenticate"] = f'{scheme} realm="slipway"'
        if request.scope["path"].startswith(OCI_DOOR):
            headers["WWW-Authenticate"] = oci_challenge(request)
    if status == 503:
        headers.setdefault("Retry-After", "2")
    return headers


def _to_sign_in(request: WebRequest) -> Response[Any]:
    path = request.scope["path"]
    query = request.scope["query_string"].decode("latin-1")
    here = f"{path}?{query}" if query else path
    target = "/sign-in" if request.method not in {"GET", "HEAD"} else f"/sign-in?next={quote(safe_next(here), safe='')}"
    if request.headers.get("hx-request") == "true":
        return Response(content=b"", status_code=401, media_type=MediaType.HTML, headers={"HX-Redirect": target})
    return Redirect(path=target, status_code=303)


def _page(request: WebRequest, problem: ProblemDetails, headers: dict[str, str]) -> Response[Any]:
    renderer: Renderer = request.app.state.renderer
    page = ErrorPage(
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        code=problem.type.removeprefix(TYPE_PREFIX),
        errors=tuple((each.pointer, each.detail) for each in problem.errors),
    )
    answer = renderer.error(request, page)
    answer.headers.update(headers)
    return answer
