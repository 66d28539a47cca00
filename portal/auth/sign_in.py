"""Signing in with a one-time link, and out."""

from typing import Annotated
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenants.service import SignInService, TenantService
from portal.auth.cookies import ended_cookie, session_cookie
from portal.auth.identity import identity_of
from portal.auth.origins import OWN
from portal.boundary import AppDatabase, AppSettings, OpenSession, WebRequest
from portal.edge import host_name, is_loopback
from portal.pages.render import Page, Renderer, redirect
from portal.pages.session import LinkUsedPage, SignInPage
from portal.problems import safe_next

METHOD = "link"
Next = Annotated[str | None, QueryParameter(name="next", required=False, max_length=2000)]


@get("/sign-in", sync_to_thread=True)
def show_sign_in(request: WebRequest) -> Response[str]:
    """Say how to get a link."""
    return _show(request, SignInPage())


@get("/sign-in/{secret:str}", sync_to_thread=True)
def open_link(
    request: WebRequest, secret: FromPath[str], database: AppDatabase, settings: AppSettings, target: Next = None
) -> Response[str] | Redirect:
    """Sign in at once on this machine; elsewhere ask first, because mail scanners and previews open links too."""
    if _is_here(request):
        return _redeem(request, secret, target, database, settings)
    action = f"/sign-in/{quote(secret, safe='')}?next={quote(safe_next(target), safe='')}"
    return _show(request, SignInPage(action=action))


@post("/sign-in/{secret:str}", sync_to_thread=True)
def redeem_link(
    request: WebRequest, secret: FromPath[str], database: AppDatabase, settings: AppSettings, target: Next = None
) -> Response[str] | Redirect:
    """Sign in."""
    return _redeem(request, secret, target, database, settings)


@post("/sign-out", sync_to_thread=True)
def sign_out(request: WebRequest, session: OpenSession, settings: AppSettings) -> Redirect:
    """End the browser's session and forget its cookie."""
    identity = identity_of(request.scope)
    if identity is not None and identity.session_id is not None:
        TenantService(session).end_browser_session(identity.session_id)
    answer = redirect("/sign-in", "signed-out")
    answer.cookies.append(ended_cookie(settings))
    return answer


ROUTES = (show_sign_in, open_link, redeem_link, sign_out)


def _redeem(
    request: WebRequest, secret: str, target: str | None, database: Database, settings: Settings
) -> Response[str] | Redirect:
    with database.tenant_session(None) as session:
        found = SignInService(session).redeem_link(secret)
    if found is None:
        return _show(request, LinkUsedPage(), status_code=410)
    tenant_id, member_id = found
    with database.tenant_session(tenant_id) as session:
        opened = TenantService(session).open_browser_session(tenant_id, member_id, METHOD)
    answer = redirect(safe_next(target), "signed-in")
    answer.cookies.append(session_cookie(settings, opened))
    return answer


def _show(request: WebRequest, page: Page, status_code: int = 200) -> Response[str]:
    renderer: Renderer = request.app.state.renderer
    return renderer.respond(request, page, status_code=status_code)


def _is_here(request: WebRequest) -> bool:
    client = request.client
    is_prefetch = bool(request.headers.get("sec-purpose") or request.headers.get("purpose"))
    # A page of somebody else, a preview among them, could sign this browser in as somebody else with its own link.
    is_sent_here = request.headers.get("sec-fetch-site", "none") not in OWN
    host = host_name(request.headers.get("host", ""))
    return (
        not is_prefetch and not is_sent_here and client is not None and is_loopback(client.host) and is_loopback(host)
    )
