"""How installs and their plans look on a terminal."""

from collections.abc import Sequence
from typing import Any

from portal.cli.output import Output, moment


def show_plan(output: Output, plan: dict[str, Any]) -> None:
    """Print what a plan would do, and what stands against it."""
    document = plan["document"]
    output.line(f"{document['action'].capitalize()} {document['asset']} {document['version']}", style="bold")
    output.facts(
        [
            ("plan", plan["id"]),
            ("digest", plan["digest"]),
            ("name", document["name"]),
            ("place", document["place"]),
            ("proven", "yes" if document["verification"]["trusted"] else _missing(document["verification"])),
        ]
    )
    for each in document["permissions"]:
        output.line(f"It asks to {each['meaning'] or 'do what is called'} ({each['name']}).")
    if len(document["lock"]) > 1:
        output.line()
        rows = [(each["asset"], each["version"], each["state"]) for each in document["lock"]]
        output.table(("LOCK", "VERSION", "STATE"), rows)
    _show_changes(output, document)
    if "preview" in document:
        _show_preview(output, document["preview"])
    for gate in document.get("gates", []):
        _show_gate(output, gate)
    for each in plan.get("approvals", []):
        asked = (
            f"{each['state']}, {each['given']} of {each['needed']} given" if each["state"] else "nobody was asked yet"
        )
        problem = f" {each['problem']}" if each["problem"] else ""
        output.line(f"The rule {each['rule']} asks for an approval: {asked}.{problem}", style="yellow")


def show_install(output: Output, install: dict[str, Any], chain: Sequence[dict[str, Any]]) -> None:
    """Print an install and its revisions."""
    standing = install["standing"] or {}
    failure = install["failure"] or {}
    output.line(f"{install['name']} is {install['state']}.", style="bold")
    output.facts(
        [
            ("id", install["id"]),
            ("asset", f"{install['asset']} {standing.get('version', '')}".strip()),
            ("newest", standing.get("newest") if standing.get("outdated") else None),
            ("place", install["place"]),
            ("owner", install["owner"]),
            ("wanted", _number(install["desired_revision"])),
            ("there", _number(install["applied_revision"])),
            ("waits at", install["proposed"].get("url") or install["proposed"].get("branch")),
            ("note", failure.get("message")),
            ("next", failure.get("hint")),
        ]
    )
    if chain:
        output.line()
        rows = [
            (each["number"], each["action"], each["content"]["version"], _state(each), moment(each["created_at"]))
            for each in chain
        ]
        output.table(("REVISION", "ACTION", "VERSION", "STATE", "MADE"), rows)


def show_installs(output: Output, page: dict[str, Any]) -> None:
    """Print a page of installs."""
    if not page["items"] and page.get("next_cursor"):
        output.line("There is none among the installs that were looked at so far.")
        output.more(page["next_cursor"])
        return
    if not page["items"]:
        output.line("There are no such installs. Install something with `slipway install`.")
        return
    rows = [
        (each["id"], each["name"], each["asset"], _version(each), each["state"], each["place"])
        for each in page["items"]
    ]
    output.table(("ID", "NAME", "ASSET", "VERSION", "STATE", "PLACE"), rows)
    output.more(page.get("next_cursor"))


def _show_changes(output: Output, document: dict[str, Any]) -> None:
    for each in document["input_changes"]:
        told = each.get("message") or f"{each.get('before')!r} becomes {each.get('after')!r}"
        output.line(f"Input {each['pointer']}: {told}")
    files = document["changes"].get("files", [])
    for each in files:
        output.line()
        output.line(f"{each['status']} {each['path']}", style="bold")
        if each.get("conflict"):
            decision = each["resolved"] or "open: --conflicts PATH=mine, theirs or markers"
            output.line(f"Both sides changed it. {each['conflict']} ({decision})", style="yellow")
        if each["diff"]:
            output.line(each["diff"])
    for name, value in document["changes"].items():
        if name not in {"files", "branch"} and value:
            output.line(f"{name}: {value}")
    if "files" in document["changes"] and not files:
        output.line("Every file is there already as it should be.")


def _show_preview(output: Output, preview: dict[str, Any]) -> None:
    """Print what the engine would do: how many resources, and which."""
    output.line()
    if "problem" in preview:
        output.line(f"There is no preview. {preview['problem']}", style="yellow")
        return
    counts = [f"{preview['summary'][name]} to {name}" for name in ("create", "update", "delete")]
    output.line(f"The engine would change resources: {', '.join(counts)}; {preview['summary']['same']} stay.")
    moving = [each for each in preview["resources"] if each["operation"] != "same"]
    if moving:
        output.table(("OPERATION", "RESOURCE", "TYPE"), [(e["operation"], e["name"], e["type"]) for e in moving])


def _show_gate(output: Output, gate: dict[str, Any]) -> None:
    asked = len(gate["bundles"])
    if gate["allowed"]:
        output.line(f"Policies let it through ({asked} asked, {len(gate['violations'])} remarks).")
    else:
        output.line("Policies do not allow it:", style="bold red")
    for each in gate["violations"]:
        output.line(f"  {each['rule']} ({each['level']}): {each['message']} {each['remediation']}".rstrip())


def _missing(verification: dict[str, Any]) -> str:
    return "; ".join(each["detail"] for each in verification["missing"]) or "no"


def _number(value: int | None) -> str | None:
    return None if value is None else f"revision {value}"


def _state(revision: dict[str, Any]) -> str:
    outcomes = revision["outcomes"]
    if not outcomes:
        return "under way"
    state = str(outcomes[-1]["state"])
    return f"{state}, changed by hand" if outcomes[-1]["outputs"].get("by_hand") else state


def _version(install: dict[str, Any]) -> str:
    standing = install["standing"]
    if standing is None:
        return ""
    newer = f" (newest {standing['newest']})" if standing["outdated"] else ""
    state = "" if standing["state"] == "published" else f" {standing['state']}"
    return f"{standing['version']}{state}{newer}"
