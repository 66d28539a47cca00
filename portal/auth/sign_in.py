"""Signing in with a one-time link, and out."""

from typing import Annotated

from litestar import MediaType, Response, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect
from markupsafe import escape

from catalog.db import Database
from catalog.errors import SlipwayError
from catalog.settings import Settings
from catalog.tenants.service import SignInService, TenantService
from portal.auth.cookies import ended_cookie, session_cookie
from portal.auth.identity import identity_of
from portal.boundary import AppDatabase, AppSettings, OpenSession, WebRequest
from portal.edge import host_name, is_loopback
from portal.problems import safe_next

Next = Annotated[str | None, QueryParameter(name="next", required=False, max_length=2000)]
METHOD = "link"


class LinkSpentError(SlipwayError):
    """A sign-in link that no longer works."""

    code = "link_spent"
    status = 410
    title = "This link no longer works"


@get("/sign-in", sync_to_thread=False)
def sign_in_page(target: Next = None) -> Response[str]:
    """Say how to sign in."""
    body = "<p>Run <code>slipway sign-in-link</code> where Slipway runs, and open the address that it prints.</p>"
    del target
    return _page("Sign in", body)


@get("/sign-in/{secret:str}", sync_to_thread=True)
def open_link(
    request: WebRequest, secret: FromPath[str], database: AppDatabase, settings: AppSettings, target: Next = None
) -> Response[str] | Redirect:
    """Sign in at once on this machine; elsewhere ask first, because mail scanners and previews open links too."""
    if _is_here(request):
        return _redeem(secret, target, database, settings)
    action = f"/sign-in/{escape(secret)}?next={escape(safe_next(target))}"
    return _page("Sign in", f'<form method="post" action="{action}"><button>Sign in</button></form>')


@post("/sign-in/{secret:str}", sync_to_thread=True)
def redeem_link(secret: FromPath[str], database: AppDatabase, settings: AppSettings, target: Next = None) -> Redirect:
    """Sign in."""
    return _redeem(secret, target, database, settings)


@post("/sign-out", sync_to_thread=True)
def sign_out(request: WebRequest, session: OpenSession, settings: AppSettings) -> Redirect:
    """End the browser's session and forget its cookie."""
    identity = identity_of(request.scope)
    if identity is not None and identity.session_id is not None:
        TenantService(session).end_browser_session(identity.session_id)
    return Redirect(path="/sign-in", status_code=303, cookies=[ended_cookie(settings)])


HANDLERS = (sign_in_page, open_link, redeem_link, sign_out)


def _redeem(secret: str, target: str | None, database: Database, settings: Settings) -> Redirect:
    with database.tenant_session(None) as session:
        found = SignInService(session).redeem_link(secret)
    if found is None:
        raise LinkSpentError("This link was used before or is too old. Run `slipway sign-in-link` for a new one.")
    tenant_id, member_id = found
    with database.tenant_session(tenant_id) as session:
        opened = TenantService(session).open_browser_session(tenant_id, member_id, METHOD)
    return Redirect(path=safe_next(target), status_code=303, cookies=[session_cookie(settings, opened)])


def _is_here(request: WebRequest) -> bool:
    client = request.client
    is_prefetch = bool(request.headers.get("sec-purpose") or request.headers.get("purpose"))
    host = host_name(request.headers.get("host", ""))
    return not is_prefetch and client is not None and is_loopback(client.host) and is_loopback(host)


def _page(title: str, body: str) -> Response[str]:
    document = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<main><h1>{title}</h1>{body}</main></html>"
    )
    return Response(document, media_type=MediaType.HTML)
