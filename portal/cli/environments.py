"""``slipway env``: the environments of a tenant, and what can be done with one."""

from typing import Any
from uuid import UUID

import click

from portal.cli.client import Client, connect
from portal.cli.environment_request import await_operation
from portal.cli.errors import CommandError, MissingError
from portal.cli.inputs import Duration
from portal.cli.output import Output, json_option, moment

_environment_argument = click.argument("environment", metavar="ID|NAME")
_SHORTEST_PREFIX = 6
_PAGE = 100


@click.command("list")
@click.option("--phase", "phases", multiple=True, help="Only those in this phase, such as ready; repeatable.")
@click.option("--limit", type=click.IntRange(1, _PAGE), default=50, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where to go on, as the list before said.")
@json_option
def list_(phases: tuple[str, ...], limit: int, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List environments, newest first."""
    output = Output(as_json=as_json)
    params = {"limit": limit, "phase": list(phases), **({"cursor": cursor} if cursor else {})}
    with connect() as client:
        found = client.get("/environments", params)
    output.result(found, lambda each: _show_list(output, each))


def _show_list(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("There are no environments. Ask for one with `slipway env request`.")
        return
    output.table(
        ("ID", "NAME", "PR", "PHASE", "ADDRESS", "EXPIRES"),
        [
            (each["id"][:8], each["name"], each["pull_request"], each["phase"], each["url"], moment(each["expires_at"]))
            for each in found["items"]
        ],
    )
    output.more(found.get("next_cursor"))


@click.command("show")
@_environment_argument
@json_option
def show(environment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show an environment: where it answers, what runs there, and until when."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/environments/{_identifier(client, environment)}")
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, environment: dict[str, Any]) -> None:
    output.line(f"{environment['name']} is {environment['phase']}", style="bold")
    output.facts(
        [
            ("id", environment["id"]),
            ("address", environment["url"]),
            ("repository", environment["repository"]),
            ("pull request", f"{environment['pull_request']} ({environment['branch'] or 'no branch'})"),
            ("wanted", environment["head_sha"][:12]),
            ("deployed", (environment["deployed_sha"] or "")[:12]),
            ("blueprint", f"{environment['blueprint']}@{environment['blueprint_version']}"),
            ("expires", moment(environment["expires_at"])),
            ("operation", environment["operation_id"]),
        ]
    )
    failure = environment["failure"]
    if failure:
        output.line(f"Why it failed: {failure['message']} {failure.get('hint') or ''}".rstrip(), style="red")
    for condition in environment["conditions"]:
        output.line(f"{condition['type']}: {condition['message']}")
    for name, facts in (("inputs", environment["inputs"]), ("outputs", environment["outputs"])):
        if facts:
            output.line(f"\n{name}", style="bold")
            output.facts(list(facts.items()))
    if environment["resources"]:
        output.line()
        rows = [(each["type"], each["name"]) for each in environment["resources"]]
        output.table(("RESOURCE", "NAME"), rows)


@click.command("logs")
@_environment_argument
@click.option(
    "--lines", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many of each component at most."
)
@json_option
def logs(environment: str, lines: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Print the end of what an environment's application wrote."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/environments/{_identifier(client, environment)}/logs", {"lines": lines})
    output.result(found, lambda each: _show_logs(output, each))


def _show_logs(output: Output, found: dict[str, Any]) -> None:
    several = len(found["components"]) > 1
    for each in found["components"]:
        for line in each["lines"]:
            output.line(f"{each['component']}: {line}" if several else line)


@click.command("extend")
@_environment_argument
@click.option("--by", required=True, type=Duration(), help="How much longer: 8h, 3d or PT8H.")
@json_option
def extend(environment: str, by: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let an environment live longer, up to the limit that its blueprint sets."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/environments/{_identifier(client, environment)}/extend", {"by": by})
    output.result(found, lambda each: output.line(f"{each['name']} expires {moment(each['expires_at'])}."))


@click.command("destroy")
@_environment_argument
@click.option("--wait", is_flag=True, help="Wait until it is verified that nothing is left.")
@json_option
def destroy(environment: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Destroy an environment with everything that belongs to it. Doing so again changes nothing."""
    output = Output(as_json=as_json)
    with connect() as client:
        identifier = _identifier(client, environment)
        answer = client.delete(f"/environments/{identifier}")
        if wait:
            await_operation(client, answer["operation"], output)
            answer = client.get(f"/environments/{identifier}")
    output.result(answer, lambda each: output.line(f"Environment {each['id']} is {each['phase']}."))


def _identifier(client: Client, text: str) -> str:
    """Return the id of the environment that ``text`` means: its id, the beginning of it, or its name."""
    try:
        return str(UUID(text))
    except ValueError:
        found = _matching(client, text)
    if not found:
        raise MissingError(f"There is no environment {text}.", "`slipway env list` shows those that there are.")
    if len(found) > 1:
        raise CommandError(f"{text} means more than one environment: {', '.join(found)}.", "Give the whole id.")
    return found[0]


def _matching(client: Client, text: str) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = client.get("/environments", {"limit": _PAGE, **({"cursor": cursor} if cursor else {})})
        for each in page["items"]:
            begins = len(text) >= _SHORTEST_PREFIX and each["id"].startswith(text)
            if begins or each["name"] == text:
                found.append(each["id"])
        cursor = page.get("next_cursor")
        if cursor is None:
            return found
