"""Rendering: what a pipeline template becomes with an install's inputs, always in the sandbox, and kept."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import catalog
from catalog.assets.check import check_archive
from catalog.assets.models import AssetVersion
from catalog.assets.pipeline_examples import content_of, targets_of
from catalog.installs.files import File, canonical, pack, unpack
from catalog.providers.blobs import BlobError, BlobStore, open_blobs
from workers.installers import Bench, InstallRefusedError
from workers.sandbox import MIB, SandboxLimits, Task

RENDERER = 1
"""Raised where the same template and inputs would render to other bytes than before."""

_LIMITS = SandboxLimits(
    wall_seconds=60, cpu_seconds=20, memory_bytes=512 * MIB, output_bytes=16 * MIB, file_bytes=32 * MIB, processes=8
)
_TASK = "task.json"
_CATALOG = Path(catalog.__file__).resolve().parent
_PROGRAM = Path(__file__).parent / "programs" / "render_template.py"


def rendered(version: AssetVersion, inputs: Mapping[str, Any], bench: Bench, known: str | None = None) -> str:
    """Return the digest of the blob that holds everything that a template renders to.

    ``known`` is what an earlier call returned for the same version and inputs: nothing is rendered again then. Secrets
    are not given to templates, because what they render to stands in a repository. Raises ``InstallRefusedError``.
    """
    blobs = open_blobs(bench.settings)
    if known is not None and blobs.has(known):
        return known
    files = render(_archive(version, blobs), _without_secrets(version, inputs), bench)
    return blobs.write(io.BytesIO(pack(files))).digest


def render(archive: bytes, inputs: Mapping[str, Any], bench: Bench) -> dict[str, File]:
    """Return what the template in an archive renders to with inputs that are complete; the same each time."""
    package = check_archive(io.BytesIO(archive)).package
    if package is None:
        raise InstallRefusedError("The archive of this version cannot be read.")
    content = content_of(package)
    listing = package.archive.files
    task = {
        "targets": [asdict(each) for each in targets_of(package)],
        "asset": package.document.value["metadata"],
        "inputs": dict(inputs),
        "executable": [path for path in content if listing[path].mode == "0755"],
    }
    files = {_TASK: json.dumps(task).encode(), **content}
    command = ["python", "-I", str(_PROGRAM)]
    outcome = bench.run(Task(command, files=files, readable=(_PROGRAM, _CATALOG), line=_TASK, limits=_LIMITS))
    if not outcome.succeeded:
        reason = outcome.reason(_LIMITS) or "it gave no answer"
        raise InstallRefusedError(f"The template cannot be rendered with these inputs: {reason}.")
    return _read(outcome.output)


def read_files(digest: str | None, settings_blobs: BlobStore) -> dict[str, File | None]:
    """Return the files that a blob holds; nothing where there is no blob."""
    return {} if digest is None else unpack(settings_blobs.read(digest))


def render_key(version: AssetVersion, inputs: Mapping[str, Any]) -> str:
    """Return what tells renderings apart: the version's bytes, the inputs, and the renderer."""
    shown = _without_secrets(version, inputs)
    return hashlib.sha256(canonical([version.blob_digest, shown, RENDERER])).hexdigest()


def _read(output: bytes) -> dict[str, File]:
    """Read what the program printed; what it says of paths is checked here once more, where nothing hostile runs."""
    try:
        document = json.loads(output)
        findings = [str(each["message"]) for each in document["findings"] if each["level"] == "error"]
        files = {
            str(path): (base64.b64decode(each["data"], validate=True), each["x"] is True)
            for path, each in document["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InstallRefusedError("The template cannot be rendered: it gave no readable answer.") from None
    if findings:
        raise InstallRefusedError(" ".join(findings[:5]))
    for path in files:
        check_path(path)
    return files


def check_path(path: str) -> None:
    """Raise ``InstallRefusedError`` for a path that leads out of a repository, or into git's own files."""
    parts = path.split("/")
    if (
        not path
        or path.startswith("/")
        or "\\" in path
        or "\0" in path
        or any(each in {"", ".", ".."} for each in parts)
    ):
        raise InstallRefusedError(f"The template would write {path[:120]!a}, outside the repository. Nothing was done.")
    if any(each.lower() in {".git", "git~1"} for each in parts):
        raise InstallRefusedError(f"The template would write {path[:120]!a}, which belongs to git. Nothing was done.")


def _without_secrets(version: AssetVersion, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _shown(version.input_schema or {}, inputs)


def _shown(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs without those that are ``writeOnly``, however deep they stand."""
    parts = schema.get("properties", {})
    shown: dict[str, Any] = {}
    for name, value in inputs.items():
        part = parts.get(name)
        if not isinstance(part, dict):
            shown[name] = value
        elif part.get("writeOnly") is not True:
            shown[name] = _shown(part, value) if isinstance(value, dict) else value
    return shown


def _archive(version: AssetVersion, blobs: BlobStore) -> bytes:
    try:
        return blobs.read(version.blob_digest)
    except BlobError as error:
        raise InstallRefusedError(f"The archive of this version cannot be read: {error}.") from None
