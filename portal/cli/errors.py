"""How a command can end other than well: each error knows its exit code and what to print."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the exit status of every command means; scripts rely on it."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NEEDS_APPROVAL = 3
    NOT_FOUND = 4
    NOT_REACHABLE = 5


PEOPLE_DECIDE = frozenset({"override_needed", "approval_needed"})
"""The codes of problems that end as soon as somebody says yes."""


class CommandError(Exception):
    """A command cannot do what it was asked: ``message`` says why, ``hint`` what to do, ``details`` more of why."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class MissingError(CommandError):
    """What the command is about does not exist."""

    exit_code = ExitCode.NOT_FOUND


class ApprovalNeededError(CommandError):
    """People have to approve it first; they were asked."""

    exit_code = ExitCode.NEEDS_APPROVAL


class UnreachableError(CommandError):
    """Slipway, or its database, does not answer."""

    exit_code = ExitCode.NOT_REACHABLE


class ProblemError(CommandError):
    """The API refused: ``status`` and the problem document (RFC 9457) of its answer."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        title = str(problem.get("title") or f"The server answered {status}")
        detail = str(problem.get("detail") or "")
        super().__init__(f"{title}: {detail}" if detail and detail != title else title, details=_details(problem))
        self.status = status
        self.problem = dict(problem)
        self.exit_code = exit_code_of(status)
        if str(problem.get("type", "")).rpartition(":")[2] in PEOPLE_DECIDE:
            self.exit_code = ExitCode.NEEDS_APPROVAL
        if status == 401:
            self.hint = "Run `slipway login`, or set SLIPWAY_TOKEN to a token that is valid."


def _details(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line for each field at fault and each rule that is not kept: where, what is wrong, what helps."""
    errors = problem.get("errors")
    lines = []
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            # What the message says already is not said again; the place is still worth knowing.
            repeated = error.get("detail") == problem.get("detail")
            parts = (error.get("pointer"), "" if repeated else error.get("detail"))
            lines.append(": ".join(str(part) for part in parts if part))
    violations = problem.get("violations")
    for violation in violations if isinstance(violations, list) else ():
        if isinstance(violation, dict):
            told = (violation.get("rule"), violation.get("message"), violation.get("remediation"))
            lines.append(": ".join(str(part) for part in told if part))
    return tuple(line for line in lines if line)


def exit_code_of(status: int) -> ExitCode:
    """Return the exit code for a refusal with an HTTP status."""
    # A gateway that cannot reach Slipway says so with these; Slipway itself answers a refusal with a 4xx.
    if status in {502, 503, 504}:
        return ExitCode.NOT_REACHABLE
    return ExitCode.NOT_FOUND if status == 404 else ExitCode.REFUSED
