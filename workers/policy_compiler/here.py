"""Runs the compiler without a wall, for the caller's own policies on the caller's own machine."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from catalog.settings import inherited_environment
from workers.sandbox import Outcome, Stopped, Task


def run_here(task: Task) -> Outcome:
    """Run a task in a folder that is removed afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-policy-") as name:
        folder = Path(name)
        for path, data in task.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        command = [sys.executable if task.command[0] == "python" else task.command[0], *task.command[1:]]
        stopped = None
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=inherited_environment(),
                capture_output=True,
                timeout=task.limits.wall_seconds,
            )
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(command, -9, b"", b"")
            stopped = Stopped.TIME
        files = {path: (folder / path).read_bytes() for path in task.collect if (folder / path).is_file()}
    return Outcome(done.returncode, stopped, done.stdout, done.stderr, files, time.monotonic() - started)
