"""The examples of a pipeline template as they are rendered: complete inputs, and what is expected of each."""

import json

from catalog.assets.findings import Finding
from catalog.assets.inputs import InvalidInputsError, complete_inputs
from catalog.assets.package import Package
from catalog.assets.pipeline_checks import Example, Target

_INPUTS = "/inputs.json"


def targets_of(package: Package) -> list[Target]:
    """Return the package's ``spec.targets``."""
    found = package.document.value["spec"]["targets"]
    return [Target(each["provider"], each["from"], each["to"].removesuffix("/")) for each in found]


def examples_of(package: Package) -> tuple[list[Example], list[Finding]]:
    """Return the examples with their inputs completed; one without inputs stands for a template that needs none."""
    examples: list[Example] = []
    for path in package.archive.under("examples"):
        name = path.removeprefix("examples/").removesuffix(_INPUTS)
        if path.endswith(_INPUTS) and "/" not in name:
            given = json.loads(package.content(path))
            examples.append(Example(name, complete_inputs(package.input_schema, given), _expected(package, name)))
    if examples:
        return examples, []
    try:
        return [Example("", complete_inputs(package.input_schema, {}), None)], []
    except InvalidInputsError:
        fix = "Add examples/default/inputs.json."
        message = "There is no example, and the template cannot be rendered without inputs."
        return [], [Finding("example-missing", "examples", None, message, fix)]


def content_of(package: Package) -> dict[str, bytes]:
    """Return the files that targets are made of."""
    return {path: package.archive.read(path) for path in package.archive.under("content")}


def _expected(package: Package, name: str) -> dict[str, bytes] | None:
    folder = f"examples/{name}/expected"
    found = {path.removeprefix(f"{folder}/"): package.archive.read(path) for path in package.archive.under(folder)}
    return dict(found) or None
