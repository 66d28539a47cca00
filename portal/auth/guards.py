"""What a route asks of its caller, declared beside the route."""

from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from catalog.errors import UnauthorizedError
from catalog.tenancy import AREAS, LEVELS, Principal
from portal.boundary import Connection


def requires(scope: str) -> Guard:
    """Return a guard that lets callers with ``scope`` (``area:level``) through; an unknown scope stops the process."""
    area, _, level = scope.partition(":")
    if area not in AREAS or level not in LEVELS:
        raise ValueError(f"There is no scope {scope!r}.")

    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal: Principal | None = connection.scope.get("user")
        if principal is None:
            raise UnauthorizedError("Give a token in the header Authorization: Bearer slw_..., or sign in.")
        principal.require(scope)

    guard.__dict__["scope"] = scope
    return guard


def scope_of(guards: list[Guard]) -> str | None:
    """Return the scope that a route's guards ask for, None where none does."""
    found = [str(each.__dict__["scope"]) for each in guards if "scope" in getattr(each, "__dict__", {})]
    return found[-1] if found else None
