"""The whole web composition: what the portal is made of, on one screen."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from litestar import Litestar, Router
from litestar.concurrency import set_asyncio_executor
from litestar.datastructures import State
from litestar.static_files import create_static_files_router

from catalog.gates import open_database
from catalog.settings import Settings
from portal.api import docs, health
from portal.api.documentation import openapi_config
from portal.api.metrics import Metrics, metrics
from portal.api.v1 import BESIDE_PAGES, ROOT_ROUTES, ROUTES
from portal.auth import sign_in
from portal.auth.guards import declared_body
from portal.auth.middleware import Authentication
from portal.boundary import DEPENDENCIES
from portal.doors import ROUTES as DOORS
from portal.doors.bundles import RecentBundles
from portal.doors.recent import RecentAnswers
from portal.edge import Edge
from portal.idempotency import API_BASE, Answer, Idempotency
from portal.pages.render import Renderer, create_environment
from portal.pages.routes import PAGES
from portal.pages.static_files import DEFAULT_DIRECTORY, STATIC_ROOT, StaticFiles
from portal.problems import answer_error
from portal.sleepers import Sleepers
from portal.streams import OperationStreams
from portal.threads import Threads

ORDINARY_BODY = 1024 * 1024
"""How much a route accepts unless it says otherwise, in bytes."""


def create_app(settings: Settings, static: Path = DEFAULT_DIRECTORY) -> Litestar:
    """Return the portal as an ASGI application; it opens its connections when it is first used.

    ``static`` is where the front-end files were built; raises ``StaticFilesMissingError`` where they were not.
    """
    database = open_database(settings)
    # A thread without a connection would only wait for one, so there are never more of them.
    threads = Threads(min(settings.request_threads, settings.database_pool_size))
    set_asyncio_executor(threads.handlers)
    figures = Metrics(database)
    state = {
        "settings": settings,
        "database": database,
        "threads": threads,
        "streams": OperationStreams(settings, database, threads),
        "metrics": figures,
        "recent_bundles": RecentBundles(),
        "renderer": Renderer(create_environment(StaticFiles.load(static)), _warnings(settings)),
    }
    app = Litestar(
        route_handlers=[
            Router(API_BASE, route_handlers=ROUTES, response_class=Answer, guards=[declared_body]),
            Router("/", route_handlers=ROOT_ROUTES, response_class=Answer, guards=[declared_body]),
            Router("/", route_handlers=DOORS, response_class=Answer),
            Router("/", route_handlers=[health.live, health.ready, metrics]),
            Router(
                "/", route_handlers=[docs.show_docs, *sign_in.ROUTES, *BESIDE_PAGES, *PAGES], include_in_schema=False
            ),
            create_static_files_router(STATIC_ROOT, [static], opt={"anonymous": True}, include_in_schema=False),
        ],
        dependencies=DEPENDENCIES,
        middleware=[Authentication(settings, database, threads), Idempotency(database, threads)],
        exception_handlers={Exception: answer_error},
        request_max_body_size=ORDINARY_BODY,
        openapi_config=openapi_config(),
        lifespan=[_lifespan],
        state=State(state),
        logging_config=None,
    )
    database.listener = app.state.streams.changes.committed
    recent = RecentAnswers(app.asgi_handler, app.state.streams.changes, settings.door_repeat_seconds)
    app.asgi_handler = Edge(recent, settings, figures.observe, Sleepers(database, settings, threads))
    return app


def _warnings(settings: Settings) -> tuple[str, ...]:
    if not settings.insecure_local:
        return ()
    return ("Applications run without isolation on this machine: preview only code that you trust.",)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncGenerator[None, None]:
    listening = asyncio.create_task(app.state.streams.listen())
    try:
        yield
    finally:
        app.state.streams.close()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        app.state.database.close()
