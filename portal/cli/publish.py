"""``slipway publish``: an asset's folder or archive goes to the marketplace."""

from pathlib import Path
from typing import Any

import click

from catalog.assets.archive import ARCHIVE_SUFFIX
from portal.cli.client import Client, connect
from portal.cli.output import Output, json_option
from portal.cli.packages import epoch_option, require_sound
from portal.cli.progress import check_outcome, follow


@click.command("publish")
@click.argument("path", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--visibility",
    type=click.Choice(["private", "public"]),
    help="Who may see the asset; left out, it stays as it is, and a new one is private.",
)
@epoch_option
@json_option
def publish(path: Path, visibility: str | None, epoch: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Publish the asset in a folder, or an archive that `slipway asset build` made.

    A folder is checked here first. The same bytes again change nothing.
    """
    output = Output(as_json=as_json)
    data = require_sound(output, path, epoch)[1] if path.is_dir() else path.read_bytes()
    name = path.name if path.is_file() else f"asset{ARCHIVE_SUFFIX}"
    with connect() as client:
        with output.busy("Publishing ..."):
            answer = send(client, name, data, visibility)
        operation = operation_of(answer)
        if operation:
            check_outcome(follow(client, operation, output))
    output.result(answer, lambda each: _show(output, each, client.connection.url))


def send(client: Client, name: str, data: bytes, visibility: str | None) -> dict[str, Any]:
    """Publish an archive and return the API's answer."""
    form = {"visibility": visibility} if visibility else {}
    answer: dict[str, Any] = client.post_file("/assets", "archive", name, data, form)
    return answer


def operation_of(answer: dict[str, Any]) -> str | None:
    """Return the id of the operation that an answer names, None where everything was done at once."""
    operation = answer.get("operation")
    return str(operation["id"] if isinstance(operation, dict) else operation) if operation else None


def _show(output: Output, answer: dict[str, Any], url: str) -> None:
    reference = f"{answer['namespace']}/{answer['name']}"
    output.line(f"{reference}@{answer['version']} is published: {url}/assets/{reference}")
