"""How the API describes itself: OpenAPI 3.1, every error included."""

from collections.abc import Sequence
from typing import Any

from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Example, Reference, SecurityScheme
from litestar.types import Guard

from portal.problems import PROBLEM_JSON, ProblemDetails

CONDITIONAL = {
    304: ResponseSpec(None, description="The caller has this already (If-None-Match)", generate_examples=False)
}
"""What every read may answer to a caller who sends the ETag that it got before."""
REPLAYED = [
    ResponseHeader(
        name="Idempotency-Replayed",
        value="true",
        documentation_only=True,
        description="`true` where this answer was given before to the same Idempotency-Key.",
    )
]
ACCEPTED = [
    ResponseHeader(
        name="Location",
        value="/api/v1/operations/...",
        documentation_only=True,
        description="The operation that carries this out; follow it there.",
    ),
    *REPLAYED,
]
_DESCRIPTION = """Slipway's API. A token stands for one tenant and holds scopes of the form `area:level`.

Errors are problem details (RFC 9457); `errors` names every field at fault by JSON pointer. Lists take `limit` and
`cursor` and carry a `Link` header. Every POST takes an `Idempotency-Key`: the same key with the same request gives the
same answer for 24 hours, with another request it is refused. Reads carry an `ETag`. Long work is accepted with 202 and
followed as an operation. Times are RFC 3339 in UTC, durations ISO 8601."""

_DETAILS = {
    400: ("malformed", "The request could not be read", "Malformed JSON at byte 12."),
    401: ("unauthorized", "Sign in or give a valid token", "The token is not known, has expired, or was revoked."),
    403: ("forbidden", "Not allowed", "This needs the scope environments:write, which ci does not have in acme."),
    404: ("not_found", "Not found", "There is no environment 0d7c4b7e-9a43-4d56-9d0f-0f6c3d3e8a11."),
    409: ("conflict", "Conflict with the present state", "The environment is being destroyed."),
    413: ("too_large", "The request is too large", "The request's body is larger than this address accepts."),
    415: ("unsupported_media_type", "This content type is not understood here", "Send application/json."),
    422: ("invalid_input", "The input is not valid", "One field is not valid."),
    429: ("quota_exceeded", "Quota used up", "50 of 50 environments are in use. Destroy one first."),
    500: ("internal", "Something went wrong", "This is a fault of Slipway. The log has the details under 6f1c7a52."),
    503: ("unavailable", "Not available at the moment", "The database does not answer. Try again."),
}


ANYWHERE = (400, 500, 503)
"""Unreadable requests, our own faults, and a database that is away."""


def reads(tags: Sequence[str], guards: Sequence[Guard], *statuses: int) -> dict[str, Any]:
    """Return the options of a route that reads with a token; ``statuses`` are its errors beside those of the token."""
    responses = {**CONDITIONAL, **problems(401, 403, *statuses)}
    return {"tags": tags, "guards": guards, "responses": responses, "sync_to_thread": True}


def changes(tags: Sequence[str], guards: Sequence[Guard], *statuses: int) -> dict[str, Any]:
    """Return the options of a POST that changes something with a token, and that may be repeated under its key."""
    responses = problems(401, 403, *statuses)
    return {
        "tags": tags,
        "guards": guards,
        "responses": responses,
        "response_headers": REPLAYED,
        "sync_to_thread": True,
    }


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the descriptions of the errors that a route may answer with; those that any may are among them."""
    return {status: _problem(status) for status in sorted({*statuses, *ANYWHERE})}


def _problem(status: int) -> ResponseSpec:
    code, title, detail = _DETAILS[status]
    errors = [{"pointer": "/pull_request", "detail": "Input should be greater than or equal to 1"}]
    value = {
        "type": f"urn:slipway:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": errors if status == 422 else [],
        "correlation_id": "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d",
    }
    return ResponseSpec(
        data_container=ProblemDetails,
        description=title,
        media_type=PROBLEM_JSON,
        generate_examples=False,
        examples=[Example(summary=title, value=value)],
    )


def openapi_config() -> OpenAPIConfig:
    """Return how the schema is made and served: as one JSON document, below /api."""
    schemes: dict[str, SecurityScheme | Reference] = {
        "token": SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="slw_...",
            description="An API token, bound to one tenant.",
        ),
        "session": SecurityScheme(
            type="apiKey",
            name="slipway-session",
            security_scheme_in="cookie",
            description="The session of a browser that has signed in. Its name ends in the portal's port, or begins "
            "with __Host- where the portal is served over TLS.",
        ),
    }
    return OpenAPIConfig(
        title="Slipway",
        version="1",
        description=_DESCRIPTION,
        path="/api",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes=schemes),
        security=[{"token": []}, {"session": []}],
        use_handler_docstrings=True,
    )
