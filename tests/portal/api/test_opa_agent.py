"""A real OPA agent: what it decides is logged here, in its own format, with its own client."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from workers.toolchain import OPA, ensure

RULES = 'package guard\n\ndeny contains "no" if input.user != "ann"\n'


@contextmanager
def agent(folder: Path, portal: Settings, token: str, port: int) -> Iterator[str]:
    """Run ``opa run --server`` that sends its decision logs to the portal; yields its address."""
    (folder / "guard.rego").write_text(RULES)
    configuration = {
        "services": {
            "slipway": {"url": f"{portal.base_url}/t/acme", "credentials": {"bearer": {"token": token}}},
        },
        "decision_logs": {
            "service": "slipway",
            "reporting": {"min_delay_seconds": 1, "max_delay_seconds": 1},
        },
    }
    (folder / "opa.json").write_text(json.dumps(configuration))
    opa = ensure(load_settings().tools_dir, OPA)
    address = f"http://127.0.0.1:{port}"
    command = [str(opa), "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", "opa.json", "guard.rego"]
    with (folder / "opa.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    if httpx.get(f"{address}/health").is_success:
                        break
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def test_decisions_of_an_agent_arrive(
    served: Settings, new_token: Any, acme: Principal, tmp_path: Path, free_port: int
) -> None:
    token = new_token(acme, ["policies:read", "policies:write"])
    with agent(tmp_path, served, token, free_port) as address:
        asked = httpx.post(
            f"{address}/v1/data/guard/deny", json={"input": {"user": "bob", "password": "hunter2"}}, timeout=60
        )
        decided = asked.json()
        assert decided["result"] == ["no"]
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{served.base_url}/api/v1/policies/decisions"
        deadline = time.monotonic() + 30
        items: list[dict[str, Any]] = []
        while not items and time.monotonic() < deadline:
            time.sleep(0.2)
            items = httpx.get(url, headers=headers, timeout=60).json()["items"]
    assert [each["decision_id"] for each in items] == [decided["decision_id"]], (tmp_path / "opa.log").read_text()
    assert (items[0]["path"], items[0]["result"]) == ("guard/deny", ["no"])
    assert "hunter2" not in json.dumps(items)
