"""A PostgreSQL cluster that nobody has used yet, to be copied: making one takes a user with a name, a copy does not."""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workers.embedded.accounts import Account, give_tree, named_account, private_directory, service_account
from workers.embedded.errors import EmbeddedError
from workers.embedded.launch import PATH, Command, start
from workers.embedded.programs import postgres_programs

SECONDS = 120


@dataclass(frozen=True)
class DatabaseTemplate:
    """Where PostgreSQL's programs are, and a cluster of the same version without passwords; all may read both."""

    programs: Path
    cluster: Path


def database_template(folder: Path) -> DatabaseTemplate:
    """Return what databases are begun with, made below ``folder`` where it is missing; raise ``EmbeddedError``."""
    programs = postgres_programs(service_account("postgres"))
    done = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=False)
    cluster = folder / f"postgres-{done.stdout.split()[-1] if done.stdout else 'unknown'}"
    if not cluster.is_dir():
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not cluster.is_dir():
                _make(cluster)
        finally:
            os.close(lock)
    return DatabaseTemplate(programs, cluster)


def _make(cluster: Path) -> None:
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    maker = named_account() if os.geteuid() == 0 else None
    private_directory(draft, maker)
    # The way there may be closed to the maker, and what a process works in is open to it in any case.
    here = Path("/proc/self/cwd")
    arguments = [
        str(postgres_programs(maker) / "initdb"),
        f"--pgdata={here if here.exists() else draft}",
        *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--wal-segsize=1"),
    ]
    process = start(Command(arguments, draft, {"PATH": PATH, "LC_ALL": "C", "TZ": "UTC"}, maker), subprocess.PIPE)
    output, _ = process.communicate(timeout=SECONDS)
    if process.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        last = output.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise EmbeddedError(f"a database could not be made: {last}")
    if maker is not None:
        give_tree(draft, Account(os.geteuid(), os.getegid()))
    for directory, _folders, files in os.walk(draft):
        Path(directory).chmod(0o755)
        for name in files:
            Path(directory, name).chmod(0o644)
    draft.rename(cluster)
