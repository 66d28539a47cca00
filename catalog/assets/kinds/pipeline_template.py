"""Pipeline templates: files for a CI system, rendered from inputs and proposed as a pull request."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from jinja2 import Environment, TemplateSyntaxError, nodes
from pydantic import Field, StringConstraints

from catalog.assets.archive.names import check_name
from catalog.assets.findings import Finding
from catalog.assets.installation import InstallEffect, listing
from catalog.assets.located import Bounds, DocumentRefusedError, check_yaml_syntax
from catalog.assets.package import Package
from catalog.assets.pipeline_checks import check_examples
from catalog.assets.pipeline_examples import content_of, examples_of, targets_of
from catalog.assets.pipeline_files import MARKS, TEMPLATE_SUFFIX
from catalog.assets.shapes import Shape, suggestion
from catalog.assets.skeletons import skeleton

MOST_TEXT = 512 * 1024
"""How many bytes of templates and YAML one package may have, because each is parsed when it is checked."""

_SYSTEMS = {"github-actions": "GitHub Actions", "azure-pipelines": "Azure Pipelines"}
_YAML_BOUNDS = Bounds(size=128 * 1024, depth=64, aliases=1000, nodes=50_000)
# Only ever asked to parse: rendering belongs to a sandboxed worker.
_SYNTAX = Environment(autoescape=False, **MARKS)  # noqa: S701  (the output is YAML, not HTML)

Folder = Annotated[str, StringConstraints(max_length=240, pattern=r"^content(?:/[^/\r\n]+)*$")]
Destination = Annotated[str, StringConstraints(min_length=1, max_length=240, pattern=r"^[^/\r\n][^\r\n]*$")]


class PipelineTarget(Shape):
    """Where the files for one CI system are in the package, and where they go in the repository."""

    provider: Literal["github-actions", "azure-pipelines"]
    from_: Annotated[Folder, Field(alias="from")]
    to: Destination


class PipelineSpec(Shape):
    """The ``spec`` of a pipeline template."""

    targets: Annotated[tuple[PipelineTarget, ...], Field(min_length=1, max_length=10)]


class PipelineTemplate:
    """The kind ``pipeline-template``."""

    name = "pipeline-template"
    title = "Pipeline template"
    description = "Workflows for a CI system, rendered from inputs and proposed to a repository as a pull request."
    spec: type[Shape] = PipelineSpec
    sandboxed_steps: Mapping[str, str] = {"render": "Render the examples"}

    def check(self, package: Package) -> Iterator[Finding]:
        """Yield targets without files or with bad destinations, and files whose syntax or references are wrong."""
        for index, target in enumerate(package.document.value["spec"]["targets"]):
            if not package.archive.under(target["from"]):
                message = f"There are no files under {target['from']}."
                place = ("spec", "targets", index, "from")
                yield package.finding("target-empty", place, message, "Add them, or correct the folder.")
            if target["to"] != ".":
                for problem in check_name(target["to"].removesuffix("/")):
                    yield package.finding(problem.rule, ("spec", "targets", index, "to"), problem.message, problem.fix)
        left = MOST_TEXT
        for path in package.archive.under("content"):
            if not path.endswith((TEMPLATE_SUFFIX, ".yml", ".yaml")):
                continue
            left -= package.archive.files[path].size
            if left < 0:
                message = f"The pipelines have more than {MOST_TEXT} bytes of text."
                yield Finding("text-size", path, None, message, "Split the asset, or make the files smaller.")
                break
            yield from _check_template(package, path) if path.endswith(TEMPLATE_SUFFIX) else _check_yaml(package, path)

    def install(self, manifest: Mapping[str, Any]) -> Sequence[InstallEffect]:
        """Return the pull request that brings the rendered files."""
        targets = manifest["spec"]["targets"]
        systems = listing([_SYSTEMS.get(each["provider"], each["provider"]) for each in targets])
        places = listing(["the top folder" if each["to"] == "." else each["to"] for each in targets])
        text = (
            f"It adds the pipelines for {systems} to the repository that you choose, in {places}. Nothing is merged by "
        )
        text += (
            "itself. An upgrade is another pull request, which keeps what you have changed and shows every conflict."
        )
        return [InstallEffect("pull-request", "A pull request", text)]

    def try_out(self, package: Package) -> Iterator[Finding]:
        """Render the examples, as the sandbox does before publishing."""
        examples, findings = examples_of(package)
        yield from findings
        metadata = package.document.value["metadata"]
        yield from check_examples(content_of(package), targets_of(package), examples, metadata)

    def skeleton(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return a template with one GitHub Actions workflow."""
        return skeleton(self.name, namespace, name)


def _check_yaml(package: Package, path: str) -> Iterator[Finding]:
    try:
        check_yaml_syntax(package.content(path), path, _YAML_BOUNDS)
    except DocumentRefusedError as refusal:
        yield refusal.finding


def _check_template(package: Package, path: str) -> Iterator[Finding]:
    try:
        tree = _SYNTAX.parse(package.text(path))
    except TemplateSyntaxError as error:
        message = f"Not a valid template: {error.message}"
        yield Finding("template", path, error.lineno, message, "Values read [[ x ]], blocks [% x %].")
        return
    except RecursionError:
        yield Finding("template", path, None, "The template nests too deep.", "Make it flatter.")
        return
    properties: Mapping[str, Any] = package.input_schema.get("properties", {})
    for attribute in tree.find_all(nodes.Getattr):
        is_input = isinstance(attribute.node, nodes.Name) and attribute.node.name == "inputs"
        if is_input and attribute.attr not in properties:
            message = f"inputs.{attribute.attr} is not in inputs.schema.json."
            fix = suggestion(attribute.attr, [*properties])
            yield Finding("template-input", path, attribute.lineno, message, fix)
    set_here = {each.name for each in tree.find_all(nodes.Name) if each.ctx in {"store", "param"}}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name not in {"inputs", "asset", "loop", "true", "false", "none", *set_here}:
            message = f"The template uses {name.name}, which it is not given."
            yield Finding("template-name", path, name.lineno, message, f"Write inputs.{name.name}.")


KIND = PipelineTemplate()
