"""Rendering of pages: the whole page, or the one fragment that htmx asks for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.response import Redirect

from catalog.clock import now
from catalog.tenancy import Principal
from portal.pages import presentation
from portal.pages.markdown import render_markdown
from portal.pages.shell import NOTICES, THEMES, Shell, Toast
from portal.pages.static_files import StaticFiles

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
THEME_COOKIE = "slipway_theme"
NOTICE_COOKIE = "slipway_notice"
VARY = "HX-Request, HX-Target, Cookie, Authorization"


@dataclass(frozen=True)
class Page:
    """The base of every page's context; templates see it as ``page``.

    ``template`` is the whole page; ``fragments`` maps the id of an element to the template of that element alone.
    """

    template: ClassVar[str]
    fragments: ClassVar[Mapping[str, str]] = {}


@dataclass(frozen=True)
class ErrorPage(Page):
    """An error as a person meets it: ``errors`` are (field, text) pairs."""

    template: ClassVar[str] = "errors/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"error-alert": "errors/_alert.html"}

    status: int
    title: str
    detail: str
    code: str = ""
    errors: tuple[tuple[str, str], ...] = ()


def create_environment(static: StaticFiles, clock: Callable[[], datetime] = now) -> Environment:
    """Return the template environment: strict about undefined names, escaping everything that is not markup."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(presentation.filters(clock))
    environment.filters["markdown"] = render_markdown
    environment.globals.update(static_url=static.url, icon=static.icon, look=presentation.look)
    return environment


class Renderer:
    """Turns page contexts into answers; ``warnings`` stand above every page, such as a weakened isolation."""

    def __init__(self, environment: Environment, warnings: Iterable[str] = ()) -> None:
        self._environment = environment
        self._warnings = tuple(warnings)

    def page(self, page: Page, shell: Shell) -> str:
        """Return the whole page as HTML."""
        return self._environment.get_template(page.template).render(page=page, shell=shell)

    def fragment(self, page: Page, shell: Shell, element_id: str) -> str:
        """Return the one element of the page that has ``element_id``."""
        return self._environment.get_template(page.fragments[element_id]).render(page=page, shell=shell)

    def respond(
        self,
        request: Request[Any, Any, Any],
        page: Page,
        *,
        status_code: int = 200,
        toasts: tuple[Toast, ...] = (),
    ) -> Response[str]:
        """Answer with the fragment that htmx wants to swap, else with the whole page."""
        shell = self._shell(request)
        headers = {"Vary": VARY}
        target = wanted_fragment(request, page)
        if target is not None:
            body = self.fragment(page, shell, target)
            if toasts:
                body += self._environment.get_template("shell/_oob_toasts.html").render(
                    shell=replace(shell, toasts=toasts)
                )
            return Response(body, status_code=status_code, media_type=MediaType.HTML, headers=headers)
        notice = NOTICES.get(request.cookies.get(NOTICE_COOKIE, ""))
        shown = (*toasts, notice) if notice else toasts
        cookies = [Cookie(key=NOTICE_COOKIE, value="", path="/", max_age=0)] if notice else []
        body = self.page(page, replace(shell, toasts=shown))
        return Response(body, status_code=status_code, media_type=MediaType.HTML, headers=headers, cookies=cookies)

    def error(self, request: Request[Any, Any, Any], page: ErrorPage) -> Response[str]:
        """Answer with an error: a whole page, or for htmx an alert at the top of the page that is open."""
        shell = self._shell(request)
        headers = {"Vary": VARY}
        if _is_htmx(request):
            headers |= {"HX-Retarget": "#page-alert", "HX-Reswap": "innerHTML show:window:top", "HX-Push-Url": "false"}
            body = self.fragment(page, shell, "error-alert")
        else:
            body = self.page(page, shell)
        return Response(body, status_code=page.status, media_type=MediaType.HTML, headers=headers)

    def shell(self, request: Request[Any, Any, Any]) -> Shell:
        """Return the surroundings for ``request``, for streams that render fragments by themselves."""
        return self._shell(request)

    def _shell(self, request: Request[Any, Any, Any]) -> Shell:
        principal = request.scope.get("user")
        query = request.url.query
        theme = request.cookies.get(THEME_COOKIE, "auto")
        return Shell(
            path=request.url.path + (f"?{query}" if query and request.method == "GET" else ""),
            theme=theme if theme in THEMES else "auto",
            principal=principal if isinstance(principal, Principal) else None,
            warnings=self._warnings,
        )


def wanted_fragment(request: Request[Any, Any, Any], page: Page) -> str | None:
    """Return the id of the fragment that htmx is about to replace, if the page has it."""
    target = request.headers.get("hx-target", "")
    return target if _is_htmx(request) and target in page.fragments else None


def _is_htmx(request: Request[Any, Any, Any]) -> bool:
    headers = request.headers
    is_restored = headers.get("hx-history-restore-request") == "true"
    return headers.get("hx-request") == "true" and not is_restored


def redirect(path: str, notice: str = "") -> Redirect:
    """Answer a form that was sent: see the page at ``path``, which shows the notice of that name once."""
    if notice and notice not in NOTICES:
        message = f"There is no notice {notice}."
        raise KeyError(message)
    cookie = Cookie(key=NOTICE_COOKIE, value=notice, path="/", max_age=60, httponly=True, samesite="lax")
    return Redirect(path, status_code=303, cookies=[cookie] if notice else [])
