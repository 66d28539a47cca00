"""``slipway asset``: begin, check and build an asset where it is written."""

import re
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from catalog.assets.archive import archive_name
from catalog.assets.check import Checked, check_directory, try_out
from catalog.assets.findings import Finding
from catalog.assets.kinds import kinds
from catalog.assets.references import is_name
from portal.cli.client import connect
from portal.cli.compare import Comparison, compare_with
from portal.cli.errors import CommandError
from portal.cli.output import Output, json_option
from portal.cli.provenance import BUNDLE_SUFFIX, signed_provenance
from portal.cli.text import plain

_folder = click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
epoch_option = click.option(
    "--source-date-epoch",
    "epoch",
    type=click.IntRange(min=0),
    default=0,
    envvar="SOURCE_DATE_EPOCH",
    help="The time of every file in the archive, in seconds since 1970.",
)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@click.command("init")
@click.argument("kind")
@_folder
@click.option("--namespace", help="The namespace to publish under [default: the name of your tenant].")
@click.option("--name", help="The asset's name [default: the folder's].")
@json_option
def init(kind: str, directory: Path, namespace: str | None, name: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Begin a new asset of KIND in DIRECTORY, from a skeleton that checks and publishes unchanged."""
    found = kinds().get(kind)
    if found is None:
        raise click.BadParameter(f"there is no kind {kind!r}. Known: {', '.join(sorted(kinds()))}.", param_hint="KIND")
    if directory.exists() and any(directory.iterdir()):
        raise CommandError(f"{directory} is not empty.", "Choose a new folder.")
    name = name or _NOT_IN_NAMES.sub("-", directory.resolve().name.lower()).strip("-")[:63].strip("-")
    namespace = namespace or _own_namespace()
    for text, option in ((name, "--name"), (namespace, "--namespace")):
        if not is_name(text):
            fix = "use 1 to 63 lower-case letters, digits and inner dashes."
            raise click.BadParameter(f"{text!r} cannot be used; {fix}", param_hint=option)
    files = found.skeleton(namespace, name)
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    output = Output(as_json=as_json)
    document = {"kind": kind, "namespace": namespace, "name": name, "files": sorted(files)}

    def show(_: object) -> None:
        output.line(f"{directory} holds the new asset {namespace}/{name}: {', '.join(sorted(files))}.")
        output.line(f"Edit it, then: slipway asset check {directory}; slipway publish {directory}")

    output.result(document, show)


@click.command("check")
@_folder
@click.option(
    "--against",
    metavar="NS/NAME[@VERSION]",
    help="Compare with this published version as well; without @VERSION with the one before.",
)
@json_option
def check(directory: Path, against: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Check the asset in DIRECTORY and print every finding; exit 1 where one would keep it from being published.

    --against says what changed, which of it breaks, and the lowest version number that would be honest.
    """
    output = Output(as_json=as_json)
    checked = try_out(check_directory(directory)[0])
    compared = None if against is None or checked.errors else compare_with(checked, against)
    document = report(checked) | ({} if compared is None else {"comparison": compared.as_json()})
    output.result(document, lambda _: _show_check(output, checked, compared))
    if checked.errors:
        raise CommandError(_count(checked))
    if compared is not None and compared.is_refused:
        raise CommandError(
            f"It breaks what uses {compared.before}, and its number does not say so.",
            f"Publish it as {compared.honest}, or take the changes back.",
        )


def _show_check(output: Output, checked: Checked, compared: Comparison | None) -> None:
    show_findings(output, checked)
    if compared is not None:
        compared.show(output)


@click.command("build")
@_folder
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="The file to write, or the folder to write it to [default: the current folder].",
)
@epoch_option
@click.option(
    "--sign",
    "key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Write signed provenance beside the archive, with this private key (PEM).",
)
@click.option(
    "--password-file",
    "password",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --sign: what unlocks the private key.",
)
@json_option
def build(
    directory: Path,
    target: Path | None,
    epoch: int,
    key: Path | None,
    password: Path | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Build the archive of the asset in DIRECTORY; the same files give the same bytes.

    With --sign, a Sigstore bundle with SLSA provenance is written beside it; `slipway attest` sends it.
    """
    output = Output(as_json=as_json)
    checked, data = require_sound(output, directory, epoch)
    if checked.package is None:
        raise CommandError("The manifest cannot be read.")
    metadata = checked.package.manifest.metadata
    path = target or Path()
    if path.is_dir():
        path = path / archive_name(metadata.namespace, metadata.name, metadata.version)
    path.write_bytes(data)
    document = {**report(checked), "path": str(path), "digest": f"sha256:{checked.archive.blob}"}
    if key is not None:
        bundle = path.with_name(f"{path.name}{BUNDLE_SUFFIX}")
        bundle.write_bytes(signed_provenance(checked, directory, epoch, key, password))
        document["bundle"] = str(bundle)
    output.result(document, lambda each: _show_built(output, each, len(data)))


def _show_built(output: Output, built: dict[str, Any], size: int) -> None:
    output.line(f"{built['path']} ({size:,} bytes, {built['digest']})")
    if "bundle" in built:
        output.line(f"{built['bundle']} (signed provenance; slipway attest sends it)")


def require_sound(output: Output, directory: Path, epoch: int) -> tuple[Checked, bytes]:
    """Build and check the asset in ``directory``; print the findings and raise ``CommandError`` where it has errors."""
    checked, data = check_directory(directory, mtime=epoch)
    if checked.errors:
        output.result(report(checked), lambda _: show_findings(output, checked))
        raise CommandError(_count(checked))
    return checked, data


def report(checked: Checked) -> dict[str, Any]:
    """Return the outcome of a check as JSON data."""
    return {"accepted": not checked.errors, "findings": [finding.as_json() for finding in checked.findings]}


def show_findings(output: Output, checked: Checked) -> None:
    """Print every finding: its place, what is wrong, the fix and the rule."""
    for finding in checked.findings:
        output.out.print(_line(finding), soft_wrap=True)
    if not checked.findings:
        output.line("Nothing is wrong; it can be published.")


def _line(finding: Finding) -> Text:
    place = ":".join(str(part) for part in (finding.path or "archive", finding.line) if part is not None)
    style = "red" if finding.level == "error" else "yellow"
    return Text.assemble(
        plain(place), ": ", (finding.level, style), " ", (f"[{finding.rule}]", "dim"), " ",
        plain(f"{finding.message} {finding.fix}"),
    )  # fmt: skip


def _count(checked: Checked) -> str:
    errors, warnings = len(checked.errors), len(checked.warnings)
    counted = f"{errors} error{'s' if errors > 1 else ''}"
    return f"{counted}, {warnings} warning{'s' if warnings > 1 else ''}." if warnings else f"{counted}."


def _own_namespace() -> str:
    try:
        with connect() as client:
            return str(client.get("/tokens/self")["tenant"])
    except CommandError as error:
        error.hint = f"{error.hint} Or name the namespace with --namespace.".strip()
        raise
