"""``slipway env request``: ask for the environment of a pull request, and see it come up."""

from pathlib import Path
from typing import Any

import click

from portal.cli.client import Client, connect
from portal.cli.errors import CommandError
from portal.cli.inputs import Duration, typed_inputs
from portal.cli.output import Output, json_option, moment
from portal.cli.progress import check_outcome, follow


@click.command("request")
@click.option(
    "--repo", "repository", required=True, help="The repository: a path on Slipway's machine, or its address."
)
@click.option("--pr", "pull_request", type=click.IntRange(min=1), required=True, help="The number of the pull request.")
@click.option(
    "--blueprint", required=True, metavar="NS/NAME[SPEC]", help="Such as slipway/preview-web or acme/web>=1,<2."
)
@click.option("--branch", help="The branch, where the repository keeps no pull requests.")
@click.option(
    "--commit",
    "head_sha",
    help="The commit to deploy [default: the head of the pull request]; one of a fork is approved with that.",
)
@click.option("--set", "settings", multiple=True, metavar="K=V", help="An input: K=text, or K:=json; repeatable.")
@click.option(
    "--values", metavar="FILE", help="A YAML or JSON file with inputs (- is standard input); --set goes before."
)
@click.option("--target", help="Where it runs [default: where it runs already, or as `slipway env target` says].")
@click.option("--example", metavar="NAME", help="A preset of the blueprint that the inputs start from.")
@click.option("--ttl", type=Duration(), help="How long it lives: 8h, 3d or PT8H [default: what the blueprint says].")
@click.option("--wait", is_flag=True, help="Wait until it is ready, or has failed.")
@json_option
def request(
    settings: tuple[str, ...],
    values: str | None,
    example: str | None,
    wait: bool,  # noqa: FBT001  # click passes options by name
    as_json: bool,  # noqa: FBT001
    **asked: Any,
) -> None:
    """Ask for the environment of a pull request.

    The same pull request again moves the same environment.
    """
    output = Output(as_json=as_json)
    body = {name: value for name, value in asked.items() if value is not None}
    body["repository"] = address_of(body["repository"])
    with connect() as client:
        body["inputs"] = typed_inputs(client, body["blueprint"], settings, values, example)
        accepted = client.post("/environments/ephemeral", body)
        if not wait:
            output.result(accepted, lambda each: _show_accepted(output, each))
            return
        output.note(f"Environment {accepted['id']}", style="dim")
        await_operation(client, accepted["operation"], output)
        environment = client.get(f"/environments/{accepted['id']}")
    if environment["phase"] == "pending_approval" and environment["waiting_sha"]:
        raise CommandError(
            f"Commit {environment['waiting_sha']} comes from a fork and waits for an approval.",
            f"Look at it, then: slipway env approve {environment['name']} --commit {environment['waiting_sha']}",
        )
    output.result(environment, lambda each: _show_ready(output, each))


def await_operation(client: Client, operation: str | None, output: Output) -> None:
    """Follow an operation where there is one; raise ``CommandError`` where it does not succeed."""
    if operation is None:
        return
    ended = follow(client, operation, output)
    if ended["state"] == "cancelled":
        raise CommandError("Somebody asked for something else meanwhile.", "See `slipway env show`.")
    check_outcome(ended)


def address_of(repository: str) -> str:
    """Return a path on this machine as an absolute one; any other address stays as it is."""
    path = Path(repository).expanduser()
    return str(path.resolve()) if path.is_dir() else repository


def _show_accepted(output: Output, accepted: dict[str, Any]) -> None:
    output.line(f"Environment {accepted['id']} is {accepted['phase']}.")
    output.facts([("address", accepted["url"]), ("expires", moment(accepted["expires_at"]))])
    output.line(f"See how it goes: slipway env show {accepted['id']}")


def _show_ready(output: Output, environment: dict[str, Any]) -> None:
    output.line(environment["url"] or "")
    output.note(f"{environment['name']} is {environment['phase']} until {moment(environment['ends_at'])}.")
