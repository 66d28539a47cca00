"""The curated component for the local target: what it makes, and what its collector takes and shows."""

import importlib
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pulumi
import pytest
from pulumi.runtime import mocks

from tests.blueprints.shared_files import BLUEPRINTS
from tests.pulumi_mocks import run_mocked

SOURCES = str(BLUEPRINTS / "components" / "local_observability" / "content" / "src")
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
LOG = {"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"logRecords": [{"body": {"stringValue": "<b>"}}]}]}]}
METRIC = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "requests", "unit": "1"}]}]}]}
SPAN = {"name": "GET /", "startTimeUnixNano": "1000000", "endTimeUnixNano": "3500000"}
TRACE = {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": [SPAN]}]}]}


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    """The package, importable from its sources, as an installed wheel would be."""
    sys.path.insert(0, SOURCES)
    yield importlib.import_module("slipway_component_local_observability")
    sys.path.remove(SOURCES)


@pytest.fixture
def address(package: Any, tmp_path: Path) -> Iterator[str]:
    """A collector that keeps three records."""
    collector = importlib.import_module(f"{package.__name__}.collector")
    handler = type("Own", (collector.Handler,), {"store": collector.Store(tmp_path / "kept", 3)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_what_is_told_is_kept_and_shown(address: str) -> None:
    assert httpx.post(f"{address}/v1/logs", json=LOG).json() == {}
    assert httpx.post(f"{address}/v1/metrics", json=METRIC).status_code == 200
    assert httpx.post(f"{address}/v1/traces", json=TRACE).status_code == 200
    assert [tuple(each.values()) for each in httpx.get(f"{address}/records").json()] == [
        ("span", "shop", "GET /", "2.5 ms"),
        ("metric", "unknown", "requests", "1"),
        ("log", "shop", "LOG", "<b>"),
    ]
    page = httpx.get(address).text
    assert "<td>&lt;b&gt;" in page
    httpx.post(f"{address}/v1/logs", json=LOG)
    assert [each["signal"] for each in httpx.get(f"{address}/records").json()] == ["log", "span", "metric"]


@pytest.mark.parametrize(
    ("path", "kind", "content", "status"),
    [
        ("/v1/logs", "application/json", b"{", 400),
        ("/v1/logs", "application/json", b"[]", 400),
        ("/v1/logs", "application/json", b'{"resourceLogs": [{"scopeLogs": 3}]}', 400),
        ("/v1/traces", "application/json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}', 400),
        ("/v1/logs", "application/json", b"[" * 100_000, 400),
        ("/v1/logs", "application/json", b"", 413),
        ("/v1/logs", "application/x-protobuf", b"x", 415),
        ("/v1/profiles", "application/json", b"{}", 404),
    ],
)
def test_what_is_no_export_is_refused_with_the_reason_and_not_kept(
    address: str, path: str, kind: str, content: bytes, status: int
) -> None:
    answer = httpx.post(f"{address}{path}", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.text != "") == (status, True)
    assert httpx.get(f"{address}/records").json() == []


class Local(mocks.Mocks):
    """Stands for the engine: a process gets a port."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, dict[str, Any]]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Remember the resource."""
        self.made.append((args.typ, args.name, args.inputs))
        return f"{args.name}-id", {**args.inputs, "port": 4318}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Refuse: nothing is asked."""
        raise AssertionError(args.token)


@pytest.mark.parametrize(("given", "keep"), [({}, "10000"), ({"keep": 5}, "5")])
def test_it_makes_one_process_and_tells_where_that_answers(package: Any, given: dict[str, int], keep: str) -> None:
    engine = Local()
    told: list[Any] = []

    def program() -> pulumi.Output[None]:
        made = package.LocalObservability("telemetry", given)
        return pulumi.Output.all(made.endpoint, made.page).apply(told.extend)

    run_mocked(engine, program)
    (process,) = [each for each in engine.made if each[0] == "slipway:local:Process"]
    assert (process[1], process[2]["env"]["KEEP"]) == ("telemetry_collector", keep)
    assert "def main" in process[2]["env"]["COLLECTOR"]
    assert told == ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"]
