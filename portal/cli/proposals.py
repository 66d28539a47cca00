"""``slipway proposals``: what agents found and suggest, and what is decided about it."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option, moment, page_options

_OPEN = ("proposed", "approved", "applied")


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@click.option("--agent", help="Only those of one agent.")
@page_options(100)
@json_option
def list_(
    everything: bool,  # noqa: FBT001  # click passes options by name
    agent: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """List what agents propose, newest first."""
    output = Output(as_json=as_json)
    states = [] if everything else list(_OPEN)
    with connect() as client:
        found = client.get("/proposals", {"limit": limit, "state": states, "agent": agent, "cursor": cursor})
    output.result(found, lambda each: _show_list(output, each))


@click.command("show")
@click.argument("proposal", metavar="ID")
@json_option
def show(proposal: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show a proposal: what was found, the facts behind it, and what can be done."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/proposals/{segment(proposal)}")
    output.result(found, lambda each: _show(output, each))


@click.command("approve")
@click.argument("proposal", metavar="ID")
@click.option("--comment", default="", help="What others should know about it.")
@json_option
def approve(proposal: str, comment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Want a proposal carried out; the agent does it where it may."""
    _decide(proposal, "approve", comment, as_json=as_json)


@click.command("reject")
@click.argument("proposal", metavar="ID")
@click.option("--comment", required=True, help="Why: whoever meets the same finding later will want to know.")
@json_option
def reject(proposal: str, comment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Refuse a proposal; what was blocked for it is let through."""
    _decide(proposal, "reject", comment, as_json=as_json)


def _decide(proposal: str, verb: str, comment: str, *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    with connect() as client:
        decided = client.post(f"/proposals/{segment(proposal)}/{verb}", {"comment": comment})
    output.result(decided, lambda each: output.line(f"{each['title']}: {each['state']}."))


def _show_list(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("Agents propose nothing.")
        return
    rows = [
        (each["id"], each["title"], each["state"], each["agent"], moment(each["created_at"])) for each in found["items"]
    ]
    output.table(("ID", "PROPOSAL", "STATE", "AGENT", "FOUND"), rows)
    output.more(found.get("next_cursor"))


def _show(output: Output, proposal: dict[str, Any]) -> None:
    output.line(proposal["title"], style="bold")
    output.line(proposal["summary"])
    decided = proposal["decided_by"] and f"{proposal['decided_by']}, {moment(proposal['decided_at'])}"
    action = proposal["action"]
    output.facts(
        [
            ("id", proposal["id"]),
            ("agent", proposal["agent"]),
            ("about", proposal["subject"]),
            ("state", proposal["state"]),
            ("would do", action["title"] if action else None),
            ("did", proposal["outcome"]),
            ("decided by", decided),
            ("comment", proposal["comment"]),
            ("ended because", proposal["reason"]),
            ("not done because", proposal["problem"]),
        ]
    )
    output.line()
    output.line("What was seen", style="bold")
    for each in proposal["evidence"]:
        output.line(f"{'✗' if each['is_fault'] else '·'} {each['title']}")
    for each in proposal["steps"]:
        output.line()
        output.line(each["title"], style="bold")
        output.line(f"  {each['command'] or each['href']}")
