"""``slipway env``: the environments of a tenant, and what can be done with one."""

from typing import Any
from uuid import UUID

import click

from portal.cli.client import Client, connect
from portal.cli.environment_request import address_of, await_operation
from portal.cli.environment_targets import show_placement
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
            (each["id"][:8], each["name"], each["pull_request"], _phase(each), each["url"], moment(each["ends_at"]))
            for each in found["items"]
        ],
    )
    output.more(found.get("next_cursor"))


def _phase(environment: dict[str, Any]) -> str:
    place = environment.get("queue")
    return str(environment["phase"]) + (f" {place['place']}/{place['length']}" if place else "")


@click.command("show")
@_environment_argument
@json_option
def show(environment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show an environment: where it answers, what runs there, and until when."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/environments/{identifier_of(client, environment)}")
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
            ("target", environment["target"]),
            ("expires", moment(environment["ends_at"])),
            ("operation", environment["operation_id"]),
        ]
    )
    _show_life(output, environment)
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


def _show_life(output: Output, environment: dict[str, Any]) -> None:
    """Say what it waits for, what it does without, and who prolonged or keeps it."""
    if environment.get("queue"):
        place = environment["queue"]
        output.line(f"Waits for room: place {place['place']} of {place['length']}, since {moment(place['since'])}")
    if environment.get("backlog"):
        output.line(f"Commits that wait for their turn: {', '.join(each[:12] for each in environment['backlog'])}")
    if environment.get("withheld"):
        output.line(f"Comes from a fork and runs without: {', '.join(environment['withheld'])}")
    if environment.get("extension"):
        said = environment["extension"]
        output.line(f"Extended by {said['by']} until {moment(said['until'])} {said['reason']}".rstrip())
    if environment.get("pin"):
        pinned = environment["pin"]
        output.line(f"Kept by {pinned['by']} until {moment(pinned['until'])}: {pinned['reason']}")


@click.command("extend")
@_environment_argument
@click.option("--by", required=True, type=Duration(), help="How much longer: 8h, 3d or PT8H.")
@click.option("--reason", default="", help="Why, for the record.")
@json_option
def extend(environment: str, by: str, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let an environment live longer, up to the limit that its blueprint sets."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/environments/{identifier_of(client, environment)}/extend", {"by": by, "reason": reason})
    output.result(found, lambda each: output.line(f"{each['name']} expires {moment(each['ends_at'])}{_latest(each)}."))


def _latest(found: dict[str, Any]) -> str:
    """Say that an environment cannot live longer, "" where it can."""
    return "; that is the latest" if found["expires_at"] == found["hard_expires_at"] else ""


@click.command("approve")
@_environment_argument
@click.option("--commit", "head_sha", required=True, help="The commit of the fork that waits: its full id.")
@json_option
def approve(environment: str, head_sha: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let exactly one commit of a fork be deployed; whatever is pushed after it waits again."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/environments/{identifier_of(client, environment)}/approve", {"head_sha": head_sha})
    output.result(found, lambda each: output.line(f"{each['name']} moves to {each['head_sha'][:12]}."))


@click.command("explain")
@click.option("--repo", "repository", required=True, help="A path on Slipway's machine, or its address.")
@click.option("--pr", "pull_request", required=True, type=click.IntRange(min=1), help="The number of the pull request.")
@json_option
def explain(repository: str, pull_request: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Say what a pull request means for its environment now, by which rule, and why. Nothing is changed."""
    output = Output(as_json=as_json)
    with connect() as client:
        asked = {"repository": address_of(repository), "pull_request": pull_request}
        found = client.get("/environments/explain", asked)
    output.result(found, lambda each: _explain(output, each))


_MEANS = {
    "move": "Its environment moves to the commit",
    "keep": "Its environment stays as it is",
    "note": "Its environment stays as it is, and says so",
    "hold": "The commit waits for an approval",
    "queue": "The commit waits for its turn",
    "build": "The commit is built, and waits for an approval",
    "dismiss": "Its environment is removed",
}
_MEANS_WITHOUT = {
    "move": "It gets an environment",
    "hold": "It gets an environment once its commit is approved",
    "build": "It is built, and gets an environment once its commit is approved",
}


def _explain(output: Output, found: dict[str, Any]) -> None:
    decision = found["decision"]
    act = decision["act"]
    means = _MEANS[act] if found["environment"] else _MEANS_WITHOUT.get(act, "It gets no environment")
    output.line(f"{means}, by the rule {decision['rule']}", style="bold")
    output.line(decision["why"])
    if found.get("rules"):
        output.line()
        rows = [
            (each["rule"], each["says"]["act"] if each["says"] else "passes", (each["says"] or {}).get("why", ""))
            for each in found["rules"]
        ]
        output.table(("RULE", "SAYS", "WHY"), rows)
    if found.get("placement"):
        show_placement(output, found["placement"])


@click.command("pin")
@_environment_argument
@click.option("--by", required=True, type=Duration(), help="For how long: 8h, 3d or PT8H.")
@click.option("--reason", required=True, help="Why, for everybody to see.")
@json_option
def pin(environment: str, by: str, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let an environment neither sleep nor expire for a while, up to the limit that its blueprint sets."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/environments/{identifier_of(client, environment)}/pin", {"by": by, "reason": reason})
    output.result(found, lambda each: output.line(f"{each['name']} is kept until {moment(each['pin']['until'])}."))


@click.command("unpin")
@_environment_argument
@json_option
def unpin(environment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let an environment sleep and expire again, at the earliest in half an hour."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/environments/{identifier_of(client, environment)}/unpin", {})
    output.result(found, lambda each: output.line(f"{each['name']} expires {moment(each['ends_at'])}."))


def _start(environment: str, verb: str, *, wait: bool, as_json: bool) -> None:
    output = Output(as_json=as_json)
    with connect() as client:
        identifier = identifier_of(client, environment)
        answer = client.post(f"/environments/{identifier}/{verb}", {})
        if wait:
            await_operation(client, answer["operation"], output)
            answer = client.get(f"/environments/{identifier}")
    output.result(answer, lambda each: output.line(f"Environment {each['id']} is {each['phase']}."))


@click.command("sleep")
@_environment_argument
@click.option("--wait", is_flag=True, help="Wait until nothing of it runs.")
@json_option
def sleep(environment: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Stop what runs of an environment; its address stays, and a visit wakes it where the target can."""
    _start(environment, "sleep", wait=wait, as_json=as_json)


@click.command("wake")
@_environment_argument
@click.option("--wait", is_flag=True, help="Wait until it answers.")
@json_option
def wake(environment: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Bring a sleeping environment back as it was."""
    _start(environment, "wake", wait=wait, as_json=as_json)


@click.command("rebuild")
@_environment_argument
@click.option("--wait", is_flag=True, help="Wait until it answers.")
@json_option
def rebuild(environment: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Make an environment again from the same commit."""
    _start(environment, "rebuild", wait=wait, as_json=as_json)


@click.command("destroy")
@_environment_argument
@click.option("--wait", is_flag=True, help="Wait until it is verified that nothing is left.")
@json_option
def destroy(environment: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Destroy an environment with everything that belongs to it. Doing so again changes nothing."""
    output = Output(as_json=as_json)
    with connect() as client:
        identifier = identifier_of(client, environment)
        answer = client.delete(f"/environments/{identifier}")
        if wait:
            await_operation(client, answer["operation"], output)
            answer = client.get(f"/environments/{identifier}")
    output.result(answer, lambda each: output.line(f"Environment {each['id']} is {each['phase']}."))


def identifier_of(client: Client, text: str) -> str:
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
