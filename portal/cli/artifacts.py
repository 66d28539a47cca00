"""What a release consists of, as commands take it: digests that are known, and files."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

_TYPES = {".whl": "wheel", ".tgz": "npm", ".jar": "jar", ".zip": "archive", ".gz": "archive", ".json": "document"}


def artifact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--artifact`` and ``--file``, which it takes as ``artifacts`` and ``files``."""
    named = click.option(
        "--artifact",
        "artifacts",
        multiple=True,
        metavar="TYPE=NAME@DIGEST",
        help="What the release consists of, such as oci-image=registry/web@sha256:...; repeatable.",
    )
    file = click.option(
        "--file",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A file that the release consists of; repeatable.",
    )
    return named(file(command))


def artifacts_of(artifacts: Iterable[str], files: Iterable[Path]) -> list[dict[str, str]]:
    """Return name, type and digest (``sha256:...``) of each; raise ``click.BadParameter`` for what cannot be read."""
    return [*(_named(each) for each in artifacts), *(_file(each) for each in files)]


def _named(text: str) -> dict[str, str]:
    kind, _, rest = text.partition("=")
    name, _, digest = rest.rpartition("@")
    if not kind or not name or not digest:
        raise click.BadParameter(f"{text!r} is not of the form TYPE=NAME@DIGEST.", param_hint="--artifact")
    return {"type": kind, "name": name, "digest": digest}


def _file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="--file") from None
    return {"type": _TYPES.get(path.suffix, "file"), "name": path.name, "digest": f"sha256:{digest}"}
