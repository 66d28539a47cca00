"""``slipway scm``: connections to source code management, and the repositories that are followed through them."""

from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect as connected
from portal.cli.output import Output, json_option


@click.command("connect")
@click.argument("name")
@click.option("--server", default="", help="An Enterprise server's address; without it GitHub's own.")
@click.option("--app-id", help="Act as this GitHub App.")
@click.option("--installation-id", help="The App's installation in your organisation.")
@click.option("--secret-file", type=click.Path(path_type=Path, allow_dash=True), required=True, metavar="FILE",
              help="The token, or the App's private key in PEM; - is standard input. Never an argument.")  # fmt: skip
@json_option
def connect(
    name: str,
    server: str,
    app_id: str | None,
    installation_id: str | None,
    secret_file: Path,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Connect to GitHub with a token or as a GitHub App. The secret for its hooks is printed once."""
    output = Output(as_json=as_json)
    with click.open_file(str(secret_file), encoding="utf-8") as handle:
        secret = handle.read().strip()
    credentials = {"token": secret}
    if app_id or installation_id:
        credentials = {"app_id": app_id or "", "installation_id": installation_id or "", "private_key": secret}
    with connected() as client:
        made = client.post("/scm/connections", {"name": name, "base_url": server, "credentials": credentials})
    output.result(made, lambda each: _made(output, each))


@click.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List connections, the repositories followed through them, and the rights that are missing there."""
    output = Output(as_json=as_json)
    with connected() as client:
        found = client.get("/scm/connections")
    output.result(found, lambda each: _show_list(output, each))


@click.command("follow")
@click.argument("connection", metavar="ID")
@click.argument("repository")
@json_option
def follow(connection: str, repository: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Look at a repository's pull requests from now on."""
    output = Output(as_json=as_json)
    with connected() as client:
        made = client.post(f"/scm/connections/{connection}/repositories", {"address": repository})
    output.result(made, lambda each: output.line(f"{each['address']} is followed."))


@click.command("test")
@click.argument("repository")
@json_option
def test(repository: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Ask the provider what the tenant's connection may do in a repository."""
    output = Output(as_json=as_json)
    with connected() as client:
        found = client.post("/scm/test", {"address": repository})
    output.result(found, lambda each: _conditions(output, each["items"]))


@click.command("rotate")
@click.argument("connection", metavar="ID")
@json_option
def rotate(connection: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Make another secret for a connection's hooks; the one before stays good until the next rotation."""
    output = Output(as_json=as_json)
    with connected() as client:
        made = client.post(f"/scm/connections/{connection}/rotate", {})
    output.result(made, lambda each: _made(output, each))


@click.command("disconnect")
@click.argument("connection", metavar="ID")
def disconnect(connection: str) -> None:
    """Forget a connection with its credentials; its repositories are followed no longer."""
    with connected() as client:
        client.delete(f"/scm/connections/{connection}")


def _made(output: Output, made: dict[str, Any]) -> None:
    output.line(f"Connection {made['name']} ({made['id']}) to {made['base_url']}")
    output.line(f"Hooks go to {made['hook_url']}")
    output.line(f"Their secret, shown this once: {made['hook_secret']}")


def _show_list(output: Output, found: dict[str, Any]) -> None:
    for each in found["items"]:
        output.line(f"{each['name']}  {each['base_url']}  {each['id']}")
        for repository in each["repositories"]:
            output.line(f"  {repository['address']}  {repository['open_pull_requests']} open")
            _conditions(output, [condition for condition in repository["conditions"] if not condition["status"]])
    if not found["items"]:
        output.line("No connections yet. Make one with: slipway scm connect NAME --secret-file FILE")


def _conditions(output: Output, conditions: list[dict[str, Any]]) -> None:
    for each in conditions:
        mark = "yes" if each["status"] else "no "
        output.line(f"  {mark}  {each['type']}  {each['message']}")
