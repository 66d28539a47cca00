"""``slipway overlay``: what a tenant narrows of an asset's inputs, by the rules of a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.inputs import read_inputs
from portal.cli.marketplace import split_reference
from portal.cli.output import Output, json_option, moment

NOT_SHOWN = {"pointer", "reason"}


@click.command("show")
@click.argument("asset", required=False, metavar="[NS/NAME]")
@click.option("--history", is_flag=True, help="Show who changed it when.")
@json_option
def show(asset: str | None, history: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show what your tenant narrows of an asset, or of which assets it narrows anything."""
    output = Output(as_json=as_json)
    if asset is None and history:
        raise click.UsageError("--history is about one asset: name it.")
    with connect() as client:
        if asset is None:
            output.result(client.get("/overlays"), lambda each: _list(output, each["items"]))
        elif history:
            found = client.get(f"{_address(asset)}/changes")
            output.result(found, lambda each: _history(output, each["items"]))
        else:
            output.result(client.get(_address(asset)), lambda each: _show(output, each))


@click.command("set")
@click.argument("asset", metavar="NS/NAME")
@click.argument("file", metavar="FILE")
@click.option("--version", metavar="V", help="The version that the rules are proven against; the latest by default.")
@json_option
def set_(asset: str, file: str, version: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Narrow an asset's inputs by the rules of a YAML or JSON file (- is standard input), in place of any before.

    The file reads rules: [{pointer: /region, enum: [eu-west-1], reason: Data stays in the EU.}]
    """
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.put(_address(asset), _body(file, version))
    output.result(found, lambda each: _show(output, each))


@click.command("check")
@click.argument("asset", metavar="NS/NAME")
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--version", metavar="V", help="A version to look at first.")
@json_option
def check(asset: str, file: str | None, version: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Say how the rules of a file, or those that are set, fit the newest versions; exit 1 where they misfit any."""
    output = Output(as_json=as_json)
    with connect() as client:
        if file is None:
            present = client.get(_address(asset))
            body = {"rules": present["rules"], **({"version": version} if version else {})}
        else:
            body = _body(file, version)
        found = client.post(f"{_address(asset)}/check", body)
    output.result(found, lambda each: _fits(output, each["items"]))
    if not all(each["fits"] for each in found["items"]):
        raise SystemExit(1)


@click.command("remove")
@click.argument("asset", metavar="NS/NAME")
def remove(asset: str) -> None:
    """Let members give what the publisher lets them; the history stays."""
    with connect() as client:
        client.delete(_address(asset))
    Output().line(f"Nothing of {asset} is narrowed any more.")


def _address(asset: str) -> str:
    namespace, name, version = split_reference(asset)
    if version:
        raise click.BadParameter("name the asset without a version.", param_hint="NS/NAME")
    return f"/overlays/{segment(namespace)}/{segment(name)}"


def _body(file: str, version: str | None) -> dict[str, Any]:
    given = read_inputs((), file)
    return {**given, **({"version": version} if version else {})}


def _list(output: Output, overlays: Sequence[Mapping[str, Any]]) -> None:
    if not overlays:
        output.line("Your tenant narrows nothing.")
        return
    rows = [
        (
            f"{each['namespace']}/{each['name']}",
            ", ".join(rule["pointer"] for rule in each["rules"]),
            ", ".join(fit["version"] for fit in each["versions"] if not fit["fits"]) or "none",
            each["changed_by"],
            moment(each["changed_at"]),
        )
        for each in overlays
    ]
    output.table(("ASSET", "INPUTS", "MISFITS", "BY", "WHEN"), rows)


def _show(output: Output, overlay: Mapping[str, Any]) -> None:
    path = f"{overlay['namespace']}/{overlay['name']}"
    when = moment(overlay["changed_at"])
    output.line(f"{path}, change {overlay['revision']} by {overlay['changed_by']}, {when}")
    output.table(
        ("INPUT", "RULE", "WHY"), [(each["pointer"], _words(each), each["reason"]) for each in overlay["rules"]]
    )
    _fits(output, [each for each in overlay["versions"] if not each["fits"]])


def _fits(output: Output, fits: Sequence[Mapping[str, Any]]) -> None:
    for each in fits:
        output.line(f"{each['version']} {'fits' if each['fits'] else 'does not fit, so nobody gets it:'}")
        for misfit in each["misfits"]:
            output.line(f"  {misfit['pointer']}: {misfit['detail']} {misfit['fix']}")


def _history(output: Output, changes: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            each["revision"],
            "; ".join(f"{rule['pointer']} {_words(rule)}" for rule in each["rules"]) or "removed",
            each["changed_by"],
            moment(each["changed_at"]),
        )
        for each in changes
    ]
    output.table(("CHANGE", "RULES", "BY", "WHEN"), rows)


def _words(rule: Mapping[str, Any]) -> str:
    parts = [
        name if value is True and name in {"hidden", "required"} else f"{name} {value}"
        for name, value in rule.items()
        if name not in NOT_SHOWN
    ]
    return ", ".join(parts)
