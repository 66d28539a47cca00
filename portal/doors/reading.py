"""What the routes of the standard doors that read have in common."""

from collections.abc import Callable
from typing import Any

from litestar import route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires

TAG = "standard doors"


def read_route(
    path: str, name: str, summary: str, media_type: str, *, threads: bool = True, scope: str = "assets:read"
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Return the decorator of a route below ``/t/{tenant}`` that answers GET and HEAD to who holds ``scope``.

    ``threads`` says whether the handler is blocking.
    """
    return route(
        f"/t/{{tenant:str}}{path}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=lambda _handler, method, _path: name if method == "GET" else f"{name}_head",
        summary=summary,
        tags=[TAG],
        guards=[requires(scope)],
        media_type=media_type,
        responses={
            200: ResponseSpec(bytes, media_type=media_type, description=summary, generate_examples=False),
            **CONDITIONAL,
            **problems(401, 403, 404),
        },
        sync_to_thread=True if threads else None,
    )
