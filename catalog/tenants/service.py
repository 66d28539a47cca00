"""TenantService: members, tokens, sign-in and the audit log of one tenant."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import NotFoundError, UnauthorizedError
from catalog.events import outbox
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants import queries, rules
from catalog.tenants.events import MemberAdded, MemberSignedIn, TokenCreated, TokenRevoked
from catalog.tenants.models import (
    ApiToken,
    AuditEntry,
    BrowserSession,
    CreateToken,
    Member,
    NewToken,
    SignInLink,
    Tenant,
    TokenRead,
)

SESSION_LIFE = timedelta(days=14)
LINK_LIFE = timedelta(minutes=15)
FEEDS = "feeds:read"
"""What the token of a feed reader may do."""


class TenantService:
    """One unit of work on a tenant and its credentials; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create_tenant(self, name: str, display_name: str = "") -> Tenant:
        """Make a tenant, or return the one of that name; needs a session of the system role."""
        rules.check_name(name)
        found = queries.tenant_by_name(self._session, name)
        if found is None:
            found = Tenant(name=name, display_name=display_name or name)
            self._session.add(found)
            self._session.flush()
        return found

    def get(self, tenant_id: UUID) -> Tenant:
        """Return the tenant of this session; raise ``NotFoundError`` for any other."""
        found = queries.tenant(self._session, tenant_id)
        if found is None:
            raise NotFoundError(f"There is no tenant {tenant_id}.")
        return found

    def add_member(self, tenant_id: UUID, name: str, email: str, role: Role, actor: str = "system") -> Member:
        """Add a member, or return the one with that address."""
        found = queries.member_by_email(self._session, tenant_id, email)
        if found is not None:
            return found
        member = Member(tenant_id=tenant_id, name=name, email=email, role=role)
        self._session.add(member)
        self._session.flush()
        data = MemberAdded(member_id=member.id, role=role)
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"members/{member.id}", actor=actor)
        self.audit(tenant_id, actor, "member.add", f"members/{member.id}", {"role": role})
        return member

    def members(self, tenant_id: UUID) -> Sequence[Member]:
        """Return the members who have not been removed, by name."""
        return queries.members(self._session, tenant_id)

    def create_token(self, principal: Principal, request: CreateToken) -> NewToken:
        """Make a token for the principal's tenant and return it with its secret, which is not kept."""
        rules.check_token_request(request.name, request.scopes, principal.scopes, request.expires_in_days)
        secret = rules.new_token()
        expires_at = now() + timedelta(days=request.expires_in_days) if request.expires_in_days else None
        token = ApiToken(
            tenant_id=principal.tenant_id,
            member_id=principal.member_id,
            name=request.name.strip(),
            token_hash=rules.digest(secret),
            scopes=sorted(set(request.scopes)),
            expires_at=expires_at,
        )
        self._session.add(token)
        self._session.flush()
        subject = f"tokens/{token.id}"
        data = TokenCreated(token_id=token.id, name=token.name, scopes=token.scopes)
        outbox.append(self._session, data, tenant_id=token.tenant_id, subject=subject, actor=principal.actor)
        self.audit(token.tenant_id, principal.actor, "token.create", subject, {"scopes": token.scopes})
        return NewToken(**read_token(token).model_dump(), token=secret)

    def create_publishing_token(
        self, tenant_id: UUID, *, name: str, asset: str, origin: dict[str, Any], life: timedelta
    ) -> NewToken:
        """Make a token that can publish ``asset`` (``namespace/name``) and nothing else, for ``life``.

        ``origin`` tells which CI job it is given to; it stays with what the token publishes.
        """
        secret = rules.new_token()
        token = ApiToken(
            tenant_id=tenant_id,
            name=name[: rules.MAXIMUM_TOKEN_NAME],
            token_hash=rules.digest(secret),
            scopes=["assets:write"],
            publishes=asset,
            origin=origin,
            expires_at=now() + life,
        )
        self._session.add(token)
        self._session.flush()
        data = TokenCreated(token_id=token.id, name=token.name, scopes=token.scopes)
        subject = f"tokens/{token.id}"
        outbox.append(self._session, data, tenant_id=tenant_id, subject=subject, actor=f"token:{token.id}")
        return NewToken(**read_token(token).model_dump(), token=secret)

    def create_feed_token(self, principal: Principal, name: str) -> NewToken:
        """Make a token that can read feeds and nothing else, for a year."""
        wanted = CreateToken(name=name, scopes=[FEEDS], expires_in_days=rules.MAXIMUM_TOKEN_DAYS)
        return self.create_token(principal, wanted)

    def feed_tokens(self, principal: Principal) -> list[ApiToken]:
        """Return the caller's own tokens that can read feeds alone and are not revoked, newest first."""
        return [
            each
            for each in queries.tokens(self._session, principal.tenant_id, None, None)
            if each.scopes == [FEEDS] and each.member_id == principal.member_id and each.revoked_at is None
        ]

    def revoke_feed_token(self, principal: Principal, token_id: UUID) -> ApiToken:
        """Revoke one of the caller's own tokens that read feeds; raise ``NotFoundError`` for any other."""
        if token_id not in {each.id for each in self.feed_tokens(principal)}:
            raise NotFoundError(f"There is no token {token_id}.")
        return self.revoke_token(principal, token_id)

    def tokens(
        self, tenant_id: UUID, before: tuple[datetime, UUID] | None = None, limit: int | None = None
    ) -> Sequence[ApiToken]:
        """Return the tenant's tokens, newest first; ``before`` is time and id of the last one already seen."""
        return queries.tokens(self._session, tenant_id, before, limit)

    def revoke_token(self, principal: Principal, token_id: UUID) -> ApiToken:
        """Revoke a token at once; doing so again changes nothing."""
        token = queries.token_by_id(self._session, principal.tenant_id, token_id)
        if token is None:
            raise NotFoundError(f"There is no token {token_id}.")
        if token.revoked_at is None:
            token.revoked_at = now()
            self._session.add(token)
            subject = f"tokens/{token.id}"
            data = TokenRevoked(token_id=token.id, name=token.name)
            outbox.append(self._session, data, tenant_id=token.tenant_id, subject=subject, actor=principal.actor)
            self.audit(token.tenant_id, principal.actor, "token.revoke", subject, {})
        return token

    def create_sign_in_link(self, member: Member) -> str:
        """Return the secret of a link that signs ``member`` in once within ``LINK_LIFE``."""
        secret = rules.new_secret()
        link = SignInLink(
            tenant_id=member.tenant_id,
            member_id=member.id,
            token_hash=rules.digest(secret),
            expires_at=now() + LINK_LIFE,
        )
        self._session.add(link)
        self._session.flush()
        return secret

    def open_browser_session(self, tenant_id: UUID, member_id: UUID, method: str) -> str:
        """Open a browser session for a member and return its secret; the session must be bound to the tenant."""
        secret = rules.new_secret()
        opened = BrowserSession(
            tenant_id=tenant_id, member_id=member_id, token_hash=rules.digest(secret), expires_at=now() + SESSION_LIFE
        )
        self._session.add(opened)
        self._session.flush()
        subject = f"members/{member_id}"
        data = MemberSignedIn(member_id=member_id, method=method)
        outbox.append(self._session, data, tenant_id=tenant_id, subject=subject, actor=f"member:{member_id}")
        self.audit(tenant_id, f"member:{member_id}", "session.open", subject, {"method": method})
        return secret

    def end_browser_session(self, session_id: UUID) -> None:
        """Sign a browser out."""
        found = self._session.get(BrowserSession, session_id)
        if found is not None and found.ended_at is None:
            found.ended_at = now()
            self._session.add(found)

    @staticmethod
    def ids(session: Session) -> Sequence[UUID]:
        """Return the ids of all tenants, for what a worker does for each; needs a session of the system role."""
        return queries.tenant_ids(session)

    def audit(self, tenant_id: UUID, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Append one entry to the tenant's audit log."""
        entry = AuditEntry(tenant_id=tenant_id, actor=actor, action=action, subject=subject, detail=detail)
        self._session.add(entry)

    def audit_log(self, tenant_id: UUID, limit: int = 100) -> Sequence[AuditEntry]:
        """Return the latest entries of the tenant's audit log, newest first."""
        return queries.audit_log(self._session, tenant_id, limit)


class SignInService:
    """What happens before the tenant is known; the session must be bound to no tenant."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def by_token(self, secret: str) -> Principal:
        """Return who holds an API token; raise ``UnauthorizedError`` for one that is unknown, expired or revoked."""
        return self.by_digest(rules.digest(secret))

    @staticmethod
    def digest(secret: str) -> str:
        """Return the digest under which an access token is kept and found by ``by_digest``."""
        return rules.digest(secret)

    def by_digest(self, digest: str) -> Principal:
        """Return who holds the API token of a digest; raise ``UnauthorizedError`` as `by_token` does."""
        holder = queries.token_holder(self._session, digest)
        if holder is None:
            raise UnauthorizedError("The token is not known, has expired, or was revoked. Make a new one.")
        actor = f"token:{holder.token_id}"
        return Principal(
            *(holder.tenant_id, holder.tenant_name, actor, holder.name, holder.scopes, holder.member_id),
            publishes=holder.publishes,
            origin=holder.origin,
        )

    def by_browser_session(self, secret: str) -> tuple[Principal, UUID] | None:
        """Return who is signed in and the session's id, or None where the session is over."""
        holder = queries.session_holder(self._session, rules.digest(secret))
        if holder is None:
            return None
        scopes = ROLE_SCOPES[holder.role]
        actor = f"member:{holder.member_id}"
        principal = Principal(holder.tenant_id, holder.tenant_name, actor, holder.name, scopes, holder.member_id)
        return principal, holder.session_id

    def redeem_link(self, secret: str) -> tuple[UUID, UUID] | None:
        """Use a sign-in link up and return its tenant and member, or None where it cannot be used."""
        return queries.redeem_link(self._session, rules.digest(secret))


def read_token(token: ApiToken) -> TokenRead:
    """Return a token as others read it."""
    return TokenRead.model_validate(token, from_attributes=True)
