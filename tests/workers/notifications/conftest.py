"""A receiver of webhooks, a mail server, people, and the worker that tells them."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from catalog.db import Database
from catalog.events import outbox
from catalog.notifications.models import CreateSubscription, NewSubscription, NotificationDetail
from catalog.notifications.service import NotificationService
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal, Role
from catalog.tenants.events import TokenRevoked
from catalog.tenants.service import TenantService
from workers.main import App
from workers.notifications import WORKER
from workers.runtime.drain import drain
from workers.runtime.registry import registry


class Receiver:
    """A website that takes webhooks and answers as told."""

    def __init__(self) -> None:
        self.status, self.headers, self.body, self.seconds = 200, dict[str, str](), b"ok", 0.0
        self.drip = 0
        self.on_post: Callable[[], None] = lambda: None
        self.got: list[tuple[dict[str, str], str]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["content-length"])).decode()
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, sent))
                receiver.on_post()
                time.sleep(receiver.seconds)
                try:
                    self.send_response(receiver.status)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for _ in range(receiver.drip):
                        self.wfile.write(b".")
                        self.wfile.flush()
                        time.sleep(0.1)
                    self.wfile.write(receiver.body)
                except OSError:
                    pass  # the sender has gone

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/hooks?room=1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


class Mailbox:
    """What a real mail server took; ``refuse`` is what it answers to recipients instead."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.refuse = ""

    async def handle_RCPT(  # noqa: N802  # the server calls it so
        self, _server: object, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        self.got.append(envelope)
        return "250 Taken"

    @property
    def texts(self) -> list[str]:
        return [each.content.decode() for each in self.got]


class Office:
    """Everything that people and the worker do, each in a transaction of its own."""

    def __init__(self, app: App, database: Database, settings: Settings, acme: Principal) -> None:
        self.app, self.database, self.settings, self.acme = app, database, settings, acme

    def call(self, method: str, *arguments: Any, tenant: Any = None, **named: Any) -> Any:
        with self.database.tenant_session(tenant or self.acme.tenant_id) as session:
            return getattr(NotificationService(session, self.settings), method)(*arguments, **named)

    def person(self, name: str, role: Role = Role.ADMIN) -> Principal:
        with self.database.tenant_session(self.acme.tenant_id) as session:
            member = TenantService(session).add_member(self.acme.tenant_id, name, f"{name.lower()}@example.com", role)
        return Principal(self.acme.tenant_id, "acme", f"member:{member.id}", name, ALL_SCOPES, member.id)

    def subscribe(self, by: Principal | None = None, **asked: Any) -> NewSubscription:
        values = {"name": "test", "channel": "webhook", "topics": ["token.revoked"], **asked}
        made: NewSubscription = self.call("subscribe", by or self.acme, CreateSubscription.model_validate(values))
        return made

    def happen(self, tenant: Principal | None = None, name: str = "ci") -> None:
        own = tenant or self.acme
        with self.database.tenant_session(own.tenant_id) as session:
            data = TokenRevoked(token_id=own.tenant_id, name=name)
            outbox.append(session, data, tenant_id=own.tenant_id, subject="tokens/1", actor="test")

    def drain(self, **options: Any) -> list[str]:
        return drain(self.app, **options)

    def told(self, subscription: NewSubscription) -> list[NotificationDetail]:
        found = self.call("page", self.acme, subscription.id)
        return [self.call("get", self.acme, each.id) for each in found]

    def sql(self, statement: str) -> None:
        with self.database.tenant_session(self.acme.tenant_id) as session:
            session.connection().exec_driver_sql(statement)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Controller]]:
    taken = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = Controller(taken, hostname="127.0.0.1", port=port)
    server.start()
    yield taken, server
    if not server.loop.is_closed():
        server.stop()


@pytest.fixture
def settings(settings: Settings, receiver: Receiver, mailbox: tuple[Mailbox, Controller]) -> Settings:
    places = {"internal_domains": (receiver.host,), "smtp_host": "127.0.0.1", "smtp_port": mailbox[1].port}
    key = SecretStr("a key for tests")
    return settings.model_copy(update={**places, "smtp_starttls": False, "master_key": key})


@pytest.fixture
def office(settings: Settings, database: Database, acme: Principal) -> Iterator[Office]:
    app = App(settings, registry([WORKER]))
    yield Office(app, database, settings, acme)
    app.close()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Shorten the waits between tries; their growth has a test of its own."""

    def shorten() -> None:
        for name in ("FIRST_WAIT", "LONGEST_WAIT"):
            monkeypatch.setattr(f"catalog.notifications.rules.{name}", timedelta(milliseconds=20))

    return shorten
