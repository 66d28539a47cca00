"""The start page, and the choice of colours."""

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from portal.pages.forms import SentForm, last_values, sent_fields
from portal.pages.render import THEME_COOKIE
from portal.pages.shell import THEMES
from portal.problems import safe_next

_YEAR_SECONDS = 365 * 24 * 3600


@get("/", sync_to_thread=False)
def show_start() -> Redirect:
    """Lead to the marketplace."""
    return Redirect("/assets", status_code=303)


@post("/theme", sync_to_thread=False)
def choose_theme(data: SentForm) -> Redirect:
    """Keep the chosen colours in a cookie and go back to where the choice was made."""
    values = last_values(sent_fields(data))
    theme = values.get("theme", "auto")
    life = _YEAR_SECONDS if theme in THEMES and theme != "auto" else 0
    value = theme if life else ""
    cookie = Cookie(key=THEME_COOKIE, value=value, path="/", max_age=life, httponly=True, samesite="lax")
    return Redirect(safe_next(values.get("back")), status_code=303, cookies=[cookie])


ROUTES = (show_start, choose_theme)
