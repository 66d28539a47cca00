"""``slipway secret``: values that blueprints name and nobody reads."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from portal.cli.client import connect
from portal.cli.output import Output, json_option, moment


@click.command("set")
@click.argument("name")
@click.option("--file", "source", type=click.Path(path_type=Path, allow_dash=True), default="-", show_default=True,
              help="Where its value is; - is standard input. Never an argument.")  # fmt: skip
@click.option("--blueprint", "blueprints", multiple=True, metavar="PATTERN",
              help="Blueprints of others that may have it, such as slipway/preview-*.")  # fmt: skip
@json_option
def set_(name: str, source: Path, blueprints: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001  # click's way
    """Give a secret its value, or another one."""
    output = Output(as_json=as_json)
    with click.open_file(str(source), encoding="utf-8") as handle:
        value = handle.read().rstrip("\n")
    with connect() as client:
        made = client.put(f"/secrets/{quote(name, safe='')}", {"value": value, "blueprints": list(blueprints)})
    output.result(
        made, lambda each: output.line(f"{each['name']} is set. Blueprints name it ${{secrets.{each['name']}}}.")
    )


@click.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the names of secrets; values are never shown."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/secrets")
    output.result(found, lambda each: _show(output, each["items"]))


@click.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a secret."""
    with connect() as client:
        client.delete(f"/secrets/{quote(name, safe='')}")


def _show(output: Output, items: list[dict[str, Any]]) -> None:
    if not items:
        output.line("No secrets yet. Set one with: slipway secret set NAME")
        return
    rows = [
        (each["name"], " ".join(each["blueprints"]) or "own", each["set_by"], moment(each["set_at"])) for each in items
    ]
    output.table(("NAME", "BLUEPRINTS", "SET BY", "SET"), rows)
