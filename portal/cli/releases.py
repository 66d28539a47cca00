"""``slipway release``: what a tenant ships, recorded version by version."""

from pathlib import Path
from typing import Any

import click

from portal.cli.artifacts import artifact_options, artifacts_of
from portal.cli.client import connect
from portal.cli.output import Output, json_option, moment, page_options


@click.command("create")
@click.argument("service")
@click.argument("version")
@click.option("--repo", "repository", help="The repository it is built from; needed for a service's first release.")
@click.option("--commit", help="The commit that was built.")
@click.option("--environment", metavar="ID", help="The preview environment that shows what is released.")
@click.option("--pipeline", metavar="URL", help="The run of the pipeline that built it.")
@click.option("--owner", help="Who answers for the service.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="A label of the service; repeatable.")
@artifact_options
@click.option("--notes", help="What is new, for people.")
@json_option
def create(
    service: str,
    version: str,
    labels: tuple[str, ...],
    artifacts: tuple[str, ...],
    files: tuple[Path, ...],
    as_json: bool,  # noqa: FBT001  # click passes options by name
    **asked: Any,
) -> None:
    """Record a release. The same content again changes nothing; other content needs another version."""
    output = Output(as_json=as_json)
    body: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    body |= {"service": service, "version": version}
    body["artifacts"] = artifacts_of(artifacts, files)
    if labels:
        body["labels"] = dict(_pair(each) for each in labels)
    with connect() as client:
        made = client.post("/releases", body)
    output.result(made, lambda each: _show(output, each))


@click.command("list")
@click.option("--service", help="Only those of one service.")
@page_options(100)
@json_option
def list_(service: str | None, limit: int, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List releases, newest first."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/releases", {"limit": limit, "service": service, "cursor": cursor})
    output.result(found, lambda each: _show_list(output, each))


@click.command("show")
@click.argument("release", metavar="ID")
@json_option
def show(release: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show a release: what it consists of, where it came from, and what policies said of it."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get(f"/releases/{release}")
    output.result(found, lambda each: _show(output, each))


def _show_list(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("There are no releases. Record one with `slipway release create`.")
        return
    rows = [
        (each["id"], each["service"], each["version"], each["commit"][:12], moment(each["created_at"]))
        for each in found["items"]
    ]
    output.table(("ID", "SERVICE", "VERSION", "COMMIT", "RELEASED"), rows)
    output.more(found.get("next_cursor"))


def _show(output: Output, release: dict[str, Any]) -> None:
    output.line(f"{release['service']} {release['version']}", style="bold")
    output.facts(
        [
            ("id", release["id"]),
            ("repository", release["repository"]),
            ("commit", release["commit"]),
            ("environment", release["environment_id"]),
            ("pipeline", release["pipeline"]),
            ("released", f"{moment(release['created_at'])} by {release['created_by']}"),
            ("policies", _verdict(release["verdict"])),
        ]
    )
    if release["artifacts"]:
        output.line()
        rows = [(each["type"], each["name"], each["digest"]) for each in release["artifacts"]]
        output.table(("TYPE", "ARTIFACT", "DIGEST"), rows)


def _verdict(verdict: dict[str, Any]) -> str:
    if not verdict.get("bundles"):
        return "none are bound"
    return f"allowed by {verdict['bundles']}, with {verdict['violations']} remarks" if verdict else ""


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not of the form K=V.", param_hint="--label")
    return name, value
