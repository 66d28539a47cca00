"""Authentication of each request, and the refusal of requests that another site made a browser send."""

import base64
from uuid import UUID

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from catalog.db import Database
from catalog.errors import UnauthorizedError
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import SignInService
from portal.auth.cookies import cookie_name
from portal.auth.identity import Identity
from portal.auth.origins import refuse_foreign
from portal.auth.pull_tokens import PREFIX, PullTokens
from portal.boundary import WebRequest
from portal.problems import DOORS
from portal.threads import Threads


class Authentication(ASGIMiddleware):
    """Finds out who is calling. A bearer token wins over a cookie; a bad token is refused, an old cookie ignored."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "anonymous"

    def __init__(self, settings: Settings, database: Database, threads: Threads) -> None:
        self._settings = settings
        self._database = database
        self._threads = threads

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Set the scope's ``user`` (a Principal or None) and ``auth`` (an Identity or None), and go on."""
        connection: WebRequest = WebRequest(scope)
        scope["user"] = None
        scope["auth"] = None
        authorization = connection.headers.get("authorization")
        cookie = connection.cookies.get(cookie_name(self._settings))
        if authorization is not None:
            secret = _secret(authorization, scope["path"])
            scope["user"] = await self._threads.run(self._by_token, secret, scope["path"])
            scope["auth"] = Identity(secret)
        else:
            refuse_foreign(connection, self._settings, has_cookie=cookie is not None)
            if cookie:
                found = await self._threads.run(self._by_cookie, cookie)
                if found is not None:
                    scope["user"], session_id = found
                    scope["auth"] = Identity(cookie, session_id)
        await next_app(scope, receive, send)

    def _by_token(self, secret: str, path: str) -> Principal:
        with self._database.tenant_session(None) as session:
            if secret.startswith(PREFIX):
                return PullTokens(self._settings).holder(session, secret, path)
            return SignInService(session).by_token(secret)

    def _by_cookie(self, secret: str) -> tuple[Principal, UUID] | None:
        with self._database.tenant_session(None) as session:
            return SignInService(session).by_browser_session(secret)


def _secret(authorization: str, path: str) -> str:
    """Return the token; at the standard doors it may be the password of any user, as their clients send it."""
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() == "basic" and path.startswith(DOORS):
        secret = _password(secret)
    elif scheme.lower() != "bearer":
        secret = ""
    if not secret:
        at_door = " or as the password of HTTP Basic, with any user name" if path.startswith(DOORS) else ""
        raise UnauthorizedError(f"Give the token as: Authorization: Bearer slw_...{at_door}")
    return secret


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2].strip()
    except ValueError:
        return ""
