"""What a route asks of its caller, declared beside the route."""

from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from catalog.errors import ForbiddenError, SlipwayError, UnauthorizedError
from catalog.tenancy import AREAS, LEVELS, Principal
from portal.boundary import Connection


class UnsupportedMediaTypeError(SlipwayError):
    """The body's content type is not what the route declares."""

    code = "unsupported_media_type"
    status = 415
    title = "This content type is not understood here"


PUBLISHING = "publishing"
"""The key in a route's ``opt`` that lets callers through who may publish one asset and do nothing else."""


def requires(scope: str) -> Guard:
    """Return a guard that lets callers with ``scope`` (``area:level``) through; an unknown scope stops the process.

    Callers that may publish one asset only come through where the route's ``opt`` says so, whatever the scope.
    """
    area, _, level = scope.partition(":")
    if area not in AREAS or level not in LEVELS:
        raise ValueError(f"There is no scope {scope!r}.")

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        principal: Principal | None = connection.scope.get("user")
        if principal is None:
            raise UnauthorizedError("Give a token in the header Authorization: Bearer slw_..., or sign in.")
        if principal.publishes is None:
            principal.require(scope)
        elif not handler.opt.get(PUBLISHING):
            raise ForbiddenError(f"This token can publish {principal.publishes} and do nothing else.")

    guard.__dict__["scope"] = scope
    return guard


def signed_in(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let anyone through who has proved who it is, whatever it may do."""
    if connection.scope.get("user") is None:
        raise UnauthorizedError("Give a token in the header Authorization: Bearer slw_..., or sign in.")


def declared_body(connection: Connection, handler: BaseRouteHandler) -> None:
    """Refuse a body of another content type than the route declares (JSON, or ``media_type`` in its ``opt``)."""
    headers = connection.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if not has_body or "data" not in handler.parsed_fn_signature.parameters:
        return
    wanted = str(handler.opt.get("media_type", "application/json"))
    if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise UnsupportedMediaTypeError(f"Send {wanted}, and say so in the header Content-Type.")


def scope_of(guard: object) -> str | None:
    """Return the scope that a guard of ``requires`` asks for, None for any other guard."""
    return getattr(_bare(guard), "__dict__", {}).get("scope")


def lets_anyone_signed_in(guard: object) -> bool:
    """Tell whether a guard is ``signed_in``."""
    return _bare(guard) is signed_in


def _bare(guard: object) -> object:
    # Litestar keeps guards wrapped, so that it can await them.
    return getattr(guard, "func", guard)
