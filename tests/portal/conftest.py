"""The portal as its callers meet it: over HTTP, on a real database, as one tenant or another."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal, Role
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from portal.__main__ import Server
from portal.app import create_app
from portal.auth.cookies import cookie_name
from workers import upload_checking
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

# Making one takes longer than most of what is asked of it; each that is kept holds some 20 MB.
_APPLICATIONS: dict[str, Litestar] = {}
KEPT = 8
BASE_URL = "http://127.0.0.1:8000"
NewToken = Callable[..., str]
Working = Callable[[], AbstractContextManager[None]]
NewClient = Callable[..., TestClient[Litestar]]


@pytest.fixture
def portal(settings: Settings) -> Litestar:
    """Return the whole application, which serves one test after another where their settings are the same."""
    # As JSON, every secret would be the same stars.
    key = repr([(name, each.get_secret_value() if isinstance(each, SecretStr) else each) for name, each in settings])
    made = _APPLICATIONS.pop(key, None) or create_app(settings)
    # The one that was used last stands last.
    _APPLICATIONS[key] = made
    while len(_APPLICATIONS) > KEPT:
        del _APPLICATIONS[next(iter(_APPLICATIONS))]
    return made


@pytest.fixture
def anyone(portal: Litestar) -> Iterator[TestClient[Litestar]]:
    """Return somebody who has neither token nor session."""
    with TestClient(portal, base_url=BASE_URL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def new_token(database: Database) -> NewToken:
    """Return what makes API tokens: ``new_token(principal, scopes)``, with every scope unless told otherwise."""

    def make(principal: Principal, scopes: Sequence[str] | None = None) -> str:
        wanted = sorted(ALL_SCOPES) if scopes is None else list(scopes)
        with database.tenant_session(principal.tenant_id) as session:
            return TenantService(session).create_token(principal, CreateToken(name="test", scopes=wanted)).token

    return make


@pytest.fixture
def client_of(anyone: TestClient[Litestar], portal: Litestar, new_token: NewToken) -> NewClient:
    """Return what makes clients that call with a token: ``client_of(principal, scopes)``."""

    def make(principal: Principal, scopes: Sequence[str] | None = None) -> TestClient[Litestar]:
        client = _beside(anyone, portal)
        client.headers["Authorization"] = f"Bearer {new_token(principal, scopes)}"
        return client

    return make


@pytest.fixture
def api(client_of: NewClient, acme: Principal) -> TestClient[Litestar]:
    """Return a program that may do everything in the tenant ``acme``."""
    return client_of(acme)


@pytest.fixture
def browser(
    anyone: TestClient[Litestar], portal: Litestar, database: Database, acme: Principal, settings: Settings
) -> TestClient[Litestar]:
    """Return a browser in which an administrator of ``acme`` has signed in; it says where its requests come from."""
    with database.tenant_session(acme.tenant_id) as session:
        service = TenantService(session)
        member = service.add_member(acme.tenant_id, "Ann", "ann@example.com", Role.ADMIN)
        secret = service.open_browser_session(acme.tenant_id, member.id, "link")
    client = _beside(anyone, portal)
    client.cookies.set(cookie_name(settings), secret)
    client.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
    return client


@pytest.fixture
def working(settings: Settings) -> Working:
    """Return what runs a worker while a block runs."""

    @contextmanager
    def run() -> Iterator[None]:
        app = App(settings, registry([upload_checking.WORKER]))
        end = threading.Event()

        def work() -> None:
            while not end.is_set():
                # What is tried again later is found by a later round; the end of the test waits for none of it.
                drain(app, patience=timedelta(seconds=0.1))
                end.wait(0.05)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
            app.close()

    return run


@pytest.fixture
def served(settings: Settings) -> Iterator[Settings]:
    """Serve the portal on a real socket, and return the settings that say where."""
    with serving(settings) as own:
        yield own


@pytest.fixture
def serve() -> Callable[[Settings], AbstractContextManager[Settings]]:
    """Return what serves a portal with other settings, as a context manager."""
    return serving


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """Serve a portal on a free port while the block runs."""
    port = _free_port()
    own = settings.model_copy(update={"port": port, "base_url": f"http://127.0.0.1:{port}"})
    server = Server(create_app(own), own)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield own
    finally:
        server.handle_exit(15, None)
        thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def archive() -> bytes:
    """Build the archive of a small asset, acme/preview, that any check accepts."""
    files = skeleton("deployment-blueprint", "acme", "preview")
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _beside(started: TestClient[Litestar], portal: Litestar) -> TestClient[Litestar]:
    # Shares the event loop of the started application, which is started once.
    client = TestClient(portal, base_url=BASE_URL, raise_server_exceptions=False)
    client.blocking_portal = started.blocking_portal
    return client
