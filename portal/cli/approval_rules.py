"""``slipway approvals rules``, ``require``, ``unrequire``: which plans of installs take an approval, and whose."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option


@click.command("rules")
@json_option
def rules(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List which plans of installs take an approval."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/installs/approval-rules")
    output.result(found, lambda each: _list(output, each["items"]))


@click.command("require")
@click.argument("name")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice(["install", "upgrade", "rollback", "uninstall"]),
    help="Only plans that do this; repeatable.",
)
@click.option("--kind", "kinds", multiple=True, help="Only assets of this kind; repeatable.")
@click.option("--asset", default="", metavar="NS/NAME", help="Only this asset; * stands for anything.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Only installs with this label; repeatable.")
@click.option("--policy-rule", default="", metavar="RULE", help="Only where policies remark something under this rule.")
@click.option(
    "--by",
    type=click.Choice(["approver", "admin", "owner"]),
    default="approver",
    show_default=True,
    help="Whoever holds this role, or owns the install.",
)
@click.option("--member", "members", multiple=True, metavar="ID", help="These members, instead of a role; repeatable.")
@click.option(
    "--mode", type=click.Choice(["any", "all", "quorum"]), default="any", show_default=True, help="How many approve."
)
@click.option("--quorum", type=click.IntRange(1, 50), default=1, show_default=True, help="How many, for a quorum.")
@click.option("--hours", type=click.IntRange(1, 720), default=72, show_default=True, help="How long it waits.")
@json_option
def require(  # click passes options by name
    *, labels: tuple[str, ...], members: tuple[str, ...], by: str, mode: str, quorum: int, hours: int, **given: Any
) -> None:
    """Let plans of installs take an approval from now on; conditions that are left out leave nothing out.

    --by names who may approve: whoever holds a role, or whoever owns the install.
    """
    output = Output(as_json=given.pop("as_json"))
    need: dict[str, Any] = {"mode": mode, "quorum": quorum, "chosen_by": "role", "role": by}
    if by == "owner":
        need = {"mode": mode, "quorum": quorum, "chosen_by": "policy"}
    if members:
        need = {"mode": mode, "quorum": quorum, "chosen_by": "members", "members": list(members)}
    body = {**given, "labels": dict(_pair(each) for each in labels), "need": need, "expires_in_hours": hours}
    with connect() as client:
        made = client.post("/installs/approval-rules", body)
    output.result(made, lambda each: output.line(f"Plans that {each['name']} means take an approval now."))


@click.command("unrequire")
@click.argument("name")
def unrequire(name: str) -> None:
    """End a rule: because of it nobody is asked any more."""
    with connect() as client:
        client.delete(f"/installs/approval-rules/{segment(name)}")
    Output(as_json=False).line(f"The rule {name} has ended.")


def _list(output: Output, found: list[dict[str, Any]]) -> None:
    if not found:
        output.line("No plan takes an approval. Make a rule with `slipway approvals require NAME`.")
        return
    rows = [(each["name"], _means(each), _by(each["need"]), each["created_by"]) for each in found]
    output.table(("NAME", "PLANS", "APPROVED BY", "MADE BY"), rows)


def _means(rule: dict[str, Any]) -> str:
    parts = [
        *rule["actions"],
        *rule["kinds"],
        rule["asset"],
        *(f"{name}={value}" for name, value in rule["labels"].items()),
        f"remarked by {rule['policy_rule']}" if rule["policy_rule"] else "",
    ]
    return ", ".join(each for each in parts if each) or "all"


def _by(need: dict[str, Any]) -> str:
    whom = {"role": f"role {need['role']}", "members": f"{len(need['members'])} members", "policy": "the owner"}
    many = {"any": "any of", "all": "all of", "quorum": f"{need['quorum']} of"}
    return f"{many[need['mode']]} {whom[need['chosen_by']]}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE.", param_hint="--label")
    return name, value
