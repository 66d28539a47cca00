"""``slipway sbom registries``: registries elsewhere, where artifacts of releases are fetched from to be described."""

from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect
from portal.cli.output import Output, json_option, moment


@click.command("add-registry")
@click.argument("host")
@click.option("--kind", type=click.Choice(["oci", "npm"]), default="oci", show_default=True, help="What it holds.")
@click.option("--username", default="", help="Who asks; left out where a token says so.")
@click.option("--secret-file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
              help="The password or token; - is standard input. Never an argument.")  # fmt: skip
@click.option("--push", is_flag=True, help="Attach signed bills of materials to images there.")
@json_option
def add(
    host: str,
    kind: str,
    username: str,
    secret_file: Path | None,
    push: bool,  # noqa: FBT001  # click passes options by name
    as_json: bool,  # noqa: FBT001  # as above
) -> None:
    """Name a registry, or replace its credential."""
    output = Output(as_json=as_json)
    secret = ""
    if secret_file is not None:
        with click.open_file(str(secret_file), encoding="utf-8") as handle:
            secret = handle.read().strip()
    asked = {"kind": kind, "host": host, "username": username, "secret": secret, "may_push": push}
    with connect() as client:
        made = client.post("/sboms/registries", asked)
    output.result(made, lambda each: output.line(f"{each['host']} is asked from now on ({each['id']})."))


@click.command("registries")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the registries that have been named, and what they last refused."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/sboms/registries")
    output.result(found, lambda each: _show(output, each["items"]))


@click.command("remove-registry")
@click.argument("registry_id", metavar="ID")
def remove(registry_id: str) -> None:
    """Ask a registry no longer, and forget its credential."""
    with connect() as client:
        client.delete(f"/sboms/registries/{registry_id}")


def _show(output: Output, items: list[dict[str, Any]]) -> None:
    if not items:
        output.line("No registries yet. Name one with: slipway sbom add-registry HOST")
        return
    rows = [
        (
            each["id"],
            each["host"],
            each["kind"],
            (each["username"] or "a token") if each["has_secret"] else "nobody",
            "pushes" if each["may_push"] else "",
            moment(each["used_at"]) if each["used_at"] else "never",
            each["problem"],
        )
        for each in items
    ]
    output.table(("ID", "HOST", "KIND", "AS", "", "LAST ASKED", "PROBLEM"), rows)
