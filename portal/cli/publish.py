"""``slipway publish``: an asset's folder or archive goes to the marketplace."""

from pathlib import Path
from typing import Any

import click

from catalog.assets.archive import ARCHIVE_SUFFIX
from catalog.assets.check import check_archive
from catalog.assets.findings import Finding
from portal.cli.client import Client, connect, segment
from portal.cli.errors import CommandError
from portal.cli.job_identity import as_job
from portal.cli.output import Output, json_option
from portal.cli.packages import epoch_option, require_sound
from portal.cli.progress import check_outcome, follow
from portal.cli.sharing import VISIBILITIES, send_sharing, share_with_option, shared_as, wanted_visibility


@click.command("publish")
@click.argument("path", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--visibility",
    type=VISIBILITIES,
    help="Who may see the asset; left out, it stays as it is, and a new one is private.",
)
@share_with_option
@click.option("--draft", is_flag=True, help="Keep it as a draft that only your tenant sees.")
@click.option("--session", metavar="ID", help="Add it to a publishing session, whose versions come out together.")
@epoch_option
@json_option
def publish(  # each is an option of its own
    path: Path,
    visibility: str | None,
    tenants: tuple[str, ...],
    draft: bool,  # noqa: FBT001  # click passes options by name
    session: str | None,
    epoch: int,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Publish the asset in a folder, or an archive that `slipway asset build` made.

    A folder is checked here first. The same bytes again change nothing. In a CI job that the asset trusts, SLIPWAY_URL
    alone is enough: the job's identity takes the place of a token. With --share-with, the tenants named are all that
    the asset is shared with.
    """
    output = Output(as_json=as_json)
    visibility = wanted_visibility(visibility, tenants)
    if tenants and (draft or session):
        raise click.UsageError("Share it with `slipway share` once it is out; a draft is its publisher's alone.")
    data = require_sound(output, path, epoch)[1] if path.is_dir() else path.read_bytes()
    package = check_archive(data).package
    metadata = package.manifest.metadata if package else None
    job = as_job(f"{metadata.namespace}/{metadata.name}") if metadata else None
    name = path.name if path.is_file() else f"asset{ARCHIVE_SUFFIX}"
    with Client(job) if job else connect() as client:
        with output.busy("Publishing ..."):
            answer = send(client, name, data, visibility, draft=draft, session=session)
        if "operation" in answer:
            answer = await_checks(client, answer, output)
        if tenants:
            sharing = send_sharing(client, answer["namespace"], answer["name"], "shared", tenants)
            output.note(f"{answer['namespace']}/{answer['name']} is {shared_as(sharing)}.")
    output.result(answer, lambda each: _show(output, each, client.connection.url))


def send(
    client: Client, name: str, data: bytes, visibility: str | None, *, draft: bool = False, session: str | None = None
) -> dict[str, Any]:
    """Publish an archive and return the API's answer; it names an ``operation`` where the checks go on."""
    given = {"visibility": visibility, "draft": "true" if draft else None, "session": session}
    form = {key: value for key, value in given.items() if value}
    answer: dict[str, Any] = client.post_file("/assets", "archive", name, data, form)
    return answer


def await_checks(client: Client, accepted: dict[str, Any], output: Output) -> dict[str, Any]:
    """Follow the checks of an upload to their end, and return what was published.

    Raises ``CommandError`` with every finding where it was rejected.
    """
    ended = follow(client, accepted["operation"], output)
    upload = client.get(f"/uploads/{accepted['upload']}")
    if upload["state"] == "rejected":
        errors = [str(Finding(**each)) for each in upload["findings"] if each["level"] == "error"]
        raise CommandError(f"The package has {_count(errors)}; nothing was published.", details=tuple(errors))
    check_outcome(ended)
    reference = f"/assets/{segment(upload['namespace'])}/{segment(upload['name'])}"
    version = client.get(f"{reference}/versions/{segment(upload['version'])}")
    published = {key: version[key] for key in ("namespace", "name", "version", "semver", "kind", "state")}
    digest = f"sha256:{upload['blob_digest']}"
    return {"created": True, **published, "digest": digest, "findings": upload["findings"]}


def _count(errors: list[str]) -> str:
    return "one problem" if len(errors) == 1 else f"{len(errors)} problems"


def _show(output: Output, answer: dict[str, Any], url: str) -> None:
    for finding in answer["findings"]:
        output.note(f"{finding['path']}: {finding['message']} {finding['fix']} [{finding['rule']}]", style="yellow")
    reference = f"{answer['namespace']}/{answer['name']}"
    was = "is published" if answer["created"] else "was published before, with just these bytes"
    was = {"draft": "is kept as a draft", "in_review": "waits for a second person"}.get(answer["state"], was)
    output.line(f"{reference}@{answer['semver']} {was}: {url}/assets/{reference}")
