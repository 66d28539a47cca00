"""The curated blueprints for previews: their processes do what their pages say, run as the process host would."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.assets.inputs import complete_inputs
from catalog.assets.located import load_json
from catalog.assets.wiring import Reference, parse_wiring
from tests.blueprints.shared_files import BLUEPRINTS

ENVIRONMENTS = BLUEPRINTS / "environments"
SERVER = """
import http.server, os, sqlite3
path = os.environ.get("DATABASE_PATH", ":memory:")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        rows = sqlite3.connect(path).execute("select name from things").fetchall() if path != ":memory:" else []
        self.send_response(200)
        self.end_headers()
        self.wfile.write(" ".join([os.environ["REVISION"], *(row[0] for row in rows)]).encode())
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
MIGRATION = """
import os, sqlite3
sqlite3.connect(os.environ["DATABASE_PATH"]).execute("create table if not exists things (name text)")
"""
SEED = """
import os, sqlite3
connection = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
connection.execute("insert into things values ('seed')")
connection.commit()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "public").mkdir()
    (folder / "public" / "index.html").write_text("the pages")
    (folder / "server.py").write_text(SERVER)
    (folder / "Procfile").write_text("worker: false\nweb: exec python3 server.py\napi: exec python3 server.py\n")
    return folder


@contextmanager
def running(name: str, component: str, checkout: Path, home: Path, **inputs: Any) -> Iterator[str]:
    """Run a component's command as the process host does; yield the address at which it answers."""
    home.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec, given = _blueprint(name, inputs)
    process = spec.environment.processes[component]
    address = f"http://127.0.0.1:{port}"
    env = {key: _resolved(text, given) for key, text in process.env.items()}
    env |= {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "HOST": "127.0.0.1", "PORT": str(port)}
    command = ["/bin/sh", "-c", process.command or ""]
    with subprocess.Popen(command, cwd=checkout, env=env, stderr=subprocess.DEVNULL, start_new_session=True) as started:
        try:
            _wait(f"{address}{_resolved(process.health.path if process.health else '/', given)}", started)
            yield address
        finally:
            started.kill()


def test_pages_of_the_repository_are_served_as_they_lie(checkout: Path, tmp_path: Path) -> None:
    with running("preview_static", "pages", checkout, tmp_path / "home") as address:
        assert _get(f"{address}/index.html") == "the pages"


def test_pages_are_built_in_a_copy_before_they_are_served(checkout: Path, tmp_path: Path) -> None:
    build = "mkdir dist && echo built from $REVISION > dist/index.html"
    inputs = {"build_command": build, "folder": "dist", "health_path": "/index.html"}
    before = sorted(path.name for path in checkout.iterdir())
    for _ in range(2):
        with running("preview_static", "pages", checkout, tmp_path / "home", **inputs) as address:
            assert _get(address) == "built from 0123abc\n"
    assert sorted(path.name for path in checkout.iterdir()) == before


def test_pages_that_cannot_be_built_are_not_served(checkout: Path, tmp_path: Path) -> None:
    started = running("preview_static", "pages", checkout, tmp_path / "home", build_command="false")
    with pytest.raises(ChildProcessError), started:
        pass


def test_an_api_has_a_database_that_is_migrated_each_time_and_seeded_once(checkout: Path, tmp_path: Path) -> None:
    (checkout / "migrate.py").write_text(MIGRATION)
    (checkout / "seed.py").write_text(SEED)
    inputs = {"migrate_command": "python3 migrate.py", "seed_command": "python3 seed.py"}
    for _ in range(2):
        with running("preview_api", "api", checkout, tmp_path / "home", **inputs) as address:
            assert _get(address) == "0123abc seed"


def test_an_api_whose_migration_fails_does_not_start(checkout: Path, tmp_path: Path) -> None:
    started = running("preview_api", "api", checkout, tmp_path / "home", migrate_command="exit 3")
    with pytest.raises(ChildProcessError), started:
        pass


def test_pages_know_where_the_api_is_and_share_a_secret_with_it() -> None:
    spec, _ = _blueprint("preview_fullstack", {})
    components = spec.environment.processes
    assert components["web"].env["API_URL"] == "${api.url}"
    assert {each.env["API_TOKEN"] for each in components.values()} == {"${inputs.api_token}"}
    assert [each.procfile for each in components.values()] == ["api", "web"]
    assert spec.environment.outputs["url"] == "${web.url}"


def _blueprint(name: str, inputs: Mapping[str, Any]) -> tuple[BlueprintSpec, Mapping[str, Any]]:
    folder = ENVIRONMENTS / name
    schema = load_json((folder / "inputs.schema.json").read_bytes(), "inputs.schema.json")
    manifest = yaml.safe_load((folder / "asset.yaml").read_text())
    return parse_spec(manifest), complete_inputs(schema, dict(inputs))


def _resolved(text: str, inputs: Mapping[str, Any]) -> str:
    known = {
        "source.revision": "0123abc",
        "source.pull_request": "42",
        "environment.url": "http://it.preview.localhost",
    }
    known |= {f"inputs.{key}": str(value) for key, value in inputs.items()}
    parts = parse_wiring(text)
    return "".join(known[".".join(each.path)] if isinstance(each, Reference) else each for each in parts)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise ChildProcessError(f"It ended with {process.returncode}.")
        try:
            _get(address)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(address)


def _get(address: str) -> str:
    return httpx.get(address, timeout=5).raise_for_status().text
