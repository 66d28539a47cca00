"""Directories for Unix sockets: short enough for the kernel and reachable by the server that binds there."""

import os
import shutil
import tempfile
from pathlib import Path

from workers.embedded.accounts import Account, can_reach, passage, private_directory, service_account

# A socket's path may have 107 bytes; PostgreSQL's own name takes 19 of them, with that of its lock file 24.
_LONGEST = 80
_LONGEST_RUN = 70


def socket_directory(run: Path, name: str, account: Account | None) -> Path:
    """Return a directory named ``name`` below ``run``, or a short one in the system's temporary directory.

    The second is taken where the path is too long or ``account`` cannot reach it; ``run/<name>.socket-directory``
    then records which, so that the next start and other processes find the same one.
    """
    preferred = run / name
    if len(str(preferred).encode()) <= _LONGEST and can_reach(preferred, account):
        return private_directory(preferred, account)
    record = run / f"{name}.socket-directory"
    recorded = Path(record.read_text(encoding="utf-8").strip()) if record.exists() else None
    if recorded is not None and recorded.is_dir() and not recorded.is_symlink():
        owner = recorded.stat().st_uid
        if owner == (account.uid if account else run.stat().st_uid):
            return private_directory(recorded, account)
    made = Path(tempfile.mkdtemp(prefix=f"slipway-{name}-"))
    record.write_text(f"{made}\n", encoding="utf-8")
    return private_directory(made, account)


def forget_socket_directory(run: Path, name: str) -> None:
    """Remove the directory that ``socket_directory`` made outside ``run``, if it made one."""
    record = run / f"{name}.socket-directory"
    if record.exists():
        shutil.rmtree(record.read_text(encoding="utf-8").strip(), ignore_errors=True)
        record.unlink()


def open_run_directory(usual: Path) -> Path:
    """Make the directory for sockets and return it: ``usual``, or a short one that ``usual/elsewhere`` names.

    The second is taken where the path is too long, or closed to the unprivileged users that servers run as.
    """
    passage(usual)
    record = usual / "elsewhere"
    close_run_directory(usual)
    if len(str(usual).encode()) <= _LONGEST_RUN and can_reach(usual / "socket", service_account("postgres")):
        return usual
    made = passage(Path(tempfile.mkdtemp(prefix="slipway-run-")))
    record.write_text(f"{made}\n", encoding="utf-8")
    return made


def close_run_directory(usual: Path) -> None:
    """Remove the short directory, if there is one of ours."""
    record = usual / "elsewhere"
    if record.is_file():
        made = Path(record.read_text(encoding="utf-8").strip())
        if made.is_dir() and not made.is_symlink() and made.stat().st_uid == os.geteuid():
            shutil.rmtree(made, ignore_errors=True)
        record.unlink()
