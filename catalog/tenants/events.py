"""What happens to tenants and their credentials."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("token.created", version=1)
class TokenCreated(EventData):
    """An API token was made."""

    token_id: UUID
    name: str
    scopes: list[str]


@event("token.revoked", version=1)
class TokenRevoked(EventData):
    """An API token was revoked."""

    token_id: UUID
    name: str


@event("member.added", version=1)
class MemberAdded(EventData):
    """A person became a member."""

    member_id: UUID
    role: str


@event("member.signed_in", version=1)
class MemberSignedIn(EventData):
    """A member signed in with a browser."""

    member_id: UUID
    method: str


@event("secret.set", version=1)
class SecretSet(EventData):
    """A secret of the tenant was given a value; never which."""

    secret_id: UUID
    name: str


@event("secret.removed", version=1)
class SecretRemoved(EventData):
    """A secret of the tenant was removed, and its value forgotten."""

    secret_id: UUID
    name: str
