"""``slipway resolve``: which versions go together, with the reasons."""

import json
from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect
from portal.cli.errors import CommandError
from portal.cli.output import Output, json_option


@click.command("resolve")
@click.argument("requirements", metavar="NS/NAME[SPEC]...", nargs=-1, required=True)
@click.option(
    "--lock",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What is in use: an answer that --json printed before. It stays, except where --upgrade names it.",
)
@click.option("--upgrade", multiple=True, metavar="NS/NAME", help="Let this asset of the lock rise; * means all.")
@click.option("--with-optional", "optional", multiple=True, metavar="NS/NAME", help="Take this in; * means all.")
@json_option
def resolve(
    requirements: tuple[str, ...],
    lock: Path | None,
    upgrade: tuple[str, ...],
    optional: tuple[str, ...],
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Choose one version of everything that the requirements need, or say why that cannot be.

    SPEC is a constraint in any spelling: >=1.2,<2 or ^1.2 or "~> 1.2" or 1.x or @1.4.0; what it means is shown.
    """
    output = Output(as_json=as_json)
    body = {
        "requirements": list(requirements),
        "lock": [] if lock is None else _read(lock),
        "upgrade": list(upgrade),
        "optional": list(optional),
    }
    with connect() as client, output.busy("Resolving ..."):
        found = client.post("/assets/resolve", body)
    output.result(found, lambda each: _show(output, each))


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text())
        entries = document["lock"] if isinstance(document, dict) else document
        return [{"asset": str(each["asset"]), "version": str(each["version"])} for each in entries]
    except (OSError, ValueError, KeyError, TypeError):
        raise CommandError(f"{path} holds no lock.", "Write one with: slipway resolve --json ... > lock.json") from None


def _show(output: Output, found: dict[str, Any]) -> None:
    for each in found["requirements"]:
        written = each["given"].removeprefix(each["asset"]).lstrip(" @")
        if written and written != each["constraint"]:
            output.note(f"{each['given']} means {each['asset']} {each['constraint'] or 'in any version'}", style="dim")
    output.table(
        ("ASSET", "VERSION", "KIND", "WHY"),
        [(each["asset"], each["version"], each["kind"], _why(each["why"])) for each in found["lock"]],
    )
    for warning in found["warnings"]:
        output.note(warning, style="yellow")


def _why(reasons: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{each['by']} {each['version']} needs {each['constraint'] or 'it'}"
        if each["by"]
        else f"asked for{': ' if each['constraint'] else ''}{each['constraint']}"
        for each in reasons
    )
