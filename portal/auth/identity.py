"""How a caller proved who it is."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Identity:
    """The proof of one request: ``secret`` is the token or the cookie's value, never logged, never stored."""

    secret: str
    session_id: UUID | None = None

    def __repr__(self) -> str:
        return f"Identity(session_id={self.session_id})"


def identity_of(scope: Any) -> Identity | None:
    """Return how the caller of this request proved who it is, None for an anonymous one."""
    identity: Identity | None = scope.get("auth")
    return identity
