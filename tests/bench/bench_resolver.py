"""Resolving against uv: ``python tests/bench/bench_resolver.py``.

Some hundred assets with fifty versions each, and the same as wheels. uv asks two indexes with metadata files (PEP 658):
Slipway's own, on the same database, which checks a token each time, and one that answers from memory, so that the peer
waits for no disk and no database. Both are measured as they find it the first time, and with what they have kept: uv
without and with its cache, its start-up included, which is given apart; Slipway in a process that has read none of the
assets, and in one that has, which asks PostgreSQL each time whether they are the same. All must choose the same
versions.
"""

import argparse
import hashlib
import http.server
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from catalog import migrate
from catalog.assets.models import Asset, AssetVersion, Namespace, VersionState
from catalog.assets.resolver import ResolveAssets
from catalog.assets.service import AssetService
from catalog.assets.service.resolving import KEPT
from catalog.db import Database
from catalog.distributions.models import Distribution, Project
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from workers.embedded.postgres import EmbeddedPostgres

UV = Path(sys.executable).with_name("uv")
VERSIONS = 50
WINDOW = 5


@dataclass(frozen=True)
class World:
    """Who needs whom: version k of an asset needs version k - WINDOW or later of its dependencies."""

    needs: dict[str, list[str]]
    caps: dict[str, int]

    @classmethod
    def make(cls, assets: int, seed: int) -> "World":
        """Return a world in which each asset needs up to four later ones, and the request caps some of them."""
        chance = random.Random(seed)  # noqa: S311  # the same world each time
        names = [f"a{number:04}" for number in range(assets)]
        needs = {
            name: sorted(chance.sample(names[index + 1 :], min(4, assets - index - 1)))
            for index, name in enumerate(names)
        }
        return cls(needs, {name: chance.randrange(25, 45) for name in chance.sample(names, max(1, assets // 20))})

    def constraints(self, name: str, number: int) -> dict[str, str]:
        """Return what one version needs."""
        return {other: f">={version(max(0, number - WINDOW))}" for other in self.needs[name]}

    def request(self, prefix: str) -> list[str]:
        """Return the requirements: the first assets, and the caps."""
        roots = list(self.needs)[:10]
        return [f"{prefix}{each}" for each in roots] + [
            f"{prefix}{name}<{version(cap)}" for name, cap in self.caps.items()
        ]


def version(number: int) -> str:
    """Return the text of the version with a number."""
    return f"{number // 10 + 1}.{number % 10}.0"


def fill(database: Database, tenant_id: UUID, world: World) -> None:
    """Write every version as a row; what resolving does not read is left small."""
    with database.tenant_session(tenant_id) as session:
        session.add(Namespace(name="bench", skeleton="bench", tenant_id=tenant_id))
        session.flush()
        for name in world.needs:
            about: dict[str, Any] = {
                "namespace": "bench",
                "name": name,
                "kind": "component-package",
                "tenant_id": tenant_id,
            }
            asset = Asset(**about, display_name=name, summary="", license="MIT", latest_version=version(VERSIONS - 1))
            session.add(asset)
            session.flush()
            versions = [AssetVersion(**about, asset_id=asset.id, **row(name, n, world)) for n in range(VERSIONS)]
            session.add_all(versions)
            session.add(Project(project=name, tenant_id=tenant_id, asset_id=asset.id))
            session.flush()
            session.add_all(
                Distribution(**wheel(name, number, world), tenant_id=tenant_id, project=name, version_id=each.id)
                for number, each in enumerate(versions)
            )
            session.flush()
            session.expunge_all()
    with database.tenant_session(tenant_id) as session:
        session.connection().execute(text("ANALYZE asset_versions"))


def row(name: str, number: int, world: World) -> dict[str, Any]:
    """Return what is of one version's own."""
    needs = [
        {"asset": f"bench/{other}", "kind": "component-package", "version": constraint}
        for other, constraint in world.constraints(name, number).items()
    ]
    digest = f"{number:064x}"
    return {
        "version": version(number),
        "semver": version(number),
        "major": number // 10 + 1,
        "minor": number % 10,
        "patch": 0,
        "stage": 3,
        "stage_number": 0,
        "state": VersionState.PUBLISHED,
        "manifest": {"metadata": {"name": name}, "dependencies": needs},
        **dict.fromkeys(("blob_digest", "tree_digest", "manifest_digest"), digest),
        "packed_size": 1,
    }


def wheel(name: str, number: int, world: World) -> dict[str, Any]:
    """Return what an index knows of the wheel of one version; nobody asks for the wheel itself."""
    core = page(world, ["simple", name, f"{version(number)}-py3-none-any.whl.metadata"])
    return {
        "filename": f"{name}-{version(number)}-py3-none-any.whl",
        "version": version(number),
        "requires_python": ">=3.8",
        "blob_digest": digest(name, number),
        "size": 1,
        "core": core,
        "core_digest": hashlib.sha256(core).hexdigest(),
    }


@contextmanager
def own_index(settings: Settings, database: Database, principal: Principal) -> Iterator[str]:
    """Serve Slipway's own index by a portal of its own, and return its address with a token in it."""
    with database.tenant_session(principal.tenant_id) as session:
        asked = CreateToken(name="bench", scopes=["assets:read"])
        token = TenantService(session).create_token(principal, asked).token
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "SLIPWAY_DATA": str(settings.data_dir),
        "PORT": str(port),
        "SLIPWAY_DATABASE_URL": settings.database_url,
        "SLIPWAY_DATABASE_SYSTEM_URL": settings.database_system_url,
    }
    with subprocess.Popen([sys.executable, "-m", "portal"], env={**inherited_environment(), **variables}) as portal:
        try:
            deadline = time.monotonic() + 60
            while True:
                with suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5)
                    break
                if portal.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the portal did not start")
                time.sleep(0.1)
            yield f"http://__token__:{token}@127.0.0.1:{port}/t/{principal.tenant_name}/simple/"
        finally:
            portal.terminate()


@contextmanager
def index(world: World) -> Iterator[str]:
    """Serve the world as a simple index and return its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that the class looks for
            path = self.path.strip("/").split("/")
            found = page(world, path)
            self.send_response(200 if found else 404)
            kind = "text/html" if path[-1].endswith(".metadata") else "application/vnd.pypi.simple.v1+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(found)))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
    server.shutdown()


def digest(name: str, number: int) -> str:
    """Return a digest of a wheel's own: uv takes wheels of one digest for one wheel, whatever they are called."""
    return hashlib.sha256(f"{name} {number}".encode()).hexdigest()


def page(world: World, path: list[str]) -> bytes:
    """Return the page of a project, or the metadata of one wheel."""
    name = path[1] if len(path) > 1 else ""
    if name not in world.needs:
        return b""
    if len(path) == 2:
        files = ",".join(
            f'{{"filename":"{name}-{version(n)}-py3-none-any.whl","url":"{version(n)}-py3-none-any.whl",'
            f'"hashes":{{"sha256":"{digest(name, n)}"}},"core-metadata":true,"requires-python":">=3.8"}}'
            for n in range(VERSIONS)
        )
        return f'{{"meta":{{"api-version":"1.1"}},"name":"{name}","files":[{files}]}}'.encode()
    text_ = path[2].partition("-")[0]
    major, minor, _ = text_.split(".")
    needs = world.constraints(name, (int(major) - 1) * 10 + int(minor))
    lines = "".join(f"Requires-Dist: {other}{constraint}\n" for other, constraint in needs.items())
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {text_}\n{lines}".encode()


def compile_(address: str, world: World, cache: Path) -> dict[str, str]:
    """Return what uv chooses."""
    options = ["--default-index", address, "--cache-dir", str(cache), "--no-header", "--no-annotate", "--quiet"]
    done = subprocess.run(
        [UV, "pip", "compile", "-", *options],
        input="\n".join(world.request("")),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(line.split("==") for line in done.stdout.split())


def timed(work: Callable[[], object], times: int) -> float:
    """Return the median of a few runs in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def main() -> None:
    """Measure at a few sizes and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    start_up = timed(lambda: subprocess.run([UV, "--version"], capture_output=True, check=True), options.times)
    print(f"uv's start-up: {start_up:.0f} ms")
    for assets in options.assets:
        with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder:
            measure(World.make(assets, seed=assets), Path(folder), options.times)


def measure(world: World, folder: Path, times: int) -> None:
    """Measure one world on a database of its own."""
    server = EmbeddedPostgres(folder / "postgres", folder / "run", durable=False)
    server.start()
    server.wait_ready()
    try:
        urls = server.urls()
        migrate.upgrade(urls.owner)
        settings = Settings(
            data_dir=folder / "data",
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
        )
        database = Database(settings)
        tenant = bootstrap.ensure_tenant(database, "bench")
        fill(database, tenant.id, world)
        wanted = ResolveAssets(requirements=world.request("bench/"))

        def ours() -> dict[str, str]:
            with database.tenant_session(tenant.id) as session:
                found = AssetService(session).resolve_all(tenant.id, wanted)
            return {each.asset.removeprefix("bench/"): each.version for each in found.lock}

        def anew() -> dict[str, str]:
            KEPT.forget()
            return ours()

        chosen = ours()
        principal = Principal(tenant.id, "bench", actor="system", name="bench", scopes=ALL_SCOPES)
        with own_index(settings, database, principal) as address:
            own = peer(address, world, folder / "own", times, chosen)
        with index(world) as address:
            memory = peer(address, world, folder / "memory", times, chosen)
        our_time = timed(ours, times)
        first_time = timed(anew, times)
        database.close()
    finally:
        server.stop()
    print(
        f"{len(world.needs)} assets x {VERSIONS} versions, {len(chosen)} chosen; Slipway {our_time:.0f} ms, "
        f"{first_time:.0f} ms where it has read none of them before"
    )
    for name, (same, cold, warm) in {"Slipway's index": own, "an index in memory": memory}.items():
        print(
            f"  uv on {name}: without cache {cold:.0f} ms ({cold / first_time:.1f} x), with cache {warm:.0f} ms "
            f"({warm / our_time:.2f} x), same answer: {'yes' if same else 'NO'}"
        )


def peer(address: str, world: World, folder: Path, times: int, chosen: dict[str, str]) -> tuple[bool, float, float]:
    """Return whether uv chooses the same on an index, and its time in milliseconds without and with its cache."""
    warm = folder / "warm"
    same = compile_(address, world, warm) == chosen
    caches = iter(range(1000))
    cold_time = timed(lambda: compile_(address, world, folder / f"cold-{next(caches)}"), times)
    return same, cold_time, timed(lambda: compile_(address, world, warm), times)


if __name__ == "__main__":
    main()
