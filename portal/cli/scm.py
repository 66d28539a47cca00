"""``slipway scm``: connections to source code management, and the repositories that are followed through them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect as connected
from portal.cli.output import Output, json_option


@click.command("connect")
@click.argument("name")
@click.option("--provider", type=click.Choice(["github", "azure-devops"]), default="github", show_default=True,
              help="What kind of server it is.")  # fmt: skip
@click.option("--server", default="", help="The server's address, or that of your organisation at Azure DevOps; "
              "without it the provider's own.")  # fmt: skip
@click.option("--app-id", help="Act as this GitHub App.")
@click.option("--installation-id", help="The App's installation in your organisation.")
@click.option("--directory-id", help="The directory (tenant) of a service principal in Microsoft Entra ID.")
@click.option("--client-id", help="The service principal's application id.")
@click.option("--secret-file", type=click.Path(path_type=Path, allow_dash=True), required=True, metavar="FILE",
              help="The token, the App's private key in PEM, or the service principal's secret; - is standard input. "
              "Never an argument.")  # fmt: skip
@json_option
def connect(
    name: str,
    provider: str,
    server: str,
    secret_file: Path,
    as_json: bool,  # noqa: FBT001  # click passes options by name
    **ids: str | None,
) -> None:
    """Connect to GitHub or Azure DevOps. The secret for its hooks is printed once."""
    output = Output(as_json=as_json)
    with click.open_file(str(secret_file), encoding="utf-8") as handle:
        secret = handle.read().strip()
    body = {"name": name, "base_url": server, "credentials": _credentials(secret, ids)}
    # The provider's name is that of its module, as others see it in the API.
    body["provider"] = provider.replace("-", "_")
    with connected() as client:
        made = client.post("/scm/connections", body)
    output.result(made, lambda each: _made(output, each))


def _credentials(secret: str, ids: Mapping[str, str | None]) -> dict[str, str]:
    given = {name: value for name, value in ids.items() if value}
    if not given:
        return {"token": secret}
    kind = "private_key" if given.keys() & {"app_id", "installation_id"} else "client_secret"
    return {**given, kind: secret}


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
    if made["provider"] == "azure_devops":
        output.line("Azure DevOps signs nothing: give it as the password of the service hook, with any user name.")


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
