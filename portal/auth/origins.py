"""Which origin a browser's request came from: preview applications are neighbours, and may be hostile."""

from urllib.parse import urlsplit

from catalog.errors import ForbiddenError
from catalog.settings import Settings
from portal.boundary import WebRequest

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = frozenset({"same-origin", "none"})


def refuse_foreign(connection: WebRequest, settings: Settings, *, has_cookie: bool) -> None:
    """Raise ``ForbiddenError`` for an unsafe request that a browser was made to send by a page of another origin.

    ``Sec-Fetch-Site`` decides where it is sent: ``same-site`` is not enough, because preview applications are
    served from names and ports beside the portal's. Without it, ``Origin`` must be the portal's own. With neither,
    only a request without a cookie passes: it carries nothing that a browser would have added by itself.
    """
    if connection.method in SAFE_METHODS:
        return
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        is_own = site in OWN
    elif origin is not None:
        is_own = _is_own(origin, connection, settings)
    else:
        is_own = not has_cookie
    if not is_own:
        raise ForbiddenError("This request came from another site, so it was not carried out.")


def _is_own(origin: str, connection: WebRequest, settings: Settings) -> bool:
    if origin == _origin(settings.base_url):
        return True
    # The Host header has been checked against the portal's own names before this.
    scheme = str(connection.scope["scheme"])
    return origin == f"{scheme}://{connection.headers.get('host', '')}".lower()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
