"""A curated blueprint with a component wired into its process, on a running Slipway: it comes up, tells, and goes."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

# The classes of these fixtures live in conftest.py, which test files do not import.
Installation = Any
NewRepository = Callable[..., Any]

pytestmark = pytest.mark.engine
TELLING = """
import http.server, json, os, urllib.request


def tell(text):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": os.environ["OTEL_SERVICE_NAME"]}}]}
    record = {"severityText": "INFO", "body": {"stringValue": text}}
    document = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    address = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/logs"
    asked = urllib.request.Request(address, json.dumps(document).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(asked, timeout=10).status


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(tell("somebody visited " + self.path))
        self.end_headers()
        self.wfile.write(b"told")

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_preview_tells_a_collector_that_comes_and_goes_with_it(
    slipway: Installation, new_repository: NewRepository
) -> None:
    seen = new_repository("seen", **{"app.py": TELLING})
    asked = ["env", "request", "--repo", seen.path, "--pr", 7, "--blueprint", "slipway/preview-observed"]
    environment = json.loads(slipway.command(*asked, "--set", "keep=2", "--wait", "--json").stdout)
    assert environment["phase"] == "ready"
    locked = {each["asset"]: each["version"] for each in environment["lock"]}
    assert locked == {"slipway/preview-observed": "1.0.0", "slipway/local-observability": "1.0.0"}
    assert slipway.visit(environment) == (200, "told")
    page = environment["outputs"]["telemetry"]
    kept = httpx.get(f"{page}records", timeout=30).json()
    told = {"signal": "log", "service": environment["name"], "name": "INFO", "detail": "somebody visited /"}
    assert kept[0] == told
    assert len(kept) == 2
    assert "somebody visited /" in httpx.get(page, timeout=30).text

    assert slipway.json("env", "destroy", environment["id"], "--wait")["phase"] == "destroyed"
    assert slipway.left_of(environment) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(page, timeout=30)
