"""``slipway notifications``: who is told of what, what each was told, and your inbox."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.output import Output, json_option, moment, page_options

_STATES = ("pending", "held", "digested", "delivered", "dead")
_SUBSCRIPTIONS = "/notifications/subscriptions"


@click.command("inbox")
@click.option("--read", "mark", is_flag=True, help="Mark all of it as read.")
@page_options()
@json_option
def inbox(*, mark: bool, limit: int, cursor: str | None, as_json: bool) -> None:
    """Show what you were told, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/notifications/inbox", {"limit": limit, "cursor": cursor})
        if mark:
            client.post("/notifications/inbox/read")
    output.result(found, lambda each: _inbox(output, each))


@click.command("list")
@click.option("--subscription", metavar="ID", help="Only those of one subscription.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in one state.")
@page_options()
@json_option
def list_(*, subscription: str | None, state: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List what went out by webhook and mail, newest first."""
    output = Output(as_json=as_json)
    params = {"limit": limit, "subscription": subscription, "state": state, "cursor": cursor}
    with connect() as client:
        found = client.get("/notifications", params)
    output.result(found, lambda each: _list(output, each))


@click.command("show")
@click.argument("notification", metavar="ID")
@json_option
def show(notification: str, *, as_json: bool) -> None:
    """Show one with every try: what was sent, and what came back."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/notifications/{segment(notification)}")
    output.result(found, lambda each: _show(output, each))


@click.command("replay")
@click.argument("notification", metavar="ID")
@json_option
def replay(notification: str, *, as_json: bool) -> None:
    """Send once more, under the same id, what was given up."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.post(f"/notifications/{segment(notification)}/replay")
    output.result(found, lambda each: output.line(f"{each['id']} is on its way again."))


@click.command("subscribe")
@click.argument("name")
@click.option("--channel", type=click.Choice(["webhook", "mail", "inbox"]), required=True, help="How to tell.")
@click.option("--target", default="", help="The address of the webhook, or an e-mail address.")
@click.option("--topic", "topics", multiple=True, help="Such as approval.requested or environment.*; repeatable.")
@click.option("--subject", default="", help="Only events whose subject begins with this.")
@click.option("--asset", default="", metavar="NS/NAME", help="Only events about this asset.")
@click.option("--owner", default="", help="Only events about what this owner answers for.")
@click.option(
    "--severity", type=click.Choice(["info", "warning", "critical"]), default="info", help="At least so grave."
)
@click.option("--digest", "digest_minutes", type=click.IntRange(0, 1440), default=0, help="Gather mail for minutes.")
@json_option
def subscribe(*, topics: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Subscribe to events under NAME. A webhook's secret is printed this once."""
    output = Output(as_json=as_json)
    with connect() as client:
        made = client.post(_SUBSCRIPTIONS, {**asked, "topics": list(topics) or ["*"]})
    output.result(made, lambda each: _subscription(output, each))


@click.command("subscriptions")
@json_option
def subscriptions(*, as_json: bool) -> None:
    """List who is told of what."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(_SUBSCRIPTIONS)
    rows = [
        (each["id"], each["name"], each["channel"], each["target"], each["state"], ", ".join(each["topics"]))
        for each in found["items"]
    ]
    output.result(found, lambda _: output.table(("ID", "NAME", "HOW", "WHERE", "STATE", "WHAT"), rows))


@click.command("pause")
@click.argument("subscription", metavar="ID")
@json_option
def pause(subscription: str, *, as_json: bool) -> None:
    """Stop telling; what happens meanwhile is not told later."""
    _change("pause", subscription, Output(as_json=as_json))


@click.command("resume")
@click.argument("subscription", metavar="ID")
@json_option
def resume(subscription: str, *, as_json: bool) -> None:
    """Tell again, also where lasting failure had disabled it."""
    _change("resume", subscription, Output(as_json=as_json))


@click.command("rotate")
@click.argument("subscription", metavar="ID")
@json_option
def rotate(subscription: str, *, as_json: bool) -> None:
    """Give a webhook a new secret, printed this once; for a day the old one signs as well."""
    _change("rotate", subscription, Output(as_json=as_json))


@click.command("test")
@click.argument("subscription", metavar="ID")
@json_option
def test(subscription: str, *, as_json: bool) -> None:
    """Send a test the way everything else is sent."""
    output = Output(as_json=as_json)
    with connect() as client:
        sent = client.post(f"{_SUBSCRIPTIONS}/{segment(subscription)}/test")
    output.result(sent, lambda each: output.line(f"The test {each['id']} is on its way."))


@click.command("unsubscribe")
@click.argument("subscription", metavar="ID")
def unsubscribe(subscription: str) -> None:
    """Remove a subscription with all that it was told."""
    with connect() as client:
        client.delete(f"{_SUBSCRIPTIONS}/{segment(subscription)}")
    Output().line(f"{subscription} is removed.")


def _change(verb: str, subscription: str, output: Output) -> None:
    with connect() as client:
        found = client.post(f"{_SUBSCRIPTIONS}/{segment(subscription)}/{verb}")
    output.result(found, lambda each: _subscription(output, each))


def _subscription(output: Output, found: dict[str, Any]) -> None:
    output.facts(
        [
            ("id", found["id"]),
            ("name", found["name"]),
            ("how", f"{found['channel']} {found['target']}"),
            ("what", ", ".join(found["topics"])),
            ("state", found["state"]),
            ("note", found["reason"]),
            ("secret", found.get("secret", "")),
        ]
    )


def _inbox(output: Output, found: dict[str, Any]) -> None:
    rows = [
        ("" if each["read_at"] else "new", each["severity"], each["title"], moment(each["created_at"]))
        for each in found["items"]
    ]
    output.table(("", "HOW GRAVE", "WHAT", "WHEN"), rows)
    output.more(found["next_cursor"])


def _list(output: Output, found: dict[str, Any]) -> None:
    rows = [
        (each["id"], each["state"], each["attempts"], each["title"], each["problem"], moment(each["created_at"]))
        for each in found["items"]
    ]
    output.table(("ID", "STATE", "TRIES", "WHAT", "PROBLEM", "WHEN"), rows)
    output.more(found["next_cursor"])


def _show(output: Output, found: dict[str, Any]) -> None:
    output.line(found["title"], style="bold")
    output.facts(
        [
            ("id", found["id"]),
            ("state", found["state"]),
            ("topic", found["topic"]),
            ("next try", moment(found["next_attempt_at"]) if found["next_attempt_at"] else ""),
            ("problem", found["problem"]),
        ]
    )
    for each in found["tries"]:
        answered = each["status"] or each["problem"] or "taken"
        output.line(f"{moment(each['at'])}: {answered} after {each['seconds']} s")
        if each["response"]:
            output.line(f"    {each['response'][:200]}")
