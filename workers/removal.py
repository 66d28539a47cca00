"""Removing folders that applications have filled, however deep they go."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path


def remove_folder(path: Path) -> None:
    """Remove a folder and all below, following no link; what cannot be removed stays, and nothing is raised for it."""
    # It calls itself for each level and keeps each open, of which there may be more than either has room for.
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-rf", "--", str(path)], stdin=subprocess.DEVNULL, capture_output=True)
