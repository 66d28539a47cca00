"""``slipway approvals``: what waits for people, and what they decide."""

import hashlib
from pathlib import Path
from typing import Any

import click

from catalog.assets.durations import parse_duration
from catalog.clock import now
from catalog.releases.digests import plan_digest
from portal.cli.artifacts import artifact_options, artifacts_of
from portal.cli.client import connect, segment
from portal.cli.errors import ExitCode
from portal.cli.inputs import Duration
from portal.cli.output import Output, json_option, moment, page_options

_EXIT = {"pending": ExitCode.NEEDS_APPROVAL, "granted": ExitCode.DONE}
_STYLES = {"granted": "bold green", "denied": "bold red", "pending": "bold yellow"}
_MOST_LISTED = 10
_STATES = ("pending", "granted", "denied", "expired", "voided")


@click.command("list")
@click.option("--mine", is_flag=True, help="Only those that you may decide now.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in one state.")
@page_options()
@json_option
def list_(  # click passes options by name
    *, mine: bool, state: str | None, limit: int, cursor: str | None, as_json: bool
) -> None:
    """List approvals, newest first."""
    output = Output(as_json=as_json)
    params = {"limit": limit, "state": state, "cursor": cursor, "waiting_for_me": "true" if mine else None}
    with connect() as client:
        found = client.get("/approvals", params)
    output.result(found, lambda each: _list(output, each))


@click.command("show")
@click.argument("approval", metavar="ID")
@json_option
def show(approval: str, *, as_json: bool) -> None:
    """Show what waits, who may decide, and what was said."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/approvals/{segment(approval)}")
    output.result(found, lambda each: _show(output, each))


@click.command("ask")
@click.argument("subject")
@click.option("--title", required=True, help="What people are asked, in one line.")
@click.option("--plan", type=click.Path(path_type=Path), help="The file that says what would be done.")
@click.option("--digest", metavar="SHA256", help="The SHA-256 of what would be done, instead of the file.")
@artifact_options
@click.option("--link", default="", metavar="URL", help="Where to read the plan.")
@click.option("--summary", default="", help="What approvers should know.")
@click.option(
    "--mode", type=click.Choice(["any", "all", "quorum"]), default="any", show_default=True, help="How many approve."
)
@click.option("--quorum", type=click.IntRange(1, 50), default=1, show_default=True, help="How many, for a quorum.")
@click.option("--hours", "expires_in_hours", type=click.IntRange(1, 720), default=72, help="How long it waits.")
@json_option
def ask(  # click passes options by name
    *,
    plan: Path | None,
    digest: str | None,
    artifacts: tuple[str, ...],
    files: tuple[Path, ...],
    as_json: bool,
    **asked: Any,
) -> int:
    """Ask people to approve the plan of SUBJECT. Asking for the same plan again says how it stands.

    For a release, give what it consists of as for `slipway release create`; all of it together is what is approved.
    Ends with 0 where it is granted, 3 where it waits, 1 where it was denied or has expired.
    """
    released = artifacts_of(artifacts, files)
    if [plan is not None, digest is not None, bool(released)].count(True) != 1:
        raise click.UsageError("Give one of --plan, --digest, or what a release consists of (--artifact, --file).")
    output = Output(as_json=as_json)
    body = {**asked, "plan_digest": digest or (_digest(plan) if plan else plan_digest(_digests(released)))}
    if released and not body["summary"]:
        body["summary"] = _listed(released)
    with connect() as client:
        found = client.post("/approvals", body)
    output.result(found, lambda each: _show(output, each))
    if found["state"] == "granted" and not found["counts"]:
        return ExitCode.NEEDS_APPROVAL
    return _EXIT.get(found["state"], ExitCode.REFUSED)


@click.command("approve")
@click.argument("approval", metavar="ID")
@click.option("--comment", default="", help="Why; others read it.")
@click.option("--digest", metavar="SHA256", help="The plan that you looked at; another one is refused.")
@json_option
def approve(approval: str, *, comment: str, digest: str | None, as_json: bool) -> None:
    """Approve, where you are asked and did not ask yourself."""
    _decide("approve", approval, comment, digest, Output(as_json=as_json))


@click.command("deny")
@click.argument("approval", metavar="ID")
@click.option("--comment", default="", help="Why; others read it.")
@click.option("--digest", metavar="SHA256", help="The plan that you looked at; another one is refused.")
@json_option
def deny(approval: str, *, comment: str, digest: str | None, as_json: bool) -> None:
    """Deny: that closes it for good."""
    _decide("deny", approval, comment, digest, Output(as_json=as_json))


@click.command("withdraw")
@click.argument("approval", metavar="ID")
@json_option
def withdraw(approval: str, *, as_json: bool) -> None:
    """Take back what you asked."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.delete(f"/approvals/{segment(approval)}")
    output.result(found, lambda each: _show(output, each))


@click.command("delegate")
@click.argument("to", metavar="EMAIL")
@click.option("--for", "length", required=True, type=Duration(), help="For how long, such as 8h or 14d.")
@click.option("--reason", default="", help="Why; others read it.")
@json_option
def delegate(to: str, *, length: str, reason: str, as_json: bool) -> None:
    """Let another approver decide in your place for a while."""
    output = Output(as_json=as_json)
    body = {"to": to, "until": (now() + parse_duration(length)).isoformat(), "reason": reason}
    with connect() as client:
        made = client.post("/approvals/delegations", body)
    output.result(made, lambda each: output.line(_delegation(each)))


@click.command("delegations")
@json_option
def delegations(*, as_json: bool) -> None:
    """List who decides in whose place."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/approvals/delegations")
    rows = [(each["id"], each["giver"], each["taker"], _until(each)) for each in found["items"]]
    output.result(found, lambda _: output.table(("ID", "FOR", "DECIDES", "UNTIL"), rows))


@click.command("undelegate")
@click.argument("delegation", metavar="ID")
@json_option
def undelegate(delegation: str, *, as_json: bool) -> None:
    """End a delegation at once."""
    output = Output(as_json=as_json)
    with connect() as client:
        ended = client.delete(f"/approvals/delegations/{segment(delegation)}")
    output.result(ended, lambda each: output.line(_delegation(each)))


def _decide(verb: str, approval: str, comment: str, digest: str | None, output: Output) -> None:
    with connect() as client:
        path = f"/approvals/{segment(approval)}"
        # What is decided is the plan that is shown, so that one which moves meanwhile is refused.
        seen = digest or client.get(path)["plan_digest"]
        found = client.post(f"{path}/{verb}", {"comment": comment, "plan_digest": seen})
    output.result(found, lambda each: _show(output, each))


def _list(output: Output, found: dict[str, Any]) -> None:
    rows = [
        (each["id"], each["state"], f"{each['given']}/{each['needed']}", each["title"], moment(each["expires_at"]))
        for each in found["items"]
    ]
    output.table(("ID", "STATE", "GIVEN", "TITLE", "UNTIL"), rows)
    output.more(found["next_cursor"])


def _show(output: Output, found: dict[str, Any]) -> None:
    output.line(found["title"], style="bold")
    output.line(found["state"], style=_STYLES.get(found["state"], ""))
    output.facts(
        [
            ("id", found["id"]),
            ("subject", f"{found['kind']} {found['subject']}"),
            ("plan", f"sha256:{found['plan_digest']}"),
            ("given", f"{found['given']} of {found['needed']} ({found['need']['mode']})"),
            ("asked", f"{moment(found['requested_at'])} by {found['requested_by']}"),
            ("until", moment(found["expires_at"])),
            ("who may decide", ", ".join(each["name"] for each in found["approvers"] if each["counts"])),
            ("link", found["link"]),
            ("note", found["reason"]),
        ]
    )
    if found["problem"]:
        output.note(found["problem"], style="yellow")
    for each in found["decisions"]:
        instead = f" in place of {', '.join(each['instead_of'])}" if each["instead_of"] else ""
        said = "approved" if each["approves"] else "denied"
        output.line(f"{each['name']} {said}{instead}, {moment(each['decided_at'])}")
        if each["comment"]:
            output.line(f"    {each['comment']}")


def _delegation(found: dict[str, Any]) -> str:
    return f"{found['taker']} decides in the place of {found['giver']}: {_until(found)} ({found['id']})"


def _until(found: dict[str, Any]) -> str:
    return f"until {moment(found['until'])}" if found["holds"] else "ended"


def _digests(released: list[dict[str, str]]) -> list[str]:
    return [each["digest"] for each in released]


def _listed(released: list[dict[str, str]]) -> str:
    """Return what approvers read of the artifacts of a release: as many as a summary has room for."""
    lines = [f"{each['name']} {each['digest']}"[:300] for each in released]
    more = len(lines) - _MOST_LISTED
    return "\n".join([*lines[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else [])])


def _digest(plan: Path) -> str:
    try:
        with plan.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise click.BadParameter(f"{plan} cannot be read: {error.strerror}.", param_hint="--plan") from None
