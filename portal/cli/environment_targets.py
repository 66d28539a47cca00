"""``slipway env target``: where a tenant's environments go, and who has the last word."""

from typing import Any

import click

from portal.cli.client import connect
from portal.cli.output import Output, json_option, moment


@click.command("target")
@click.argument("target", required=False)
@click.option("--reset", is_flag=True, help="Take the tenant's choice back, so that the operator's word holds.")
@json_option
def target(target: str | None, reset: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show where environments go, or let new ones go to TARGET. What is there stays where it runs."""
    output = Output(as_json=as_json)
    if target and reset:
        raise click.UsageError("Name a target or give --reset, not both.")
    with connect() as client:
        if target or reset:
            found = client.put("/environments/target", {"target": target})
        else:
            found = client.get("/environments/target")
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, found: dict[str, Any]) -> None:
    goes = found["placement"]["target"] or "nowhere: nothing is offered"
    output.line(f"New environments go to {goes}", style="bold")
    if found["target"]:
        output.line(f"{found['chosen_by']} chose {found['target']} {moment(found['chosen_at'])}.")
    if found["problem"]:
        output.line(found["problem"], style="red")
    output.line()
    rows = [(each["name"], each["title"], ", ".join(each["servers"]) or "none") for each in found["offered"]]
    output.table(("TARGET", "WHERE", "SERVERS"), rows)
    show_placement(output, found["placement"])


def show_placement(output: Output, placement: dict[str, Any]) -> None:
    """Print what everybody says of where an environment goes, the strongest word first."""
    output.line()
    rows = [(each["by"], each["target"] or "says nothing", _outcome(each, placement)) for each in placement["words"]]
    output.table(("TARGET BY", "SAYS", "OUTCOME"), rows)


def _outcome(word: dict[str, Any], placement: dict[str, Any]) -> str:
    if word["by"] == placement["by"]:
        return word["against"] or "decides"
    return str(word["against"])
