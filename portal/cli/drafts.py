"""``slipway draft``: versions that are not out yet, and publishing from a tag."""

from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.marketplace import split_reference
from portal.cli.output import Output, json_option

_DONE = {"submit": "waits for a second person", "withdraw": "is a draft again", "publish": "is published"}


def _step_command(verb: str, help_text: str) -> click.Command:
    @click.command(verb, help=help_text)
    @click.argument("version_reference", metavar="NS/NAME@VERSION")
    @click.option("--comment", default="", help="What to say about it, for the record.")
    @json_option
    def step(version_reference: str, comment: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
        output = Output(as_json=as_json)
        path = _path(version_reference)
        with connect() as client:
            moved: dict[str, Any] = client.post(f"{path}/{verb}", {"comment": comment})
        output.result(moved, lambda _: output.line(f"{version_reference} {_DONE[verb]}."))

    return step


submit = _step_command("submit", "Ask for a second person to publish a draft.")
withdraw = _step_command("withdraw", "Make a version that waits for review a draft again.")
publish = _step_command("publish", "Publish a draft, or approve a version that waits for review.")


@click.command("discard")
@click.argument("version_reference", metavar="NS/NAME@VERSION")
def discard(version_reference: str) -> None:
    """Throw a draft away; its number is free again."""
    with connect() as client:
        client.delete(_path(version_reference))
    Output(as_json=False).line(f"{version_reference} is thrown away.")


@click.command("import-tag")
@click.argument("repository")
@click.argument("tag")
@click.option("--folder", default="", help="Where in the repository the asset is; left out, the repository itself.")
@click.option("--visibility", type=click.Choice(["private", "public"]), help="Who may see the asset.")
@click.option("--draft", is_flag=True, help="Keep it as a draft that only your tenant sees.")
@json_option
def import_tag(repository: str, tag: str, folder: str, visibility: str | None, draft: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Publish what a tag of a repository holds; the version must be the one that the tag names."""
    output = Output(as_json=as_json)
    body = {"repository": repository, "tag": tag, "folder": folder, "visibility": visibility, "draft": draft}
    with connect() as client, output.busy("Publishing ..."):
        answer: dict[str, Any] = client.post("/uploads/import", body)
    if "operation" in answer:
        text = f"{answer['namespace']}/{answer['name']}@{answer['version']} is being checked: {answer['url']}"
    else:
        text = f"{answer['namespace']}/{answer['name']}@{answer['semver']} is {answer['state'].replace('_', ' ')}."
    output.result(answer, lambda _: output.line(text))


def _path(reference: str) -> str:
    namespace, name, version = split_reference(reference)
    return f"/assets/{segment(namespace)}/{segment(name)}/versions/{segment(version)}"
