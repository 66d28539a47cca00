"""``slipway export`` and ``slipway import``: assets for a Slipway that cannot reach this one."""

import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect
from portal.cli.errors import CommandError
from portal.cli.output import Output, json_option

_FILES = ("oci-layout", "index.json")


@click.command("export")
@click.argument("requirements", metavar="NS/NAME[SPEC]...", nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="The new folder to write the layout to, or a file that ends in .tar.",
)
@click.option("--with-optional", "optional", multiple=True, metavar="NS/NAME", help="Take this in; * means all.")
@json_option
def export(requirements: tuple[str, ...], target: Path, optional: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Write assets with all they need, their signed statements and states, as one OCI image layout.

    `slipway import` takes it in elsewhere; oras and others read it too.
    """
    output = Output(as_json=as_json)
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise CommandError(f"{target} is there already.", "Choose another name.")
    body = {"requirements": list(requirements), "optional": list(optional)}
    with tempfile.TemporaryFile() as received:
        with connect() as client, output.busy("Exporting ..."):
            client.post_for_file("/transfers/export", body, received)
        size = received.tell()
        received.seek(0)
        if target.suffix == ".tar":
            with target.open("wb") as file:
                file.writelines(iter(lambda: received.read(256 * 1024), b""))
        else:
            with tarfile.open(fileobj=received, mode="r:") as tar:
                tar.extractall(target, filter="data")
    document = {"path": str(target), "size": size}
    output.result(document, lambda each: output.line(f"{each['path']} ({each['size']:,} bytes)"))


@click.command("import")
@click.argument("source", metavar="DIR|FILE.tar", type=click.Path(path_type=Path))
@click.option("--accept-unknown-signer", "accept", is_flag=True, help="Take a layout that nobody known here signed.")
@json_option
def import_(source: Path, accept: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Verify a layout that `slipway export` wrote, and publish what is in it.

    It is signed with the exporter's key, which has to be known here.

    Nothing becomes visible to more than before, and no state is lifted. Doing it again does what is left.
    """
    output = Output(as_json=as_json)
    if not source.exists():
        raise CommandError(f"There is no {source}.", "Write one with: slipway export NS/NAME -o layout.tar")
    data = _packed(source) if source.is_dir() else source.read_bytes()
    with connect() as client, output.busy("Importing ..."):
        report = client.post_file(
            "/transfers/import", "layout", "layout.tar", data, {"accept_unknown_signer": "true"} if accept else {}
        )
    output.result(report, lambda each: _show(output, each))
    refused = [each for each in report["versions"] if each["outcome"] == "refused"]
    if refused:
        raise CommandError(f"{len(refused)} of {len(report['versions'])} versions were refused.")


def _packed(folder: Path) -> bytes:
    """Return a layout's folder as a tar; other files in it are left aside."""
    paths = [folder / name for name in _FILES] + sorted((folder / "blobs" / "sha256").glob("*"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in paths:
            if path.is_file():
                tar.add(path, str(path.relative_to(folder)), recursive=False)
    return packed.getvalue()


def _show(output: Output, report: dict[str, Any]) -> None:
    output.table(
        ("ASSET", "VERSION", "OUTCOME", "STATEMENTS", ""),
        [
            (each["asset"], each["version"], each["outcome"], _statements(each), each["detail"])
            for each in report["versions"]
        ],
    )
    output.note(f"Signed by {report['signer']}." if report["signer"] else "Signed by nobody known here.")
    for line in report["states"]:
        output.note(line, style="yellow")


def _statements(version: dict[str, Any]) -> str:
    unknown = f", {version['unknown']} by unknown signers" if version["unknown"] else ""
    return f"{version['statements']}{unknown}"
