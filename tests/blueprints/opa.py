"""The real ``opa``, for the tests of the curated policy bundles."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from catalog.settings import load_settings
from workers import toolchain


@cache
def program() -> Path:
    """Return where ``opa`` is, which ``make setup`` puts there."""
    return toolchain.ensure(load_settings().tools_dir, toolchain.OPA, print)


def run(*arguments: str | Path, document: str | None = None) -> Any:
    """Run ``opa`` and return the JSON that it prints; fail with its words where it fails."""
    command = [program(), *arguments]
    done = subprocess.run(command, input=document, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None
