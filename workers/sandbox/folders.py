"""The folder of one run: gone when the run ends, and also when the worker that made it was killed, with its cell."""

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from catalog import clock

PREFIX = "slipway-sandbox-"
ABANDONED_SECONDS = 600.0
"""How old a folder is that nobody has locked yet, before it is taken for one whose maker was killed before that."""
_DRAFT = ".slipway-sandbox-"


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for as long as the block runs, and remove those whose worker has died."""
    sweep()
    # Outside the data directory, into which no other user may look.
    made = Path(tempfile.mkdtemp(prefix=_DRAFT))
    # The kernel lets go of it when this process ends, however that happens.
    descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        made.chmod(0o711)
        # Only from now on it is asked whether anybody has it still.
        made = made.rename(made.with_name(PREFIX + made.name.removeprefix(_DRAFT)))
        yield made
    finally:
        _remove(made)
        os.close(descriptor)


def sweep() -> None:
    """Remove the folders of this user's workers that were killed, and what was to run in them."""
    before = clock.now().timestamp() - ABANDONED_SECONDS
    top = Path(tempfile.gettempdir())
    for old in (*top.glob(f"{PREFIX}*"), *top.glob(f"{_DRAFT}*")):
        with suppress(OSError):
            found = old.lstat()
            is_old = old.name.startswith(PREFIX) or found.st_mtime < before
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and is_old:
                _remove_if_abandoned(old)


def _remove_if_abandoned(old: Path) -> None:
    descriptor = os.open(old, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _end_cell(old)
        _remove(old)
    finally:
        os.close(descriptor)


def _end_cell(abandoned: Path) -> None:
    """Kill the bubblewrap of a folder that nobody has any more.

    While it builds a cell, its first process inside waits for the outer one without being told of that one's end; and
    a worker may die before the outer one has asked to be told of the worker's. Whatever is in a cell ends with it.
    """
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "bwrap" and any(
            each.startswith(f"{abandoned}/") for each in process.info["cmdline"] or ()
        ):
            with suppress(psutil.Error):
                process.kill()


def _remove(made: Path) -> None:
    """Remove a folder and all below, however deep that goes and whatever a run has closed to its owner.

    Each folder is moved to the top before it is looked into: so no path is too long for the system to take, nothing
    calls itself, and one at a time is open. Where something cannot be removed, everything else is.
    """
    waiting = [made]
    for folder in waiting:
        with suppress(OSError):
            folder.chmod(0o700)
            with os.scandir(folder) as found:
                entries = list(found)
            for entry in entries:
                _take_out(entry, made, waiting)
    for folder in reversed(waiting):
        with suppress(OSError):
            folder.rmdir()


def _take_out(entry: os.DirEntry[str], top: Path, waiting: list[Path]) -> None:
    with suppress(OSError):
        # What a link leads to is not the run's, and stays as it is.
        if not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink()
            return
        path = Path(entry.path)
        path.chmod(0o700)  # whose parent changes is written to
        if path.parent != top:
            path = path.rename(top / secrets.token_hex(16))
        waiting.append(path)
