"""``slipway campaign``: one asset upgraded in many installs, wave by wave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from catalog.campaigns.written import read_wave, read_window
from portal.cli.client import connect, segment
from portal.cli.errors import CommandError
from portal.cli.inputs import Duration
from portal.cli.output import Output, json_option, moment

_STYLES = {"done": "bold green", "stopped": "bold red", "aborted": "bold red", "paused": "bold yellow"}
_Command = Callable[..., Any]


def _asking(command: _Command) -> _Command:
    for option in reversed(
        (
            click.argument("asset", metavar="NS/NAME"),
            click.option(
                "--to", "version", metavar="VERSION", help="The version, or a constraint [default: the newest]."
            ),
            click.option("--name", help="How the campaign is called [default: made from asset and version]."),
            click.option("--label", "labels", multiple=True, metavar="K=V", help="Only installs with it; repeatable."),
            click.option("--owner", help="Only installs of one owner."),
            click.option("--service", help="Only installs for one service."),
            click.option("--environment", help="Only installs for one environment."),
            click.option("--from", "from_version", metavar="SPEC", help="Only installs of such versions, as <2."),
            click.option(
                "--wave",
                "waves",
                multiple=True,
                metavar="SIZE[:N]",
                help="A wave: how many, or which share, and how many at once; repeatable [default: 1, 10%, 100%].",
            ),
            click.option(
                "--window",
                "windows",
                multiple=True,
                metavar="WINDOW",
                help="When installs may begin, as 'mon-fri 22:00-05:00 Europe/Berlin'; repeatable [default: always].",
            ),
            click.option("--soak", type=Duration(), help="How long each wave is watched, as 4h [default: 1h]."),
            click.option(
                "--stop-at",
                "stop_share",
                type=click.FloatRange(0, 1),
                help="Stop when more than this share of a wave has failed [default: 0].",
            ),
            click.option("--keep", is_flag=True, help="Leave a wave that was stopped as it is; do not roll it back."),
            click.option("--patience", type=Duration(), help="How long people are waited for, as 2d [default: 7d]."),
            click.option(
                "--analysis",
                type=click.Path(path_type=Path, dir_okay=False),
                help="A YAML or JSON file with the metrics that judge each wave.",
            ),
            json_option,
        )
    ):
        command = option(command)
    return command


@click.command("preview")
@_asking
def preview(as_json: bool, **given: Any) -> None:  # noqa: FBT001  # click passes options by name
    """Show which installs such a campaign would have in which wave; nothing is kept."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post("/campaigns/preview", _body(given))
    output.result(found, lambda each: _show_preview(output, each))


@click.command("create")
@_asking
def create(as_json: bool, **given: Any) -> None:  # noqa: FBT001  # click passes options by name
    """Have the upgrades planned and the waves cut; nothing is changed before you start it."""
    output = Output(as_json=as_json)
    with connect() as client:
        made = client.post("/campaigns", _body(given))
    output.result(made, lambda each: _show_head(output, each))


@click.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where to go on, as the list before said.")
@json_option
def list_(limit: int, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List campaigns, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/campaigns", {"limit": limit, **({"cursor": cursor} if cursor else {})})
    output.result(found, lambda each: _show_list(output, each))


@click.command("show")
@click.argument("campaign", metavar="ID")
@json_option
def show(campaign: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show a campaign: its waves, and where each install stands and why."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/campaigns/{segment(campaign)}")
    output.result(found, lambda each: _show(output, each))


def _deciding(verb: str, text: str) -> click.Command:
    @click.command(verb, help=text)
    @click.argument("campaign", metavar="ID")
    @click.option("--reason", default="", help="Why; whoever reads it later is thankful.")
    @json_option
    def command(campaign: str, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
        _decide(campaign, verb, {"reason": reason}, as_json=as_json)

    return command


@click.command("start")
@click.argument("campaign", metavar="ID")
@json_option
def start(campaign: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Begin with the first wave of a planned campaign, which acts as you from then on."""
    _decide(campaign, "start", None, as_json=as_json)


pause = _deciding("pause", "Begin nothing new; what is under way comes to its end.")
resume = _deciding("resume", "Go on with a paused campaign.")
promote = _deciding("promote", "Let the wave pass as it is, whatever was measured.")
retry = _deciding("retry", "Try the installs of the wave once more that failed, were left or were rolled back.")
abort = _deciding("abort", "End the campaign as things stand.")


@click.command("rollback")
@click.argument("campaign", metavar="ID")
@click.option("--all", "all_waves", is_flag=True, help="All waves, not the present one alone.")
@click.option("--reason", default="", help="Why; whoever reads it later is thankful.")
@json_option
def rollback(campaign: str, all_waves: bool, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Take a wave back to the revisions that were there; the campaign ends with it."""
    _decide(campaign, "rollback", {"reason": reason, "all_waves": all_waves}, as_json=as_json)


def _decide(campaign: str, verb: str, body: dict[str, Any] | None, *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/campaigns/{segment(campaign)}/{verb}", body)
    output.result(found, lambda each: _show_head(output, each))


def _body(given: dict[str, Any]) -> dict[str, Any]:
    """Return the request that the options of a command make."""
    selector = {name: given[name] for name in ("owner", "service", "environment", "from_version") if given[name]}
    if given["labels"]:
        selector["labels"] = dict(_pair(each) for each in given["labels"])
    body: dict[str, Any] = {"asset": given["asset"], "selector": selector, "roll_back": not given["keep"]}
    body["name"] = given["name"] or f"{given['asset']} to {given['version'] or 'the newest'}"
    for name in ("version", "soak", "stop_share", "patience"):
        if given[name] is not None:
            body[name] = given[name]
    if given["waves"]:
        body["waves"] = _each(given["waves"], read_wave, "--wave")
    if given["windows"]:
        body["windows"] = _each(given["windows"], read_window, "--window")
    if given["analysis"]:
        body["analysis"] = _document(given["analysis"])
    return body


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not of the form K=V.", param_hint="--label")
    return name, value


def _each(texts: tuple[str, ...], read: Callable[[str], dict[str, Any]], option: str) -> list[dict[str, Any]]:
    try:
        return [read(each) for each in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(f"{path} cannot be read: {error}", "Name a YAML or JSON file with metrics.") from None


def _show_preview(output: Output, found: dict[str, Any]) -> None:
    output.line(f"{found['asset']} to {found['version']}", style="bold")
    rows = [
        (f"{wave['number']} ({wave['at_once']} at once)", each["name"], each["from_version"], "")
        for wave in found["waves"]
        for each in wave["installs"]
    ]
    rows += [("left out", each["name"], each["from_version"], each["problem"]["message"]) for each in found["left_out"]]
    output.table(("WAVE", "INSTALL", "HAS", "WHY"), rows)


def _show_list(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("There are no campaigns. Begin with `slipway campaign preview NS/NAME`.")
        return
    rows = [
        (each["id"], each["name"], each["asset"], each["version"], each["state"], moment(each["created_at"]))
        for each in found["items"]
    ]
    output.table(("ID", "NAME", "ASSET", "TO", "STATE", "CREATED"), rows)
    output.more(found.get("next_cursor"))


def _show_head(output: Output, campaign: dict[str, Any]) -> None:
    output.line(
        f"{campaign['name']}: {campaign['state'].replace('_', ' ')}", style=_STYLES.get(campaign["state"], "bold")
    )
    output.facts(
        [
            ("id", campaign["id"]),
            ("asset", f"{campaign['asset']} to {campaign['version']}"),
            ("wave", campaign["wave"] or ""),
            ("why", campaign["reason"]),
            ("acts as", campaign["acts_as"]),
            ("created", f"{moment(campaign['created_at'])} by {campaign['created_by']}"),
        ]
    )


def _show(output: Output, campaign: dict[str, Any]) -> None:
    _show_head(output, campaign)
    if campaign["waves"]:
        output.line()
        waves: list[tuple[object, ...]] = [
            (each["number"], each["size"], each["at_once"], each["state"].replace("_", " "), _counts(each))
            for each in campaign["waves"]
        ]
        output.table(("WAVE", "INSTALLS", "AT ONCE", "STATE", "STAND"), waves)
    if campaign["members"]:
        output.line()
        ordered = sorted(campaign["members"], key=lambda each: (each["wave"] or 10**6, each["name"]))
        rows = [
            (each["wave"] or "-", each["name"], each["from_version"], each["state"].replace("_", " "), _why(each))
            for each in ordered
        ]
        output.table(("WAVE", "INSTALL", "HAD", "STATE", "WHY"), rows)


def _counts(wave: dict[str, Any]) -> str:
    return ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in wave["counts"].items())


def _why(member: dict[str, Any]) -> str:
    return member["problem"]["message"] if member["problem"] else ""
