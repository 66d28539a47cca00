"""Groups whose commands are imported when they are run: start-up stays quick, because help needs none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class Entry:
    """Where a command is, as ``module:attribute``, and what the list of commands says of it."""

    place: str
    summary: str
    hidden: bool = False


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, and imports only the one that is asked for."""

    def __init__(self, name: str, entries: Mapping[str, Entry], *, summary: str = "") -> None:
        super().__init__(name, help=summary, no_args_is_help=True)
        self.entries = entries

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which they are best read."""
        return list(self.entries)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None where there is none of that name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.place} is not a command.")
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        rows = [(name, entry.summary) for name, entry in self.entries.items() if not entry.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what a shell offers after ``incomplete``, without importing any command."""
        named = [
            CompletionItem(name, help=entry.summary)
            for name, entry in self.entries.items()
            if name.startswith(incomplete) and not entry.hidden
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]
