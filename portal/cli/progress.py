"""Following an operation to its end: its live stream where there is one, otherwise asking again and again."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from portal.cli.client import Client
from portal.cli.errors import PEOPLE_DECIDE, ApprovalNeededError, CommandError, ProblemError, UnreachableError
from portal.cli.output import Output
from portal.cli.text import plain

FINAL = frozenset({"succeeded", "failed", "cancelled"})
_POLL_SECONDS = 1.0
# A stream that breaks this often without having told anything is not worth opening again.
_STREAM_ATTEMPTS = 3
# How long Slipway may be away, as while it is restarted, before we stop waiting for it.
_PATIENCE_SECONDS = 60.0
_MARKS = {"succeeded": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "dim"), "cancelled": ("-", "dim")}


def follow(client: Client, operation_id: str, output: Output) -> dict[str, Any]:
    """Show the steps of an operation until it has ended, and return it.

    Raises ``UnreachableError`` where Slipway does not answer for a minute, ``CommandError`` on Ctrl-C: the operation
    goes on either way.
    """
    steps = _Steps(output)
    try:
        with steps.shown():
            return _Follower(client, operation_id, steps).to_the_end()
    except KeyboardInterrupt:
        raise CommandError("Stopped waiting; what was asked for goes on without you.") from None


def check_outcome(operation: dict[str, Any]) -> None:
    """Raise ``CommandError`` that says why, where the operation did not succeed."""
    if operation["state"] == "succeeded":
        return
    error = operation.get("error") or {}
    message = error.get("message") or f"The operation {operation['kind']} was {operation['state']}."
    kind = ApprovalNeededError if error.get("code") in PEOPLE_DECIDE else CommandError
    raise kind(str(message), str(error.get("hint") or ""))


class _Follower:
    def __init__(self, client: Client, operation_id: str, steps: "_Steps") -> None:
        self._client = client
        self._path = f"/operations/{operation_id}"
        self._steps = steps
        self._last_id = ""
        self._silence_began: float | None = None

    def to_the_end(self) -> dict[str, Any]:
        fruitless = 0
        while True:
            operation = self._ask()
            if operation is not None and operation["state"] in FINAL:
                return operation
            if fruitless < _STREAM_ATTEMPTS:
                before = self._last_id
                ended = self._listen()
                fruitless = 0 if self._last_id != before else fruitless + 1
                if ended or not fruitless:
                    continue
            time.sleep(_POLL_SECONDS)

    def _ask(self) -> dict[str, Any] | None:
        """Return the operation as it is now, or None where Slipway does not answer at the moment."""
        try:
            operation: dict[str, Any] = self._client.get(self._path)
        except UnreachableError:
            moment = time.monotonic()
            self._silence_began = self._silence_began or moment
            if moment - self._silence_began > _PATIENCE_SECONDS:
                raise
            return None
        self._silence_began = None
        for step in operation["steps"]:
            self._steps.move(step)
        return operation

    def _listen(self) -> bool:
        """Show what the stream tells; return whether it told of the end."""
        try:
            with self._client.events(f"{self._path}/events", self._last_id) as events:
                for event in events:
                    self._last_id = event.id or self._last_id
                    data = json.loads(event.data)
                    if event.type == "step":
                        self._steps.move(data["step"])
                    elif event.type == "state" and data["state"] in FINAL:
                        return True
        except (UnreachableError, ProblemError, ValueError, KeyError, TypeError):
            # Whatever is wrong with the stream, asking for the operation itself tells the truth.
            return False
        return False


class _Steps:
    """The list of steps: redrawn in place on a terminal, otherwise a line for each that has ended."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._steps: dict[str, dict[str, Any]] = {}
        self._spinners: dict[str, Spinner] = {}
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the steps while the block runs."""
        if not self._output.err.is_terminal:
            yield
            return
        with Live(console=self._output.err, refresh_per_second=8, get_renderable=self._table) as self._live:
            yield

    def move(self, step: dict[str, Any]) -> None:
        """Take in how a step stands now."""
        before = self._steps.get(step["name"], {}).get("state")
        if before in _MARKS:
            # It has ended; the stream, taken up again after a question, may tell older news than the answer.
            return
        self._steps[step["name"]] = step
        if self._live is None and step["state"] != before and step["state"] in _MARKS:
            mark, style = _MARKS[step["state"]]
            self._output.note(f"{mark} {_text(step)}", style=style)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1, 0, 0))
        for name, step in self._steps.items():
            mark, style = _MARKS.get(step["state"], ("·", "dim"))
            if step["state"] == "running":
                table.add_row(self._spinners.setdefault(name, Spinner("dots", style="cyan")), Text(_text(step)))
            else:
                table.add_row(Text(mark, style=style), Text(_text(step), style="dim" if mark == "·" else ""))
        return table


def _text(step: dict[str, Any]) -> str:
    # The whole of a long message, such as the end of a log, is told once, at the end.
    message = (step.get("message") or "").partition("\n")[0]
    return plain(f"{step['title']}: {message}" if message else step["title"])
