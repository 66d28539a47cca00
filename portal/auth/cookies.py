"""The session cookie of a browser."""

from typing import Literal
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from catalog.settings import Settings
from catalog.tenants.service import SESSION_LIFE

_SAME_SITE: Literal["lax"] = "lax"


def cookie_name(settings: Settings) -> str:
    """Return the cookie's name: host-bound where TLS allows it, else with the port, which cookies do not know."""
    if _is_secure(settings):
        return "__Host-slipway-session"
    return f"slipway-session-{settings.port}"


def session_cookie(settings: Settings, secret: str) -> Cookie:
    """Return the cookie that keeps a browser signed in."""
    return Cookie(
        key=cookie_name(settings),
        value=secret,
        path="/",
        httponly=True,
        samesite=_SAME_SITE,
        secure=_is_secure(settings),
        max_age=int(SESSION_LIFE.total_seconds()),
    )


def ended_cookie(settings: Settings) -> Cookie:
    """Return the cookie that makes a browser forget its session."""
    cookie = session_cookie(settings, "")
    cookie.max_age = 0
    return cookie


def _is_secure(settings: Settings) -> bool:
    return urlsplit(settings.base_url).scheme == "https"
