"""The check of component packages: their wheel is looked into, and their components' types are read."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from catalog.assets.archive import LIMITS
from catalog.assets.findings import Finding, Level, printable
from catalog.assets.package import Package
from workers.sandbox import MIB, Outcome, SandboxLimits, Task
from workers.upload_checks import Bench, Result, program

_LIMITS = SandboxLimits(wall_seconds=60, cpu_seconds=60, memory_bytes=512 * MIB, processes=8)
_PYTHON = ("python", "-I")
_MOST_FINDINGS = 100


class ComponentPackageCheck:
    """The check of the kind ``component-package``."""

    name = "component-package"

    def check(self, package: Package, bench: Bench) -> Result:
        """Look into the wheel, as into any zip file of a stranger's."""
        (path,) = (each for each in package.archive.under("content/dist") if each.endswith(".whl"))
        wheel = package.archive.read(path)
        bench.step("wheel")
        findings = tuple(_inspect(path, wheel, bench))
        return Result(findings)


def _inspect(path: str, wheel: bytes, bench: Bench) -> Iterator[Finding]:
    file_name = PurePosixPath(path).name
    limits = {"files": LIMITS.files, "unpacked": LIMITS.unpacked, "ratio": LIMITS.ratio, "path": LIMITS.path}
    source = program("inspect_wheel")
    command = [*_PYTHON, str(source), file_name, json.dumps(limits)]
    outcome = bench.run(Task(command, files={file_name: wheel}, readable=(source,), limits=_LIMITS))
    document = answer(outcome)
    if document is None:
        reason = outcome.reason(_LIMITS) or "it gave no answer"
        yield Finding("wheel-damaged", path, None, f"The wheel cannot be looked into: {reason}.", "Build it again.")
        return
    for each in document["findings"][:_MOST_FINDINGS]:
        level: Level = "warning" if each["level"] == "warning" else "error"
        yield Finding(each["rule"], path, None, printable(each["message"]), each["fix"], level)


def answer(outcome: Outcome) -> Any:
    """Return the JSON document that a program printed, None where it printed none."""
    if not outcome.succeeded:
        return None
    try:
        return json.loads(outcome.output)
    except ValueError:
        return None


CHECK = ComponentPackageCheck()
