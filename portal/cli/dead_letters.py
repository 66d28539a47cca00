"""``slipway dead-letters``: jobs that failed for good, and trying them again."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option, moment, page_options


@click.command("list")
@page_options()
@json_option
def list_(limit: int, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the jobs that failed for good, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/dead-letters", {"limit": limit, "cursor": cursor})
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("No job has failed for good.")
        return
    output.table(
        ("ID", "JOB", "EVENT", "SUBJECT", "ATTEMPTS", "WHEN", "WHY"),
        [
            (
                each["id"],
                each["job"],
                each["event_type"],
                each["subject"],
                each["attempts"],
                moment(each["dead_at"]),
                each["reason"],
            )
            for each in found["items"]
        ],
    )
    output.more(found.get("next_cursor"))


@click.command("replay")
@click.argument("identifier", metavar="ID")
@json_option
def replay(identifier: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Send the job ID on its way again, after whatever else waits for its subject."""
    output = Output(as_json=as_json)
    with connect() as client:
        answer = client.post(f"/dead-letters/{segment(identifier)}/replay")
    output.result(answer, lambda _: output.line(f"Job {identifier} is on its way again."))
