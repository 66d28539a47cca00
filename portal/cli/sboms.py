"""``slipway sbom``: what things are made of, and where a package runs."""

import time
from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect
from portal.cli.errors import MissingError
from portal.cli.output import Output, json_option, moment, page_options

_PLACES = (("environments", "ENVIRONMENT"), ("releases", "RELEASE"), ("assets", "ASSET VERSION"))


@click.command("where")
@click.argument("purl")
@click.option("--versions", default="", help="A range instead of one version, such as '>=2,<2.32'.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="How many of each kind.")
@json_option
def where(purl: str, versions: str, limit: int, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Say in which environments, releases and asset versions a package runs.

    PURL is a package URL such as pkg:pypi/requests, with a version or without one.
    """
    output = Output(as_json=as_json)
    asked = {"purl": purl, "limit": limit, **({"versions": versions} if versions else {})}
    with connect() as client:
        found = client.get("/sboms/where", asked)
    output.result(found, lambda each: _show_places(output, each))


@click.command("list")
@click.argument("subject", required=False)
@page_options()
@json_option
def list_(subject: str | None, limit: int, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # as above
    """List bills of materials, or those about SUBJECT: NAMESPACE/NAME@VERSION, releases/ID or sha256:DIGEST."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/sboms", {"limit": limit, "cursor": cursor, "subject": subject})
        why = client.get("/sboms/makings", {"subject": subject}) if subject and not found["items"] else {"items": []}
    output.result(found, lambda each: _show_list(output, each, why["items"]))


@click.command("download")
@click.argument("subject")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["cyclonedx", "spdx"]),
    default="cyclonedx",
    show_default=True,
    help="In which format.",
)
@click.option("--output", "path", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it.")
@click.option("--wait", type=click.IntRange(0, 3600), default=0, metavar="SECONDS", help="Wait for it to be made.")
@json_option
def download(subject: str, format_: str, path: Path | None, wait: int, as_json: bool) -> None:  # noqa: FBT001  # as above
    """Download the newest bill of materials about SUBJECT, byte for byte."""
    output = Output(as_json=as_json)
    with connect() as client:
        deadline = time.monotonic() + wait
        while not (found := client.get("/sboms", {"subject": subject, "format": format_})["items"]):
            if time.monotonic() >= deadline:
                break
            time.sleep(1)
        if not found:
            raise MissingError(f"There is no {format_} document about {subject}.", "Ask for one: slipway sbom make")
        data = client.get_file(f"/sboms/{found[0]['id']}/document")
    target = path or Path(f"sbom-{found[0]['document_digest'][:12]}.{'cdx' if format_ == 'cyclonedx' else 'spdx'}.json")
    target.write_bytes(data)
    output.result(found[0], lambda each: output.line(f"{target}: {each['components']} entries, {each['size']} bytes"))


@click.command("make")
@click.argument("subject")
@json_option
def make(subject: str, as_json: bool) -> None:  # noqa: FBT001  # as above
    """Ask for the bills of materials of SUBJECT to be made, again where they were made before."""
    output = Output(as_json=as_json)
    with connect() as client:
        asked = client.post("/sboms", {"subject": subject})
    output.result(asked, lambda each: output.line(f"They are being made. See: slipway sbom list {each['subject']}"))


def _show_places(output: Output, found: dict[str, Any]) -> None:
    total = sum(len(found[key]) for key, _ in _PLACES)
    asked = f"{found['package']} {found['asked']}".strip()
    if not total:
        output.line(f"{asked} runs nowhere that a bill of materials speaks of.")
        return
    output.line(f"{asked} is part of {total} thing{'' if total == 1 else 's'}", style="bold")
    for key, heading in _PLACES:
        if found[key]:
            output.line()
            rows = [
                (each["label"], each["version"] or "not stated", "" if each["certain"] else "perhaps", each["through"])
                for each in found[key]
            ]
            output.table((heading, "VERSION", "", "THROUGH"), rows)
    if found["is_cut"]:
        output.note("There are more; ask with a higher --limit.")


def _show_list(output: Output, found: dict[str, Any], why: list[dict[str, Any]]) -> None:
    if not found["items"]:
        output.line("There are no bills of materials.")
        for each in why:
            output.line(f"{each['label']}: {each['state'].replace('_', ' ')}. {each['detail']}")
        return
    rows = [
        (
            each["id"],
            f"{each['format']} {each['spec_version']}",
            each["about"],
            f"{each['packages']} of {each['components']}",
            each["signer"],
            moment(each["indexed_at"]),
        )
        for each in found["items"]
    ]
    output.table(("ID", "FORMAT", "ABOUT", "INDEXED", "SIGNED BY", "SINCE"), rows)
    output.more(found.get("next_cursor"))
