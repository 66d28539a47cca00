"""``slipway env logs``: what the applications of an environment wrote, and what they write from now on."""

import json
import time
from collections.abc import Sequence
from typing import Any

import click

from portal.cli.client import Client, connect
from portal.cli.environments import identifier_of
from portal.cli.errors import CommandError, ExitCode
from portal.cli.output import Output, json_option

_PAUSE_SECONDS = 1.0
# How long Slipway may be away, as while it is restarted, before we stop waiting for it.
_PATIENCE_SECONDS = 60.0


@click.command("logs")
@click.argument("environment", metavar="ID|NAME")
@click.option(
    "--lines", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many of each component at most."
)
@click.option("--component", help="This component alone.")
@click.option("--follow", is_flag=True, help="Go on with what is written from now on, until it is destroyed or Ctrl-C.")
@json_option
def logs(environment: str, lines: int, component: str | None, follow: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Print the end of what an environment's application wrote, and with --follow what it writes."""
    output = Output(as_json=as_json)
    with connect() as client:
        path = f"/environments/{identifier_of(client, environment)}/logs"
        if follow:
            _Followed(client, path, output, component, lines).to_the_end()
            return
        found = client.get(path, {"lines": lines})
    if component is not None:
        found["components"] = [each for each in found["components"] if each["component"] == component]
    output.result(found, lambda each: _show(output, each["components"]))


def _show(output: Output, components: Sequence[dict[str, Any]]) -> None:
    for each in components:
        for line in each["lines"]:
            output.line(f"{each['component']}: {line}" if len(components) > 1 else line)


class _Followed:
    """The stream of an environment's logs, taken up again where it broke off."""

    def __init__(self, client: Client, path: str, output: Output, component: str | None, lines: int) -> None:
        self._client = client
        self._path = f"{path}/events"
        self._output = output
        self._component = component
        self._lines = lines
        self._position = ""
        self._shown: dict[str, list[str]] = {}

    def to_the_end(self) -> None:
        """Print what is written until the environment is destroyed, or Ctrl-C.

        Raises ``UnreachableError`` where Slipway does not answer for a minute, ``ProblemError`` where it refuses, or
        where for a minute a gateway before it says that it is away.
        """
        silent_since: float | None = None
        try:
            while True:
                try:
                    with self._client.events(self._path, self._position) as events:
                        silent_since = None  # it answers, however long nothing is written
                        for event in events:
                            self._position = event.id or self._position
                            if event.type == "end":
                                return
                            if event.type == "log":
                                self._tell(json.loads(event.data))
                except CommandError as error:
                    silent_since = silent_since or time.monotonic()
                    is_away = error.exit_code is ExitCode.NOT_REACHABLE
                    if not is_away or time.monotonic() - silent_since > _PATIENCE_SECONDS:
                        raise
                time.sleep(_PAUSE_SECONDS)
        except KeyboardInterrupt:
            return

    def _tell(self, told: dict[str, Any]) -> None:
        name, lines = str(told["component"]), [str(each) for each in told["lines"]]
        if self._component not in {None, name}:
            return
        before = self._shown.get(name)
        new = lines[-self._lines :] if before is None else lines
        if told.get("whole"):
            # The target knows the ends of logs alone: what stood there before is not told again.
            new = new if before is None else _after(before, lines)
            self._shown[name] = lines
        else:
            self._shown[name] = []
        if self._output.as_json:
            click.echo(json.dumps({"component": name, "lines": new}))
            return
        for line in new:
            self._output.line(line if self._component is not None else f"{name}: {line}")


def _after(before: list[str], lines: list[str]) -> list[str]:
    """Return the lines that come after those that were there before, as far as the two overlap."""
    for length in range(min(len(before), len(lines)), 0, -1):
        if before[-length:] == lines[:length]:
            return lines[length:]
    return lines
