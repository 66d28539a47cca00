"""Commands that become one of Slipway's processes: the command line replaces itself and imports none of them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from catalog.settings import inherited_environment
from portal.cli.installation import data_option, local_settings


@click.command("up")
@data_option
@click.option("--port", type=click.IntRange(1, 65000), help="The portal's port (PORT); previews use the one 80 above.")
@click.option("--host", help="The address to listen on (SLIPWAY_HOST).")
@click.option("--no-demo", is_flag=True, help="Start without curated assets and sample repository.")
def up(data: Path | None, port: int | None, host: str | None, no_demo: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Start all of Slipway on this machine, with its own PostgreSQL and Redis.

    Ctrl-C stops all of it; starting again finds everything as it was.
    """
    given = {"--data": data, "--port": port, "--host": host}
    arguments = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    _become("workers.embedded", *arguments, *(["--no-demo"] if no_demo else []))


@click.command("serve")
@data_option
def serve(data: Path | None) -> None:
    """Run the portal alone, for the database that the settings name."""
    _become("portal", settings=local_settings(data).as_environment())


@click.command("work")
@data_option
def work(data: Path | None) -> None:
    """Run a worker alone, beside others on the same database and queue."""
    _become("workers.runtime.work", settings=local_settings(data).as_environment())


@click.command("relay")
@data_option
def relay(data: Path | None) -> None:
    """Run relay and scheduler alone: they bring events to the workers."""
    _become("workers.runtime.relay", settings=local_settings(data).as_environment())


@click.command("doctor")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def doctor(data: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Say what is found, what is missing, and how to get it; exit 0 only if environments can be made here."""
    settings = {"SLIPWAY_DATA": str(data.absolute())} if data else {}
    _become("workers.doctor", *(["--json"] if as_json else []), settings=settings)


@click.command("test")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print tests, coverage and findings as JSON.")
def policy_test(directory: Path, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Check the policy bundle in DIRECTORY and run its tests, with coverage; exit 1 where it would be refused."""
    _become("workers.policy_compiler", "test", str(directory), *(["--json"] if as_json else []))


@click.command("compile")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="The folder to write policy.wasm and policy.json to.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
def policy_compile(directory: Path, output: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Compile the policy bundle in DIRECTORY as publishing does; the same files give the same bytes."""
    where = ["--output", str(output)] if output else []
    _become("workers.policy_compiler", "compile", str(directory), *where, *(["--json"] if as_json else []))


def _become(module: str, *arguments: str, settings: Mapping[str, str] | None = None) -> NoReturn:
    """Replace this process by one of our own modules, run by the same Python."""
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: the working directory is not a place to import modules from.
    command = [sys.executable, "-P", "-m", module, *arguments]
    os.execve(sys.executable, command, {**inherited_environment(), **(settings or {})})  # noqa: S606  # no shell is wanted
