"""What a command prints: the API's object with ``--json``, tables for people otherwise, progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.clock import now
from portal.cli.text import plain

Command = Callable[..., Any]
# Nothing is cut off where the reader is a program.
_UNLIMITED = 100_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's object instead of text for people.")
_cursor_option = click.option("--cursor", help="Where to go on, as the list before said.")


def page_options(most: int = 200) -> Callable[[Command], Command]:
    """Return what gives a command that lists ``--limit`` and ``--cursor``; ``most`` is what the API takes."""
    limit = click.option(
        "--limit", type=click.IntRange(1, most), default=50, show_default=True, help="How many at most."
    )
    return lambda command: limit(_cursor_option(command))


class Output:
    """Where one command prints; NO_COLOR is respected, and colour and spinners appear on terminals only."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def result(self, document: object, show: Callable[[Any], None]) -> None:
        """Print ``document``: as JSON where asked for, otherwise by ``show``."""
        if self.as_json:
            self.json(document)
        else:
            show(document)

    def json(self, document: object) -> None:
        """Print ``document`` as JSON."""
        sys.stdout.write(json.dumps(document, indent=2) + "\n")

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line of the result."""
        self.out.print(Text(plain(text), style=style), soft_wrap=True)

    def note(self, text: str, style: str = "") -> None:
        """Print one line beside the result, on standard error."""
        self.err.print(Text(plain(text), style=style), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows under their headings."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(each) for each in row))
        self._print(table)

    def facts(self, rows: Iterable[tuple[str, object]]) -> None:
        """Print names with their values, leaving out those without one."""
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            if value not in (None, "", [], {}):
                table.add_row(name, _cell(value))
        self._print(table)

    def _print(self, table: Table) -> None:
        if self.out.is_terminal:
            self.out.print(table)
            return
        with self.out.capture() as drawn:
            self.out.print(table)
        # The blanks that fill up a column are of no use after the last one.
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))

    def more(self, cursor: str | None) -> None:
        """Say how to go on where a list has more than was printed."""
        if cursor:
            self.note(f"There are more: --cursor {cursor}", style="dim")

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show on a terminal that something is going on."""
        if self.err.is_terminal:
            with self.err.status(Text(plain(text)), spinner="dots"):
                yield
        else:
            yield


def moment(value: object) -> str:
    """Return an RFC 3339 time as people read it, "" where there is none: ``2026-11-23 14:05 UTC (in 2 h)``."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return plain(value)
    seconds = (at - now()).total_seconds()
    distance = _distance(abs(seconds))
    return f"{at:%Y-%m-%d %H:%M} UTC ({f'in {distance}' if seconds > 0 else f'{distance} ago'})"


def _distance(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(plain(value))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNLIMITED
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=width)
