"""``slipway env automate``: pull requests that get environments without a request for each of them."""

from typing import Any

import click

from portal.cli.client import connect
from portal.cli.environment_request import address_of
from portal.cli.errors import MissingError
from portal.cli.inputs import Duration, typed_inputs
from portal.cli.output import Output, json_option


@click.command("automate")
@click.option("--repo", "repository", help="A path on Slipway's machine, or its address. Without: list them.")
@click.option("--blueprint", help="The blueprint, as for a request; without it, and without --off, only show.")
@click.option("--label", "labels", multiple=True, help="Only pull requests with this label; repeatable.")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="An input; repeatable.")
@click.option("--values", help="A YAML or JSON file with inputs.")
@click.option("--ttl", type=Duration(), help="How long each lives: 8h, 3d or PT8H.")
@click.option("--target", help="Where they run [default: as for a request].")
@click.option("--off", is_flag=True, help="Begin nothing more by itself in the repository.")
@json_option
def automate(as_json: bool, **asked: Any) -> None:  # noqa: FBT001  # click passes options by name
    """Let pull requests of a repository get environments by themselves, or list what does."""
    output = Output(as_json=as_json)
    address = address_of(asked["repository"]) if asked["repository"] else None
    with connect() as client:
        if address and asked["blueprint"]:
            body = {
                "repository": address,
                "blueprint": asked["blueprint"],
                "labels": list(asked["labels"]),
                "inputs": typed_inputs(client, asked["blueprint"], asked["settings"], asked["values"]),
                "ttl": asked["ttl"],
                "target": asked["target"],
            }
            found = {"items": [client.post("/environments/automations", body)]}
        else:
            found = client.get("/environments/automations")
        if address:
            found = {"items": [each for each in found["items"] if each["repository"] == address]}
        if asked["off"]:
            if not found["items"] or address is None:
                raise MissingError("Nothing begins by itself there.", "`slipway env automate` lists what does.")
            client.delete(f"/environments/automations/{found['items'][0]['id']}")
            found = {"items": []}
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("No environments begin by themselves.")
        return
    rows = [
        (
            *(each["repository"], each["blueprint"], ", ".join(each["labels"]) or "any"),
            *(each["target"] or "any", len(each["attempts"])),
        )
        for each in found["items"]
    ]
    output.table(("REPOSITORY", "BLUEPRINT", "LABEL", "TARGET", "PULL REQUESTS"), rows)
    for automation in found["items"]:
        for each in automation["attempts"]:
            if each["problem"]:
                output.line(f"Pull request {each['pull_request']}: {each['problem']}", style="red")
