"""``python -m portal``: serve the portal until told to stop."""

import logging
import sys
from types import FrameType

import uvicorn
from litestar import Litestar
from pydantic import ValidationError

from catalog.settings import Settings, load_settings
from portal.app import create_app
from portal.pages.static_files import StaticFilesMissingError

LEAVE_SECONDS = 4
_KEEP_ALIVE_SECONDS = 30


class Server(uvicorn.Server):
    """A server that ends open streams when it is told to stop, instead of waiting for their readers to leave."""

    def __init__(self, app: Litestar, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LEAVE_SECONDS,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop: no new connections, streams end, requests under way are finished."""
        self._app.state.streams.close()
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve with the settings of the environment; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings()
        server = Server(create_app(settings), settings)
    except (ValidationError, StaticFilesMissingError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
