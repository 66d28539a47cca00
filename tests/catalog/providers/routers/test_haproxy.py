"""Routes in a running HAProxy: their life, what visitors see, and what survives a reload or a stop."""

import base64
import hashlib
import http.server
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from catalog.discovery import discover
from catalog.errors import InvalidInputError
from catalog.providers.routers import Route, Router, RouterProvider, RouterUnavailableError
from catalog.providers.routers.haproxy import PROVIDER
from catalog.providers.routers.haproxy_configuration import HAProxyOptions, write_configuration


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Proxy:
    """A HAProxy of the test's own, in a directory whose name holds a space."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "with space"
        self.run = directory / "run"
        self.run.mkdir()
        self.options = HAProxyOptions(self.data, self.run, preview_port=free_port(), metrics_port=free_port())
        self.configuration = write_configuration(self.options)
        self.router: Router = PROVIDER.connect(self.data, self.run)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(["haproxy", "-W", "-db", "-f", str(self.configuration)])
        wait_until(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def get(self, host: str, **headers: str) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.get(f"http://127.0.0.1:{self.options.preview_port}/", headers={"Host": host, **headers})

    def _answers(self) -> bool:
        try:
            self.router.observed()
        except RouterUnavailableError:
            return False
        return True


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    # A short path, because the name of a Unix socket may have 108 characters at most.
    with tempfile.TemporaryDirectory(prefix="slipway-") as directory:
        made = Proxy(Path(directory))
        made.start()
        yield made
        made.stop()


@contextmanager
def application(text: str) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            forwarded = self.headers.get_all("X-Forwarded-For")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{text} {self.headers['X-Forwarded-Host']} {forwarded}".encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_route_leads_to_its_application_and_follows_it(proxy: Proxy) -> None:
    with application("one") as first, application("two") as second:
        proxy.router.put(Route("shop.preview.localhost", first))
        assert proxy.get("shop.preview.localhost").text.startswith("one ")
        assert proxy.get(f"SHOP.Preview.localhost:{proxy.options.preview_port}").text.startswith("one ")

        proxy.router.put(Route("shop.preview.localhost", second))
        assert proxy.get("shop.preview.localhost").text.startswith("two ")
        assert proxy.router.list() == proxy.router.observed() == (Route("shop.preview.localhost", second),)

        proxy.router.remove("shop.preview.localhost")
        proxy.router.remove("shop.preview.localhost")
        assert proxy.get("shop.preview.localhost").status_code == 404
        assert proxy.router.list() == proxy.router.observed() == ()


def test_visitor_cannot_forge_where_a_request_came_from(proxy: Proxy) -> None:
    with application("one") as port:
        proxy.router.put(Route("a.test", port))
        answer = proxy.get("a.test", **{"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.test"})
    assert answer.text == "one a.test ['127.0.0.1']"


def test_pages_without_an_application_are_friendly_and_say_nothing(proxy: Proxy) -> None:
    proxy.router.put(Route("down.test", free_port()))

    missing, down = proxy.get("missing.test"), proxy.get("down.test")

    assert (missing.status_code, down.status_code) == (404, 503)
    assert "There is no preview at this address" in missing.text
    assert "This preview does not answer" in down.text
    for answer in (missing, down):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        for word in ("haproxy", "127.0.0.1", "missing.test", "down.test"):
            assert word not in (answer.text + str(answer.headers)).lower()


def test_upgraded_connection_carries_data_both_ways(proxy: Proxy) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    # The proof that RFC 6455 asks of a server; a proxy may check it.
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()
    accept = base64.b64encode(digest).decode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _address = listener.accept()
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            connection.sendall(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            connection.sendall(connection.recv(100)[::-1])
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        proxy.router.put(Route("ws.test", listener.getsockname()[1]))
        with socket.create_connection(("127.0.0.1", proxy.options.preview_port), timeout=5) as visitor:
            visitor.sendall(
                f"GET / HTTP/1.1\r\nHost: ws.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            assert b" 101 " in visitor.recv(4096)
            visitor.sendall(b"hello")
            assert visitor.recv(100) == b"olleh"
        thread.join()


def test_routes_survive_a_reload_and_a_restart(proxy: Proxy) -> None:
    with application("one") as port:
        proxy.router.put(Route("a.test", port))
        assert proxy.process is not None
        proxy.process.send_signal(12)  # SIGUSR2: reload
        wait_until(lambda: proxy.get("a.test").status_code == 200)
        assert proxy.router.observed() == (Route("a.test", port),)
        proxy.stop()
        proxy.start()
        assert proxy.get("a.test").text.startswith("one ")


def test_stopped_haproxy_refuses_new_routes_and_lets_old_ones_go(proxy: Proxy) -> None:
    proxy.router.put(Route("a.test", 4001))
    proxy.stop()

    with pytest.raises(RouterUnavailableError, match="is it running"):
        proxy.router.put(Route("b.test", 4002))
    with pytest.raises(RouterUnavailableError):
        proxy.router.observed()
    assert proxy.router.list() == (Route("a.test", 4001),)
    proxy.router.remove("a.test")
    assert proxy.router.list() == ()


def test_reconcile_makes_the_running_process_follow_the_file(proxy: Proxy) -> None:
    proxy.router.put(Route("kept.test", 4001))
    proxy.router.put(Route("moved.test", 4002))
    map_file = proxy.data / "haproxy" / "routes.map"
    map_file.write_text("kept.test 4001\nmoved.test 4003\nnew.test 4004\n")

    assert proxy.router.reconcile() == 2
    assert proxy.router.reconcile() == 0
    assert proxy.router.observed() == (Route("kept.test", 4001), Route("moved.test", 4003), Route("new.test", 4004))


def test_many_writers_lose_no_route(proxy: Proxy) -> None:
    routes = [Route(f"host-{number}.test", 4000 + number) for number in range(60)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(proxy.router.put, routes))
        list(pool.map(proxy.router.remove, [route.host for route in routes[::2]]))

    assert set(proxy.router.list()) == set(proxy.router.observed()) == set(routes[1::2])


def test_metrics_are_served_on_the_loopback_only_at_their_path(proxy: Proxy) -> None:
    with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{proxy.options.metrics_port}", timeout=60) as client:
        assert "haproxy_backend_http_responses_total" in client.get("/metrics").text
        assert client.get("/").status_code == 404


@pytest.mark.parametrize(("host", "port"), [("UPPER.test", 1), ("a b", 1), ("", 1), ("-a.test", 1), ("a.test", 0)])
def test_route_that_cannot_be_is_refused(host: str, port: int) -> None:
    with pytest.raises(InvalidInputError):
        Route(host, port)


def test_provider_is_discovered_by_name() -> None:
    assert discover("slipway.providers.routers", "PROVIDER", RouterProvider)["haproxy"] is PROVIDER
