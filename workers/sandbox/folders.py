"""The folder of one run: gone when the run ends, and also when the worker that made it was killed."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from catalog import clock

PREFIX = "slipway-sandbox-"
ABANDONED_SECONDS = 600.0
"""How old a folder is before it is asked whether anybody has it still; it is locked as soon as it is made."""


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for as long as the block runs, and remove those whose worker has died."""
    sweep()
    # Outside the data directory, into which no other user may look.
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    # The kernel lets go of it when this process ends, however that happens.
    descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        made.chmod(0o711)
        yield made
    finally:
        _remove(made)
        os.close(descriptor)


def sweep() -> None:
    """Remove the folders of this user's workers that were killed."""
    before = clock.now().timestamp() - ABANDONED_SECONDS
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = old.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and found.st_mtime < before:
                _remove_if_abandoned(old)


def _remove_if_abandoned(old: Path) -> None:
    descriptor = os.open(old, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(old)
    finally:
        os.close(descriptor)


def _remove(made: Path) -> None:
    for path in (made, *made.glob("*")):
        with suppress(OSError):
            path.chmod(0o700)
    shutil.rmtree(made, onerror=_force)


def _force(_function: object, path: str, _error: object) -> None:
    """Open a folder that a run closed to its owner, and go on removing."""
    with suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()
