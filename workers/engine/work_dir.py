"""The folder of one engine operation: gone when the operation ends, and also when its process was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "operation-"


@contextmanager
def work_dir(engine_dir: Path) -> Iterator[Path]:
    """Make a folder below ``engine_dir`` for as long as the block runs; remove those whose process has died."""
    with _locked(engine_dir):
        for old in engine_dir.glob(f"{_PREFIX}*"):
            _remove_if_abandoned(old)
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=engine_dir))
        # The kernel lets go of it when this process ends, however that happens.
        descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # Its operation has just ended.
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
