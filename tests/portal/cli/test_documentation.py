"""docs/cli.md names every command and option, and the lists of commands say what the commands say of themselves."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from portal.cli.commands import COMMANDS
from portal.cli.lazy import LazyGroup

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


def _commands(group: LazyGroup, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name, entry in group.entries.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.hidden == entry.hidden
        if isinstance(command, LazyGroup):
            assert command.help == entry.summary
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(_commands(COMMANDS, "slipway"))
SHOWN = {path: command for path, command in ALL.items() if not command.hidden}


def _section(path: str) -> str:
    """Return the part of the document under the heading that names a command, or the group's where it has none."""
    parts = re.split(r"^(?=##+ )", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(part for part in parts if f"`{path}" in part or f"$ {path} " in part)


@pytest.mark.parametrize("path", sorted(SHOWN))
def test_every_command_is_documented_with_an_example(path: str) -> None:
    section = _section(path)
    assert section, f"{path} is not in docs/cli.md"
    assert re.search(rf"^\$ (\w+=\$\()?{path}\b", section, re.MULTILINE) or path in {"slipway serve", "slipway relay"}


@pytest.mark.parametrize("path", sorted(SHOWN))
def test_every_option_is_documented(path: str) -> None:
    section = _section(path)
    for parameter in SHOWN[path].params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                assert f"`{option}" in section, f"{path} {option} is not in docs/cli.md"


@pytest.mark.parametrize("path", sorted(SHOWN))
def test_every_option_says_what_it_does(path: str) -> None:
    assert SHOWN[path].help
    assert all(each.help for each in SHOWN[path].params if isinstance(each, click.Option))


def test_every_exit_status_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(f"\n| {status} |" in text for status in range(6))
