"""What visitors of a sleeping environment get: a page that wakes it and tries again by itself."""

from uuid import UUID

from litestar import Response
from litestar.types import ASGIApp, HTTPScope, Receive, Send

from catalog.db import Database
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService, environment_at
from catalog.errors import SlipwayError
from catalog.settings import Settings
from portal.threads import Threads

HEADERS = {
    "cache-control": "no-store",
    "retry-after": "3",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif; }}
body {{ max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; line-height: 1.3; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""
_REFRESH = '\n<meta http-equiv="refresh" content="3">'
WAKING = _PAGE.format(
    refresh=_REFRESH,
    title="This preview is waking up",
    text="It slept because nobody used it. This page tries again by itself every few seconds.",
)
WAITING = _PAGE.format(
    refresh=_REFRESH,
    title="This preview waits for its turn",
    text="As many previews as may run at once do so. It wakes when there is room, and this page tries again by itself.",
)
FAILED = _PAGE.format(
    refresh="",
    title="This preview cannot be woken now",
    text="The Slipway portal says on the environment's page what is the matter.",
)
NOWHERE = _PAGE.format(
    refresh="",
    title="There is no preview at this address",
    text="It may have been removed, or it is not ready yet. The Slipway portal lists the previews that exist.",
)


class Sleepers:
    """Answers for the addresses of environments: the router leads here while one of them sleeps."""

    def __init__(self, database: Database, settings: Settings, threads: Threads) -> None:
        self._database = database
        self._settings = settings
        self._threads = threads
        self._suffix = f".{settings.preview_domain.lower()}"

    def serves(self, host: str) -> bool:
        """Tell whether a name is that of an environment, and not the portal's own."""
        return host.endswith(self._suffix)

    async def answer(self, host: str, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Wake the environment at ``host`` and ask for a little patience."""
        status, page = await self._threads.run(self._wake, host)
        response = Response(page, status_code=status, media_type="text/html", headers=HEADERS)
        answer: ASGIApp = response.to_asgi_response(app=None, request=scope["litestar_app"].request_class(scope))
        await answer(scope, receive, send)

    def _wake(self, host: str) -> tuple[int, str]:
        with self._database.tenant_session(None) as session:
            found = environment_at(session, host)
        if found is None:
            return 404, NOWHERE
        return self._woken(*found)

    def _woken(self, tenant_id: UUID, environment_id: UUID) -> tuple[int, str]:
        try:
            with self._database.tenant_session(tenant_id) as session:
                service = EphemeralEnvironmentService(session, self._settings)
                environment = service.wake_for_visitor(tenant_id, environment_id)
                phase, waits = environment.phase, environment.waits_since is not None
        except SlipwayError:
            return 503, FAILED
        if waits:
            return 503, WAITING
        if phase in {Phase.WAKING, Phase.UPDATING, Phase.UNKNOWN, Phase.QUEUED, Phase.READY}:
            return 503, WAKING
        return (503, FAILED) if phase in {Phase.FAILED, Phase.SLEEPING} else (404, NOWHERE)
