"""Many environments at once: ``python -m tests.bench.bench_environments_many --environments 40 --rows 10000``.

Through the real portal, relay, worker and engine on the local target, with tiny applications: seconds from the request
to ready (p50, p99), environments a minute, memory of portal, worker and relay while all of them run, and what is left
once all are destroyed. Then rows without an application: seconds for each pass of the poll and of the sweep over them,
and what grew meanwhile.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psutil
from sqlalchemy import text

from catalog.db import Database
from catalog.environments.service import PROJECT
from catalog.gates import open_database
from catalog.providers.targets import target
from catalog.tenants import bootstrap
from tests.bench.bench_environment import Slipway, at_rest, free_port, slipway
from workers.engine.backend import local_backend
from workers.environment_sweep import sweep
from workers.environment_watch import watch_pull_requests
from workers.main import build
from workers.runtime.context import JobContext

FIRST_ROW = 1_000_000
TINY = """
import os, socket
listening = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    visitor, _ = listening.accept()
    visitor.recv(4096)
    visitor.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nhi\\n")
    visitor.close()
"""
ROWS = """
    INSERT INTO environments
    SELECT row.* FROM (SELECT to_jsonb(environments) AS known FROM environments LIMIT 1) AS e,
    generate_series(1, CAST(:count AS int)) AS n,
    LATERAL jsonb_populate_record(CAST(NULL AS environments), e.known || jsonb_build_object(
        'id', gen_random_uuid(), 'pull_request', 1000000 + n, 'name', 'row-' || n, 'hostname', 'row-' || n || '.bench',
        'phase', CAST(:phase AS text), 'desired', 'present', 'stack_id', NULL, 'operation_id', NULL,
        'due_at', NULL, 'conditions', '[]'::jsonb, 'last_deploy_at', now())) AS row
"""
TIMES = """
    SELECT extract(epoch FROM r.occurred_at - q.occurred_at) FROM events AS q JOIN events AS r ON r.subject = q.subject
    WHERE q.type = 'dev.slipway.environment.requested.v1' AND r.type = 'dev.slipway.environment.ready.v1'
    ORDER BY 1
"""


def repository(folder: Path, count: int, rows_count: int) -> Path:
    """Make a repository with a tiny application and pull requests for ``count`` environments and for all rows."""
    made = folder / "tiny"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(made)], check=True)
    (made / "app.py").write_text(TINY)
    (made / "Procfile").write_text("web: exec python3 -ISE app.py\n")
    git = ["git", "-C", str(made), "-c", "user.name=Bench", "-c", "user.email=bench@localhost"]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "Answer"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    numbers = [*range(1, count + 1), *range(FIRST_ROW + 1, FIRST_ROW + rows_count + 1)]
    commands = "".join(f"create refs/pull/{number}/head {head}\n" for number in numbers)
    subprocess.run([*git, "update-ref", "--stdin"], input=commands, text=True, check=True)
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    return made


def until(installation: Slipway, phase: str, count: int, seconds: float) -> None:
    """Wait until so many environments are in a phase, or none can get there any more."""
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, int] = {}
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = installation.client.get("/environments", params={"limit": 100, **more}).raise_for_status().json()
            for each in page["items"]:
                found[each["phase"]] = found.get(each["phase"], 0) + 1
            cursor = page["next_cursor"]
            if cursor is None:
                break
        if found.get(phase, 0) >= count or found.get("failed"):
            print(f"  {found}")
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"not {phase} in time: {found}")
        time.sleep(1)


def many(installation: Slipway, source: Path, database: Database, tenant_id: UUID, count: int) -> None:
    """Measure environments that all come at once."""
    begin = time.perf_counter()
    for number in range(1, count + 1):
        asked = {"repository": str(source), "pull_request": number, "blueprint": "slipway/preview-web", "inputs": {}}
        installation.client.post("/environments/ephemeral", json=asked).raise_for_status()
    accepted = time.perf_counter() - begin
    print(f"{count} requests accepted in {accepted:.1f} s")
    until(installation, "ready", count, 3600)
    all_ready = time.perf_counter() - begin
    memory = at_rest(installation)
    with database.tenant_session(tenant_id) as session:
        times = [float(each) for (each,) in session.execute(text(TIMES))]
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(memory.items()))
    print(f"{len(times)} ready, all in {all_ready:.1f} s: {60 * len(times) / all_ready:.1f} a minute")
    print(f"request to ready, all at once: p50 {p50:.1f} s, p99 {p99:.1f} s, first {times[0]:.1f} s")
    print(f"memory while they run: {sum(memory.values()):.0f} MiB PSS ({parts})")
    ids = [each["id"] for each in all_of(installation)]
    begin = time.perf_counter()
    for each in ids:
        installation.client.delete(f"/environments/{each}").raise_for_status()
    until(installation, "destroyed", count, 3600)
    print(f"all destroyed in {time.perf_counter() - begin:.1f} s")
    print(f"left: {left(installation) or 'nothing'}")


def all_of(installation: Slipway) -> list[dict[str, str]]:
    """Return every environment, page by page."""
    found: list[dict[str, str]] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = installation.client.get("/environments", params={"limit": 100, **more}).raise_for_status().json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def left(installation: Slipway) -> list[str]:
    """Name everything that is found of any environment: at the target, on disk, in the engine's state."""
    settings = installation.settings
    found = [each.what for each in target("local", settings).census()]
    folder = settings.data_dir / "environments"
    found += [str(each) for each in folder.iterdir()] if folder.is_dir() else []
    backend = local_backend(settings.state_backend_url)
    state = None if backend is None else backend / ".pulumi" / "stacks" / PROJECT
    return found + ([str(each) for each in state.glob("*.json*")] if state is not None and state.is_dir() else [])


def passes(installation: Slipway, database: Database, tenant_id: UUID, count: int, rounds: int) -> None:
    """Measure the poll and the sweep over rows without an application."""
    app = build(installation.settings)
    context = JobContext(app.runtime, "bench")
    looks: tuple[tuple[str, Callable[[JobContext], None]], ...] = (("poll", watch_pull_requests), ("sweep", sweep))
    for phase in ("destroyed", "sleeping", "ready"):
        with database.tenant_session(tenant_id) as session:
            session.execute(text("DELETE FROM environments WHERE name LIKE 'row-%'"))
            session.execute(text(ROWS), {"phase": phase, "count": count})
        before = rows(database, tenant_id)
        if phase == "ready":
            seem_there(installation, database, tenant_id)
        resident = psutil.Process().memory_info().rss
        for name, look in looks:
            look(context)
            taken = []
            for _ in range(rounds):
                begin = time.perf_counter()
                look(context)
                taken.append(time.perf_counter() - begin)
            print(f"{count} rows {phase}: {name} {min(taken):.2f} to {max(taken):.2f} s a pass")
        grown = (psutil.Process().memory_info().rss - resident) / 1024 / 1024
        after = rows(database, tenant_id)
        print(f"  grown: {grown:.1f} MiB, rows { ({key: after[key] - before[key] for key in after}) }")
    app.close()


def seem_there(installation: Slipway, database: Database, tenant_id: UUID) -> None:
    """Let a sweep find a folder and a stack of each row: one of which nothing is found is lost, and made again."""
    settings = installation.settings
    backend = local_backend(settings.state_backend_url)
    assert backend is not None
    stacks = backend / ".pulumi" / "stacks" / PROJECT
    stacks.mkdir(parents=True, exist_ok=True)
    with database.tenant_session(tenant_id) as session:
        ids: list[UUID] = list(session.execute(text("SELECT id FROM environments WHERE name LIKE 'row-%'")).scalars())
    for each in ids:
        (settings.data_dir / "environments" / str(each)).mkdir(parents=True)
        (stacks / f"row-{each.hex[:12]}-1.json").write_text("{}")


def rows(database: Database, tenant_id: UUID) -> dict[str, int]:
    """Return how many rows there are that a pass must not add to."""
    found = {}
    for table in ("events", "operations", "policy_evaluations", "stacks"):
        with database.tenant_session(tenant_id) as session:
            found[table] = int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608  # names from above
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=int, default=40)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["SLIPWAY_ENVIRONMENT_QUOTA"] = str(options.environments + options.rows + 1)
    os.environ["SLIPWAY_PULL_REQUEST_POLL_SECONDS"] = "3600"
    with tempfile.TemporaryDirectory(prefix="slw-many-", dir="/tmp") as root:  # applications must reach it
        folder = Path(root)
        folder.chmod(0o711)
        source = repository(folder, max(options.environments, 1), options.rows)
        with slipway(folder / "data", free_port()) as installation:
            database = open_database(installation.settings)
            tenant_id = bootstrap.ensure_tenant(database, bootstrap.DEFAULT_TENANT).id
            many(installation, source, database, tenant_id, options.environments)
            if options.rows:
                passes(installation, database, tenant_id, options.rows, options.rounds)
            database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
