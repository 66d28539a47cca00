"""``slipway agents``: what each agent saw and did, how far it may go, and the switch that stops it."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option, moment

_LEVELS = ("off", "observe", "propose", "act-with-approval", "act")
_USUAL = "usual"


@click.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the agents, and how far each may go."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/agents")
    output.result(found, lambda each: _show_list(output, each))


@click.command("show")
@click.argument("agent")
@json_option
def show(agent: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show an agent: what starts it, what it can do, and how far it may go."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/agents/{segment(agent)}")
    output.result(found, lambda each: _show(output, each))


@click.command("runs")
@click.argument("agent")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@json_option
def runs(agent: str, limit: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List what an agent saw and did, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/agents/{segment(agent)}/runs", {"limit": limit})
    output.result(found, lambda each: _show_runs(output, each))


@click.command("limit")
@click.argument("level", type=click.Choice([*_LEVELS, _USUAL]))
@click.argument("agent", required=False)
@click.option("--reason", default="", help="Why, for others to read.")
@json_option
def limit(level: str, agent: str | None, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Choose how far an agent may go; without AGENT, how far all of them may go at most."""
    body = {"autonomy": None if level == _USUAL else level, "reason": reason}
    _change(agent, "limit", body, as_json=as_json)


@click.command("stop")
@click.argument("agent", required=False)
@click.option("--reason", default="", help="Why, for others to read.")
@json_option
def stop(agent: str | None, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Stop an agent at once; without AGENT, every one of your tenant's."""
    _change(agent, "stop", {"reason": reason}, as_json=as_json)


@click.command("start")
@click.argument("agent", required=False)
@click.option("--reason", default="", help="Why, for others to read.")
@json_option
def start(agent: str | None, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let an agent go on; without AGENT, every one that was not stopped by itself."""
    _change(agent, "start", {"reason": reason}, as_json=as_json)


def _change(agent: str | None, verb: str, body: dict[str, Any], *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    with connect() as client:
        changed = client.post(f"/agents/{segment(agent)}/{verb}" if agent else f"/agents/{verb}", body)
    output.result(changed, lambda each: _show(output, each) if agent else _show_list(output, each))


def _show_list(output: Output, found: dict[str, Any]) -> None:
    if found["is_stopped"]:
        output.line("All agents are stopped.")
    elif found["bound"]:
        output.line(f"No agent may go further than {found['bound']}.")
    if not found["items"]:
        output.line("No agent is known yet: a worker names them when it starts.")
        return
    rows = [
        (
            each["name"],
            "stopped" if each["is_stopped"] else each["autonomy"],
            each["open_proposals"],
            moment(each["last_run"]["started_at"]) if each["last_run"] else "never",
        )
        for each in found["items"]
    ]
    output.table(("AGENT", "MAY", "OPEN", "LAST RUN"), rows)


def _show(output: Output, agent: dict[str, Any]) -> None:
    output.line(agent["title"], style="bold")
    output.line(agent["summary"])
    output.facts(
        [
            ("name", agent["name"]),
            ("may", "stopped" if agent["is_stopped"] else agent["autonomy"]),
            ("usually", agent["usual"]),
            ("reason", agent["reason"]),
            ("can do", ", ".join(agent["actions"])),
            ("started by", ", ".join(agent["watches"])),
            ("open proposals", agent["open_proposals"]),
        ]
    )


def _show_runs(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("It has not run yet.")
        return
    rows = [
        (
            moment(each["started_at"]),
            each["about"],
            each["state"],
            each["looked"],
            "; ".join(did["title"] for did in each["did"]) or each["error"] or "nothing to do",
        )
        for each in found["items"]
    ]
    output.table(("STARTED", "ABOUT", "STATE", "LOOKED AT", "DID"), rows)
