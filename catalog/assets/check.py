"""The check of a package as a whole: the archive, the manifest, the schemas, the examples, and what its kind asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from catalog.assets.archive import Archive, PackageFile, build_archive, read_archive, read_tree
from catalog.assets.archive.names import MANIFEST
from catalog.assets.component_wheel import with_wheel
from catalog.assets.findings import Finding, errors_of, in_order, warnings_of
from catalog.assets.hints import check_hints
from catalog.assets.kinds import AssetKind, kinds
from catalog.assets.located import Bounds, DocumentRefusedError, load_json, load_yaml, read_text
from catalog.assets.manifest import API_VERSION, Manifest
from catalog.assets.package import MOST_READ, Package
from catalog.assets.schemas import check_schema
from catalog.assets.shapes import read_shape, suggestion
from catalog.errors import InvalidInputError
from catalog.forms.validation import field_errors

INPUT_SCHEMA = "inputs.schema.json"
INPUT_HINTS = "inputs.ui.json"
OUTPUT_SCHEMA = "outputs.schema.json"
_TEXT_BOUNDS = Bounds(size=1024 * 1024)


@dataclass(frozen=True)
class Checked:
    """The outcome of a check: every finding, and the package where its manifest could be read."""

    archive: Archive
    findings: tuple[Finding, ...]
    package: Package | None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the package from being published."""
        return errors_of(self.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is worth knowing and no more."""
        return warnings_of(self.findings)


def check_archive(source: BinaryIO | bytes) -> Checked:
    """Check an archive without running or unpacking anything; ``source`` must be seekable and stay open."""
    archive = read_archive(source)
    if MANIFEST not in archive.files:
        # Where the archive broke off the manifest may have been on its way: say only what is known.
        missing = Finding("manifest-missing", MANIFEST, None, "The manifest is missing.", "Add asset.yaml.")
        return Checked(archive, in_order([*archive.findings, *([missing] if archive.blob else [])]), None)
    if not archive.blob:
        return Checked(archive, archive.findings, None)
    findings = list(archive.findings)
    package = _read_package(archive, findings)
    if package is not None:
        findings += _check_texts(archive)
        findings += _check_examples(package)
        findings += _check_immutable(package)
    return Checked(archive, in_order(findings), package)


def check_directory(directory: Path, *, mtime: int = 0) -> tuple[Checked, bytes]:
    """Build the package in ``directory`` and check it; return the outcome and the archive's bytes.

    Raises ``InvalidInputError`` where there is no such folder.
    """
    if not directory.is_dir():
        raise InvalidInputError(f"{directory} is not a folder. Make a package with: slipway asset init KIND DIR.")
    tree = read_tree(directory)
    checked, data = check_files(tree.files, mtime=mtime)
    # The same name may be wrong in the folder and in the archive built from it.
    return replace(checked, findings=in_order([*tree.findings, *checked.findings])), data


def check_files(files: Mapping[str, PackageFile], *, mtime: int = 0) -> tuple[Checked, bytes]:
    """Build a package from files in memory and check it; return the outcome and the archive's bytes.

    A component package that brings sources and no wheel gets the wheel built from them.
    """
    complete, problems = with_wheel(files)
    data = build_archive(complete, mtime=mtime).data
    checked = check_archive(data)
    return replace(checked, findings=in_order([*problems, *checked.findings])), data


def try_out(checked: Checked) -> Checked:
    """Return the outcome with what rendering or running the package finds, on its author's own machine.

    Never called on a server, where a publisher's content is a stranger's.
    """
    if checked.package is None or checked.errors:
        return checked
    found = kinds()[checked.package.manifest.kind].try_out(checked.package)
    return replace(checked, findings=in_order([*checked.findings, *found]))


def asset_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of ``asset.yaml``, with the ``spec`` of every installed kind."""
    schema = Manifest.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    rules: list[dict[str, Any]] = []
    for name, kind in kinds().items():
        spec = kind.spec.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for part, definition in spec.pop("$defs", {}).items():
            definitions[f"{name}.{part}"] = definition
        definitions[name] = spec
        rules.append(
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": {"properties": {"spec": {"$ref": f"#/$defs/{name}"}}},
            }
        )
    schema["properties"]["kind"] = {"enum": sorted(kinds())}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://slipway.dev/schemas/asset.v1.json",
        "title": f"Slipway asset manifest ({API_VERSION})",
        **{key: value for key, value in schema.items() if key != "title"},
        "allOf": rules,
        "$defs": definitions,
    }


def _read_package(archive: Archive, findings: list[Finding]) -> Package | None:
    try:
        document = load_yaml(archive.read(MANIFEST, MOST_READ), MANIFEST)
    except DocumentRefusedError as refusal:
        findings.append(refusal.finding)
        return None
    manifest, problems = read_shape(Manifest, document, MANIFEST)
    findings += problems
    kind = _kind_of(document.value)
    if isinstance(document.value, dict) and isinstance(document.value.get("kind"), str) and kind is None:
        line = document.line(("kind",))
        message = f"There is no kind {document.value['kind'][:80]!a}."
        findings.append(
            Finding("unknown-kind", MANIFEST, line, message, suggestion(document.value["kind"], [*kinds()]))
        )
    spec_is_sound = False
    if kind is not None and isinstance(document.value.get("spec"), dict):
        spec, problems = read_shape(kind.spec, document, MANIFEST, ("spec",))
        findings += problems
        spec_is_sound = spec is not None
    if manifest is None:
        return None
    package = _with_schemas(Package(archive, document, manifest), findings)
    if kind is not None and spec_is_sound:
        findings += kind.check(package)
    return package


def _kind_of(manifest: Any) -> AssetKind | None:
    name = manifest.get("kind") if isinstance(manifest, dict) else None
    return kinds().get(name) if isinstance(name, str) else None


def _with_schemas(package: Package, findings: list[Finding]) -> Package:
    files = package.archive.files
    manifest = package.manifest
    declared = {
        INPUT_SCHEMA: manifest.inputs is not None,
        INPUT_HINTS: manifest.inputs is not None and manifest.inputs.ui is not None,
        OUTPUT_SCHEMA: manifest.outputs is not None,
    }
    for path, is_declared in declared.items():
        if is_declared and path not in files:
            place = ("outputs",) if path == OUTPUT_SCHEMA else ("inputs",)
            findings.append(package.finding("file-missing", place, f"{path} is missing.", "Add it."))
        if path in files and not is_declared:
            message = f"{path} is there but the manifest does not name it."
            findings.append(
                Finding("file-unused", path, None, message, "Name it under inputs or outputs in asset.yaml.")
            )
    input_schema = _schema(package, INPUT_SCHEMA, findings)
    hints: dict[str, Any] = {}
    if INPUT_HINTS in files:
        hints, problems = check_hints(package.content(INPUT_HINTS), INPUT_HINTS, input_schema)
        findings += problems
    return replace(
        package,
        input_schema=input_schema,
        input_hints=hints,
        output_schema=_schema(package, OUTPUT_SCHEMA, findings),
    )


def _schema(package: Package, path: str, findings: list[Finding]) -> dict[str, Any]:
    if path not in package.archive.files:
        return {}
    schema, problems = check_schema(package.content(path), path)
    findings += problems
    return schema


def _check_texts(archive: Archive) -> Iterator[Finding]:
    if "README.md" not in archive.files:
        yield Finding("readme-missing", "README.md", None, "There is no README.md.", "Say what the asset is for.")
    if "CHANGELOG.md" not in archive.files:
        fix = "Say what changed in this version."
        yield Finding("changelog-missing", "CHANGELOG.md", None, "There is no CHANGELOG.md.", fix, "warning")
    for path in ("README.md", "CHANGELOG.md"):
        if path in archive.files:
            try:
                read_text(archive.read(path, MOST_READ), path, _TEXT_BOUNDS)
            except DocumentRefusedError as refusal:
                yield refusal.finding


def example_paths(archive: Archive) -> list[str]:
    """Return the paths of the examples' inputs: ``examples/NAME/inputs.json``, and nothing of what they render to."""
    return [path for path in archive.under("examples") if path.endswith("/inputs.json") and path.count("/") == 2]


def _check_examples(package: Package) -> Iterator[Finding]:
    for path in example_paths(package.archive):
        try:
            values = load_json(package.content(path), path)
        except DocumentRefusedError as refusal:
            yield refusal.finding
            continue
        if not package.input_schema:
            if INPUT_SCHEMA not in package.archive.files:
                message = "There is an example of inputs, but the asset takes none."
                yield Finding("example", path, None, message, "Add inputs.schema.json, or remove the example.")
            continue
        for error in field_errors(package.input_schema, values):
            message = f"{error.pointer or '/'} does not fit inputs.schema.json: {error.detail}"
            yield Finding("example", path, None, message, "Correct the example or the schema.")


def _check_immutable(package: Package) -> Iterator[Finding]:
    if package.manifest.inputs is None or not package.input_schema:
        return
    for index, pointer in enumerate(package.manifest.inputs.immutable):
        node: Any = package.input_schema
        for step in pointer[1:].split("/"):
            node = node.get("properties", {}).get(step) if isinstance(node, dict) else None
        if node is None:
            place = ("inputs", "immutable", index)
            yield package.finding("immutable", place, f"{pointer} is not an input.", "Name one of inputs.schema.json.")
