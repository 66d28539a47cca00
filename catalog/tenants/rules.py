"""Credentials and names: pure functions."""

import hashlib
import re
import secrets
from collections.abc import Iterable

from catalog.errors import FieldError, InvalidInputError
from catalog.tenancy import ALL_SCOPES

TOKEN_PREFIX = "slw_"  # noqa: S105  # the public prefix by which scanners know a leaked token
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAXIMUM_TOKEN_DAYS = 365
MAXIMUM_TOKEN_NAME = 200


def new_secret() -> str:
    """Return 256 random bits as text that is safe in a URL."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a new API token: the public prefix and 256 random bits."""
    return TOKEN_PREFIX + new_secret()


def digest(secret: str) -> str:
    """Return the SHA-256 under which a random secret is kept; 256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_name(name: str) -> None:
    """Raise ``InvalidInputError`` unless ``name`` can be a tenant's name (a DNS label)."""
    if not NAME.fullmatch(name):
        fix = "Use 1 to 63 lower-case letters, digits and inner dashes."
        raise InvalidInputError(f"{name!r} cannot be a tenant's name. {fix}", [FieldError("/name", fix)])


def check_token_request(name: str, scopes: Iterable[str], held: frozenset[str], days: int | None) -> None:
    """Raise ``InvalidInputError`` naming every field at fault; a token never holds more than its maker does."""
    errors = []
    if not name.strip() or len(name) > MAXIMUM_TOKEN_NAME or not name.isprintable():
        fix = f"Give the token a name that says what uses it, at most {MAXIMUM_TOKEN_NAME} printable characters."
        errors.append(FieldError("/name", fix))
    wanted = list(scopes)
    if not wanted:
        errors.append(FieldError("/scopes", "Name at least one scope, such as environments:write."))
    for index, scope in enumerate(wanted):
        if scope not in ALL_SCOPES:
            errors.append(
                FieldError(f"/scopes/{index}", f"There is no scope {scope!r}. Known: {', '.join(sorted(ALL_SCOPES))}.")
            )
        elif scope not in held:
            errors.append(FieldError(f"/scopes/{index}", f"You do not hold {scope} yourself, so you cannot give it."))
    if days is not None and not 1 <= days <= MAXIMUM_TOKEN_DAYS:
        errors.append(FieldError("/expires_in_days", f"Choose 1 to {MAXIMUM_TOKEN_DAYS} days."))
    if errors:
        raise InvalidInputError("The token cannot be made as asked.", errors)
