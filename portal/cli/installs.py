"""``slipway install`` and what follows it: plan, look, apply; upgrade, roll back, take away."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from portal.cli.client import Client, connect
from portal.cli.errors import ApprovalNeededError, CommandError
from portal.cli.inputs import preset_of_upgrade, typed_inputs
from portal.cli.install_output import show_install, show_installs, show_plan
from portal.cli.output import Output, json_option
from portal.cli.progress import check_outcome, follow

_Command = Callable[..., Any]


def _inputs(command: _Command) -> _Command:
    command = click.option(
        "--values", metavar="FILE", help="A YAML or JSON file with inputs (- is standard input); --set goes before."
    )(command)
    return click.option(
        "--set", "settings", multiple=True, metavar="K=V", help="An input: K=text, or K:=json; repeatable."
    )(command)


def _deciding(command: _Command) -> _Command:
    command = json_option(command)
    command = click.option("--yes", is_flag=True, help="Apply the plan without asking.")(command)
    command = click.option("--plan-only", is_flag=True, help="Print the plan and change nothing.")(command)
    return click.option(
        "--conflicts",
        "decisions",
        multiple=True,
        metavar="PATH=CHOICE",
        help="What stays of a file that both sides changed: mine, theirs or markers; * is every file; repeatable.",
    )(command)


@click.command("install")
@click.argument("asset", metavar="NS/NAME[SPEC]")
@click.option("--repo", "repository", help="The repository: a path on Slipway's machine, or its address.")
@click.option("--branch", help="The branch that the pull request goes to, or comes from.")
@click.option("--pr", "pull_request", type=click.IntRange(min=1), help="The pull request that gets an environment.")
@click.option("--service", help="The service whose releases move as the blueprint says.")
@click.option("--stack", help="The stack of its own that a component package becomes; without it, it is pinned.")
@click.option("--component", help="Which component of the package, where it has several.")
@click.option(
    "--level",
    type=click.Choice(["advisory", "mandatory-with-override", "mandatory"]),
    help="What a violation of the policy bundle does.",
)
@click.option("--for", "applies_to", metavar="KIND[=NAME]", help="What a policy bundle holds for, as service=web.")
@click.option("--name", help="How the install is called [default: made from the asset and the place].")
@click.option("--owner", default="", help="Who answers for it.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="A label; repeatable.")
@click.option("--example", metavar="NAME", help="A preset of the asset that the inputs start from.")
@_inputs
@_deciding
def install(  # noqa: PLR0913, PLR0917  # click passes options by name
    asset: str,
    applies_to: str | None,
    labels: tuple[str, ...],
    example: str | None,
    settings: tuple[str, ...],
    values: str | None,
    decisions: tuple[str, ...],
    plan_only: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
    name: str | None,
    owner: str,
    **target: Any,
) -> None:
    """Install an asset: plan it, look at the plan, and apply it.

    A pipeline template wants --repo, a policy bundle --level and --for, a blueprint --service, or --repo with --pr, a
    component package --stack or nothing.
    """
    place = {key: value for key, value in target.items() if value is not None}
    if "repository" in place:
        place["repository"] = _address(place["repository"])
    if applies_to:
        kind, _, which = applies_to.partition("=")
        place["applies_to"] = {"kind": kind, "name": which}
    body: dict[str, Any] = {
        "asset": asset,
        "target": place,
        "owner": owner,
        "labels": dict(_pair(each, "--label") for each in labels),
        "conflicts": dict(_pair(each, "--conflicts") for each in decisions),
    }
    if name:
        body["name"] = name
    output = Output(as_json=as_json)
    with connect() as client:
        body["inputs"] = typed_inputs(client, asset, settings, values, example, target=place)
        with output.busy("Planning"):
            plan = client.post("/installs/plan", body)
        _decide(client, output, plan["id"], plan["operation_id"], plan_only=plan_only, yes=yes)


@click.command("upgrade")
@click.argument("install_id", metavar="ID")
@click.option("--to", "version", metavar="VERSION", help="The version, or a constraint [default: the newest].")
@click.option("--example", metavar="NAME", help="A preset of that version that the inputs start from.")
@_inputs
@_deciding
def upgrade(  # noqa: PLR0913, PLR0917  # click passes options by name
    install_id: str,
    version: str | None,
    example: str | None,
    settings: tuple[str, ...],
    values: str | None,
    decisions: tuple[str, ...],
    plan_only: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Upgrade an install, or change its inputs; what you changed in the repository is kept."""
    with connect() as client:
        install = client.get(f"/installs/{install_id}") if settings or example else {"asset": ""}
        if example:
            version, preset = preset_of_upgrade(client, install, version, example)
        inputs = typed_inputs(client, f"{install['asset']}@{version or ''}", settings, values)
        inputs = {**preset, **inputs} if example else inputs
    body = {"inputs": inputs, **({"version": version} if version else {})}
    _change(install_id, "upgrade", body, decisions, plan_only=plan_only, yes=yes, as_json=as_json)


@click.command("rollback")
@click.argument("install_id", metavar="ID")
@click.option("--to", "revision", type=click.IntRange(min=1), help="The revision [default: the one before].")
@_deciding
def rollback(
    install_id: str,
    revision: int | None,
    decisions: tuple[str, ...],
    plan_only: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Go back to an earlier revision of an install, as a new revision."""
    body = {"revision": revision} if revision else {}
    _change(install_id, "rollback", body, decisions, plan_only=plan_only, yes=yes, as_json=as_json)


@click.command("uninstall")
@click.argument("install_id", metavar="ID")
@_deciding
def uninstall(
    install_id: str,
    decisions: tuple[str, ...],
    plan_only: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Take away what an install put there."""
    _change(install_id, "uninstall", {}, decisions, plan_only=plan_only, yes=yes, as_json=as_json)


@click.command("installs")
@click.argument("install_id", metavar="[ID]", required=False)
@click.option("--asset", metavar="NS/NAME", help="Only installs of one asset.")
@click.option("--owner", help="Only those of one owner.")
@click.option("--outdated", is_flag=True, help="Only those with a newer version.")
@click.option("--deprecated", is_flag=True, help="Only those whose version is advised against.")
@click.option("--vulnerable", is_flag=True, help="Only those with a version that was withdrawn or is affected.")
@click.option("--package", metavar="PURL", help="Only those that a package is in, by their bills of materials.")
@click.option("--versions", metavar="RANGE", help="A range of the package's versions, such as '<4.17.21'.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where to go on, as the list before said.")
@json_option
def installs(install_id: str | None, limit: int, as_json: bool, **chosen: Any) -> None:  # noqa: FBT001  # click passes options by name
    """List installs, newest first; with an ID show one and its revisions."""
    output = Output(as_json=as_json)
    with connect() as client:
        if install_id:
            found = client.get(f"/installs/{install_id}")
            chain = client.get(f"/installs/{install_id}/revisions")["items"]
            output.result(found, lambda each: show_install(output, each, chain))
            return
        query = {key: value for key, value in chosen.items() if value}
        page = client.get("/installs", {"limit": limit, **query})
    output.result(page, lambda each: show_installs(output, each))


def _change(  # what each command has besides its body
    install_id: str,
    verb: str,
    body: dict[str, Any],
    decisions: tuple[str, ...],
    *,
    plan_only: bool,
    yes: bool,
    as_json: bool,
) -> None:
    output = Output(as_json=as_json)
    conflicts = dict(_pair(each, "--conflicts") for each in decisions)
    with connect() as client:
        asked = client.post(f"/installs/{install_id}/{verb}", {**body, "conflicts": conflicts, "plan_only": True})
        _decide(client, output, asked["plan"], asked["operation"], plan_only=plan_only, yes=yes)


def _decide(client: Client, output: Output, plan_id: str, operation: str, *, plan_only: bool, yes: bool) -> None:
    """Wait for a plan, show it, and apply it where that is wanted."""
    check_outcome(follow(client, operation, output))
    plan = client.get(f"/installs/plans/{plan_id}")
    if plan_only:
        output.result(plan, lambda each: show_plan(output, each))
        return
    if not output.as_json:
        show_plan(output, plan)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed.", "Look at the plan with --plan-only, and apply it with --yes.")
        click.confirm("Apply this plan?", abort=True, err=True)
    accepted = client.post("/installs", {"plan": plan["id"], "digest": plan["digest"]})
    if accepted["operation"] is None:
        asked = ", ".join(accepted["approvals"])
        hint = "It is applied as soon as it is approved: `slipway approvals list`, or `slipway installs`."
        raise ApprovalNeededError(f"People have to approve this plan first. They were asked: {asked}.", hint)
    check_outcome(follow(client, accepted["operation"], output))
    found = client.get(f"/installs/{accepted['install']['id']}")
    chain = client.get(f"/installs/{found['id']}/revisions")["items"]
    output.result(found, lambda each: show_install(output, each, chain))


def _address(repository: str) -> str:
    """Return a path on this machine as an absolute one; any other address stays as it is."""
    path = Path(repository).expanduser()
    return str(path.resolve()) if path.is_dir() else repository


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE.", param_hint=option)
    return name, value
