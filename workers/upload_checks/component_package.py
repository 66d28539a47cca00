"""The check of component packages: their wheel is looked into, and their components' types are read."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from threading import Event
from typing import Any

from catalog.assets import component_schemas
from catalog.assets.archive import LIMITS
from catalog.assets.artifacts import Artifact, Derived
from catalog.assets.findings import Finding, errors_of, printable
from catalog.assets.package import Package
from catalog.assets.schemas import check_schema
from workers.sandbox import MIB, SandboxLimits, Task
from workers.upload_checks import Bench, Result, answer, program, read_findings

_LOOK = SandboxLimits(wall_seconds=60, cpu_seconds=60, memory_bytes=512 * MIB, processes=8)
# An SDK of a large cloud takes seconds and hundreds of megabytes to import.
_IMPORT = SandboxLimits(wall_seconds=120, cpu_seconds=100, memory_bytes=1536 * MIB, file_bytes=32 * MIB)
_PYTHON = ("python", "-I")
_RESULT = "result.json"
_LARGEST_RESULT = 4 * MIB
SCHEMA_MEDIA_TYPE = "application/schema+json"


class ComponentPackageCheck:
    """The check of the kind ``component-package``."""

    name = "component-package"

    def check(self, package: Package, bench: Bench) -> Result:
        """Look into the wheel, and where that is sound read what its components take and give."""
        pattern = package.document.value["spec"]["wheel"]
        path = next(each for each in package.archive.under("content/dist") if fnmatchcase(each, pattern))
        wheel = package.archive.read(path)
        unwanted = Event()
        # Behind walls of its own, whatever the wheel is: so it need not be known to be sound before its types are read.
        with ThreadPoolExecutor(2, "wheel") as beside:
            reading = beside.submit(_read_types, path, wheel, bench, unwanted.is_set)
            looking = beside.submit(_inspect, path, wheel, bench, unwanted.is_set)
            try:
                bench.step("wheel")
                findings = looking.result()
                if errors_of(findings):
                    return Result(findings)
                bench.step("schema")
                read = reading.result()
            finally:
                unwanted.set()
        return Result([*findings, *read.findings], read.derived)


def _inspect(path: str, wheel: bytes, bench: Bench, is_unwanted: Callable[[], bool]) -> list[Finding]:
    file_name = PurePosixPath(path).name
    limits = {"files": LIMITS.files, "unpacked": LIMITS.unpacked, "ratio": LIMITS.ratio, "path": LIMITS.path}
    source = program("inspect_wheel")
    line = json.dumps({"wheel": file_name, "limits": limits})
    command = [*_PYTHON, str(source)]
    task = Task(command, files={file_name: wheel}, readable=(source,), line=line, limits=_LOOK)
    outcome = bench.run(task, is_unwanted)
    document = answer(outcome)
    if document is None:
        reason = outcome.reason(_LOOK) or "it gave no answer"
        message = f"The wheel cannot be looked into: {reason}."
        return [Finding("wheel-damaged", path, None, message, "Build it again.")]
    return read_findings(document["findings"], path)


def _read_types(path: str, wheel: bytes, bench: Bench, is_unwanted: Callable[[], bool]) -> Result:
    """Import the components in a run of their own, so that nothing of theirs can touch what is found beside it."""
    file_name = PurePosixPath(path).name
    source = program("analyze_components")
    line = json.dumps({"wheel": file_name})
    files = {file_name: wheel}
    command = [*_PYTHON, str(source)]
    task = Task(command, files=files, readable=(source,), collect=(_RESULT,), line=line, limits=_IMPORT)
    outcome = bench.run(task, is_unwanted)
    document = _document(outcome.files.get(_RESULT)) if outcome.stopped is None else None
    if document is None:
        reason = outcome.reason(_IMPORT) or "it gave no answer"
        message = f"The components cannot be imported: {reason}."
        return Result([Finding("components", path, None, message, "Do nothing at import but define them.")])
    if document.get("missing"):
        module = printable(str(document["missing"])[:100])
        message = (
            f"The components' types could not be read, because {module} is not installed where uploads are checked: "
            "there is no reference, no form and no compatibility check for this version."
        )
        fix = f"Have {module.replace('_', '-')} installed beside Slipway's worker, and publish the next version."
        return Result([Finding("components-dependency", path, None, message, fix, "warning")])
    if document.get("problem"):
        message = f"The components' types cannot be read: {printable(str(document['problem'])[:500])}."
        fix = "Annotate args in each component's __init__ with a class or TypedDict of plain types."
        return Result([Finding("components", path, None, message, fix)])
    if not document.get("schema"):
        message = "The wheel defines no component."
        fix = "Name them in __main__.py: component_provider_host(name=..., components=[...])."
        return Result([Finding("components-none", path, None, message, fix, "warning")])
    return _derive(path, document["schema"])


def _document(data: bytes | None) -> dict[str, Any] | None:
    if data is None or len(data) > _LARGEST_RESULT:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _derive(path: str, schema: Any) -> Result:
    try:
        component_schemas.reference(schema)
        inputs = component_schemas.input_schemas(schema)
        outputs = component_schemas.output_schemas(schema)
        data = _json(schema)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        message = f"The components' types make no schema: {printable(str(error)[:300])}."
        return Result([Finding("components", path, None, message, "Use plain types and named classes.")])
    artifacts = [Artifact(component_schemas.ARTIFACT, "application/json", data)]
    artifacts += [
        Artifact(f"inputs-{name}.schema.json", SCHEMA_MEDIA_TYPE, _json(each)) for name, each in inputs.items()
    ]
    whole, problems = check_schema(_json(component_schemas.joined(inputs)), component_schemas.ARTIFACT)
    if errors_of(problems):
        message = f"There is no form for the components: {errors_of(problems)[0].message}"
        fix = "Give the components fewer or simpler inputs."
        finding = Finding("components-form", path, None, message, fix, "warning")
        return Result([finding], Derived(tuple(artifacts)))
    return Result((), Derived(tuple(artifacts), whole, component_schemas.joined(outputs)))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode()


CHECK = ComponentPackageCheck()
