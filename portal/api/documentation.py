"""How the API describes itself: OpenAPI 3.1, every error included."""

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from portal.problems import PROBLEM_JSON, ProblemDetails

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
    503: ("unavailable", "Not available at the moment", "The database does not answer. Try again."),
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the descriptions of the errors that a route may answer with."""
    return {status: _problem(status) for status in sorted(statuses)}


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
