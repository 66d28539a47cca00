"""The whole web composition: what the portal is made of, on one screen."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar, Router
from litestar.concurrency import set_asyncio_executor
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.datastructures import State
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from catalog.db import Database
from catalog.settings import Settings
from portal import pages
from portal.api import health
from portal.api.v1 import CONTROLLERS
from portal.auth import sign_in
from portal.auth.middleware import Authentication
from portal.boundary import DEPENDENCIES
from portal.edge import Edge
from portal.idempotency import Answer, Idempotency
from portal.problems import answer_error
from portal.threads import Threads

FOLDER = Path(__file__).parent
ORDINARY_BODY = 1024 * 1024
ARCHIVE_BODY = 26 * 1024 * 1024
"""How much an upload route accepts, in bytes: an archive and what surrounds it in a form."""


def create_app(settings: Settings) -> Litestar:
    """Return the portal as an ASGI application; it opens its connections when it is first used."""
    database = Database(settings)
    # A thread without a connection would only wait for one, so there are never more of them.
    threads = Threads(min(settings.request_threads, settings.database_pool_size))
    set_asyncio_executor(threads.handlers)
    api = Router("/api/v1", route_handlers=CONTROLLERS, response_class=Answer)
    browser = Router("/", route_handlers=[*sign_in.HANDLERS, *getattr(pages, "PAGES", ())], include_in_schema=False)
    static = FOLDER / "static"
    app = Litestar(
        route_handlers=[
            api,
            browser,
            health.live,
            health.ready,
            *([create_static_files_router("/static", [static], opt={"anonymous": True})] if static.is_dir() else []),
        ],
        dependencies=DEPENDENCIES,
        middleware=[Authentication(settings, database, threads), Idempotency(database, threads)],
        exception_handlers={Exception: answer_error},
        request_max_body_size=ORDINARY_BODY,
        template_config=TemplateConfig(engine=JinjaTemplateEngine.from_environment(_templates())),
        lifespan=[_lifespan],
        state=State({"settings": settings, "database": database, "threads": threads}),
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = Edge(app.asgi_handler, settings, lambda *_: None)
    return app


def _templates() -> Environment:
    loader = FileSystemLoader(FOLDER / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncGenerator[None, None]:
    yield
    app.state.database.close()


LOG = logging.getLogger("slipway.portal")
