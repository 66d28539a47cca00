"""The sandboxed checks of uploads: one module per asset kind with a ``CHECK``, found by entry point."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from catalog.assets.artifacts import NOTHING_DERIVED, Derived
from catalog.assets.findings import Finding, Level, printable
from catalog.assets.package import Package
from catalog.discovery import discover
from catalog.settings import Settings
from workers.sandbox import Outcome, Task

GROUP = "slipway.upload_checks"
_MOST_FINDINGS = 100


class CheckNotPossibleError(Exception):
    """A check could not be carried out for a reason that is not the package's; one line for its publisher."""


class Run(Protocol):
    """Runs a task in the sandbox; raises ``SandboxError``. Once it ``is_unwanted`` the run is ended as cancelled."""

    def __call__(self, task: Task, is_unwanted: Callable[[], bool] = lambda: False, /) -> Outcome:
        """Return how the run ended."""
        ...


@dataclass(frozen=True)
class Bench:
    """What a check works with, from any thread.

    ``run`` runs a task in the sandbox, ``step`` tells the upload's readers which of the
    kind's ``sandboxed_steps`` has begun (with a few words where that helps), ``log`` writes a line that they see.
    """

    settings: Settings
    run: Run
    step: Callable[..., None]
    log: Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a check found, and what it derived where there are no errors."""

    findings: Sequence[Finding] = ()
    derived: Derived = field(default=NOTHING_DERIVED)


@runtime_checkable
class SandboxedCheck(Protocol):
    """The check of one kind that runs, renders or unpacks a publisher's content, always through ``bench.run``.

    ``name`` is the kind's. A check may be repeated, so it keeps nothing; it raises ``CheckNotPossibleError`` where
    something of the machine is missing, and never for what a package contains.
    """

    @property
    def name(self) -> str:
        """The name of the asset kind."""
        ...

    def check(self, package: Package, bench: Bench) -> Result:
        """Check a package whose manifest, schemas and paths are sound already."""
        ...


@cache
def checks() -> Mapping[str, SandboxedCheck]:
    """Return every installed check by the kind's name; raise ``DiscoveryError`` where one is broken."""
    return discover(GROUP, "CHECK", SandboxedCheck)


def answer(outcome: Outcome) -> Any:
    """Return the JSON document that a program printed, None where it printed none."""
    if not outcome.succeeded:
        return None
    try:
        return json.loads(outcome.output)
    except (ValueError, RecursionError):
        return None


def read_findings(document: Any, path: str | None = None) -> list[Finding]:
    """Return the findings that a program printed, all of them about ``path`` where that is given.

    What a publisher's content may have written itself is cut to what a report can show; anything else that is no
    finding raises ``CheckNotPossibleError``.
    """
    try:
        return [_finding(each, path) for each in document[:_MOST_FINDINGS]]
    except (TypeError, KeyError, AttributeError):
        raise CheckNotPossibleError("the check gave no readable answer") from None


def _finding(each: Mapping[str, Any], path: str | None) -> Finding:
    level: Level = "warning" if each["level"] == "warning" else "error"
    where = path if path is not None else str(each["path"])
    line = each.get("line")
    return Finding(
        rule=printable(str(each["rule"])[:60]),
        path=printable(where[:300]),
        line=line if isinstance(line, int) else None,
        message=printable(str(each["message"])[:1000]),
        fix=printable(str(each["fix"])[:500]),
        level=level,
    )


def program(name: str) -> Path:
    """Return the path of one of the programs that checks run inside the sandbox."""
    return Path(__file__).parent / "programs" / f"{name}.py"
