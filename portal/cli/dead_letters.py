"""``slipway dead-letters``: jobs that failed for good, and trying them again."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option, moment


@click.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the jobs that failed for good, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/dead-letters")
    output.result(found, lambda each: _show(output, each["items"]))


def _show(output: Output, letters: list[dict[str, Any]]) -> None:
    if not letters:
        output.line("No job has failed for good.")
        return
    output.table(
        ("ID", "JOB", "EVENT", "SUBJECT", "FAILED", "WHY"),
        [
            (
                each["id"],
                each["job"],
                each["event_type"],
                each["subject"],
                moment(each["finished_at"]),
                each["last_error"],
            )
            for each in letters
        ],
    )


@click.command("replay")
@click.argument("identifier", metavar="ID")
@json_option
def replay(identifier: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Try the job ID again, from its beginning."""
    output = Output(as_json=as_json)
    with connect() as client:
        answer = client.post(f"/dead-letters/{segment(identifier)}/replay")
    output.result(answer, lambda _: output.line(f"Job {identifier} is tried again."))
