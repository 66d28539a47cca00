"""What a pipeline template's examples render to, held against what is expected and what the CI systems accept.

Rendering runs what a publisher wrote: on a server this happens inside the sandbox only. It needs no session and no
settings, so an author's own machine can do the same with ``slipway asset check``.
"""

import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from pathlib import PurePosixPath
from typing import Any

import jsonschema
import yaml
from jinja2 import TemplateError

from catalog.assets.findings import Finding, printable
from catalog.assets.located import Bounds, DocumentRefusedError, load_yaml
from catalog.assets.pipeline_files import TEMPLATE_SUFFIX, render_target

YAML_BOUNDS = Bounds(size=256 * 1024, depth=64, aliases=1000, nodes=50_000)
LARGEST_RENDERED = 1024 * 1024
"""How large one rendered file may be, in bytes."""
_GITHUB, _AZURE = "github-actions", "azure-pipelines"
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Target:
    """One of ``spec.targets``."""

    provider: str
    folder: str
    destination: str


@dataclass(frozen=True)
class Example:
    """One example: its name, what templates are given, and its golden files by path (None where it has none)."""

    name: str
    inputs: Mapping[str, Any]
    expected: Mapping[str, bytes] | None


def check_examples(
    files: Mapping[str, bytes], targets: Sequence[Target], examples: Sequence[Example], asset: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield what is wrong with what each example renders to; ``files`` are those of the package below ``content``."""
    for example in examples:
        rendered, findings = render_example(files, targets, example, asset)
        yield from findings
        failed = any(each.rule in {"render", "render-size"} for each in findings)
        for name, (data, path, provider) in rendered.items():
            for finding in _check_file(name, path, data, provider):
                yield _of_example(finding, example)
        if not failed:
            yield from _check_expected(example, {name: data for name, (data, _, _) in rendered.items()})


def render_example(
    files: Mapping[str, bytes], targets: Sequence[Target], example: Example, asset: Mapping[str, Any]
) -> tuple[dict[str, tuple[bytes, str, str]], list[Finding]]:
    """Return what an example renders to (content, template and CI system, by path), and why some of it does not."""
    rendered: dict[str, tuple[bytes, str, str]] = {}
    findings: list[Finding] = []
    for target in targets:
        for path in sorted(each for each in files if each.startswith(f"{target.folder}/")):
            values = {"inputs": example.inputs, "asset": asset}
            result, problem = _render(path, files[path], target, values)
            if problem is not None:
                findings.append(_of_example(problem, example))
            for name, data in result.items():
                findings += _place(name, path, rendered)
                rendered[name] = (data, path, target.provider)
    return rendered, findings


def _render(
    path: str, data: bytes, target: Target, values: Mapping[str, Any]
) -> tuple[dict[str, bytes], Finding | None]:
    try:
        result = render_target({path: data}, target.folder, target.destination, values)
    except TemplateError as error:
        fix = "Write what exists, or ask first: [% if inputs.x is defined %]."
        return {}, Finding("render", path, _line(error), f"It cannot be rendered: {printable(str(error)[:300])}.", fix)
    except UnicodeDecodeError:
        return {}, Finding("render", path, None, "It is not UTF-8 text.", "Save it as UTF-8, or leave .j2 out.")
    except MemoryError:
        fix = "Look for a loop or a value that grows."
        return {}, Finding("render", path, None, "Rendering it takes more memory than it may have.", fix)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        message = f"It cannot be rendered: {printable(f'{type(error).__name__}: {error}'[:300])}."
        return {}, Finding("render", path, _line(error), message, "Correct the expression.")
    if any(len(text) > LARGEST_RENDERED for text in result.values()):
        message = f"It renders to more than {LARGEST_RENDERED} bytes."
        return {}, Finding("render-size", path, None, message, "Make what it renders smaller.")
    return result, None


def _line(error: BaseException) -> int | None:
    """Return the line of the template at which an error came up, where the traceback says so."""
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return frames[-1] if frames else getattr(error, "lineno", None)


def _place(name: str, path: str, rendered: Mapping[str, object]) -> Iterator[Finding]:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or ".git" in parts or not parts:
        message = f"It would become {printable(name[:120])!a}, outside what a template may write."
        yield Finding("render-path", path, None, message, "Correct the target's folder.")
    elif name in rendered:
        message = f"Two files become {printable(name[:120])}."
        yield Finding("render-overlap", path, None, message, "Rename one, or give the targets different folders.")


def _check_file(name: str, path: str, data: bytes, provider: str) -> Iterator[Finding]:
    if not name.endswith((".yml", ".yaml")):
        return
    try:
        document = load_yaml(data, name, YAML_BOUNDS)
    except DocumentRefusedError as refusal:
        found = refusal.finding
        line = found.line if not path.endswith(TEMPLATE_SUFFIX) else None
        message = f"It renders to {name}, line {found.line or 1}: {found.message}"
        yield Finding("render-yaml", path, line, message, found.fix)
        return
    schema = _schema_of(name, provider)
    if schema is None:
        return
    # Azure reads every plain value as a text.
    value = document.value if provider == _GITHUB else yaml.load(data, Loader=yaml.BaseLoader)  # noqa: S506  # it makes nothing but texts, lists and mappings
    for problem in sorted(_validator(schema).iter_errors(value), key=lambda each: list(map(str, each.absolute_path)))[
        :_MOST_PROBLEMS
    ]:
        best = jsonschema.exceptions.best_match([problem]) or problem
        line = document.line(tuple(best.absolute_path))
        place = "/".join(map(str, best.absolute_path)) or "the document"
        message = f"It renders to {name}, line {line}, which {provider} does not accept: "
        message += f"{printable(place[:120])}: {printable(best.message[:240])}."
        yield Finding("render-schema", path, None, message, "See the CI system's reference of this part.")


def _schema_of(name: str, provider: str) -> str | None:
    if provider == _AZURE:
        return "azure-pipelines"
    if name.startswith(".github/workflows/"):
        return "github-workflows"
    return "github-actions" if PurePosixPath(name).name in {"action.yml", "action.yaml"} else None


@cache
def _validator(name: str) -> Any:
    text = resources("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{name}.json").read_text("utf-8")
    schema = json.loads(text)
    return jsonschema.validators.validator_for(schema)(schema)


def _check_expected(example: Example, rendered: Mapping[str, bytes]) -> Iterator[Finding]:
    folder = f"examples/{example.name}/expected"
    if example.expected is None:
        message = f"The example {example.name} does not say what it renders to."
        fix = f"Keep the rendered files under {folder}, so that a change of them is seen."
        yield Finding("golden-missing", folder, None, message, fix, "warning")
        return
    for name in sorted(example.expected.keys() | rendered.keys()):
        path = f"{folder}/{name}"
        if name not in rendered:
            yield Finding("golden", path, None, "Nothing renders to this file.", "Remove it.")
        elif name not in example.expected:
            message = f"The example renders to {printable(name)}, which is not expected."
            yield Finding("golden", folder, None, message, "Add it, or correct the templates.")
        elif rendered[name] != example.expected[name]:
            line, found = _first_difference(example.expected[name], rendered[name])
            message = f"The example renders to something else in line {line}: {printable(found[:120])!a}."
            yield Finding("golden", path, line, message, "Correct the template, or keep what it renders to.")


def _first_difference(expected: bytes, found: bytes) -> tuple[int, str]:
    before = expected.decode("utf-8", "replace").splitlines()
    after = found.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(after):
        if number >= len(before) or before[number] != line:
            return number + 1, line
    return len(after) + 1, "(the end)"


def _of_example(finding: Finding, example: Example) -> Finding:
    message = finding.message if not example.name else f"With the example {example.name}: {finding.message}"
    return Finding(finding.rule, finding.path, finding.line, message, finding.fix, finding.level)
