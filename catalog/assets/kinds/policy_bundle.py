"""Policy bundles: rules in Rego v1 as an OPA bundle, with their tests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from catalog.assets.findings import Finding
from catalog.assets.installation import InstallEffect
from catalog.assets.located import DocumentRefusedError, load_json
from catalog.assets.package import Package
from catalog.assets.shapes import Shape
from catalog.assets.skeletons import skeleton

_BUNDLE_MANIFEST = "content/.manifest"
_NOT_SENT = {
    "patch.json": "It would make the bundle a delta bundle: an agent would take the patch instead of rules and data.",
    ".signatures.json": "Agents would take it for the signature of the bundle, which is made when an agent fetches it.",
    "policy.wasm": "Rules are compiled here, from the sources that people can read.",
    "plan.json": "Rules are compiled here, from the sources that people can read.",
}
"""Names of files that mean something to an agent and are no publisher's to give."""
_COMMENTS = re.compile(r"^(?:\s|#[^\n]*\n)*")
_PACKAGE = re.compile(r"package\s+([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)[ \t]*(?:#[^\n]*)?(?:\n|$)")
_QUOTED = re.compile(r'"([A-Za-z0-9_.-]{1,100})"')

Entrypoint = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)+$")
]
RuleName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")]

ControlId = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9_. ()/:-]*[A-Za-z0-9)])?$")
]
"""The name of a control as its regime writes it, such as ``CC8.1`` or ``164.312(a)(2)(iv)``."""


class Control(Shape):
    """One control of a regime, and the rules that stand for it."""

    id: ControlId
    rules: Annotated[tuple[RuleName, ...], Field(min_length=1, max_length=100)]


class PolicySpec(Shape):
    """The ``spec`` of a policy bundle; ``level`` is what a violation means where a rule does not say."""

    entrypoints: Annotated[tuple[Entrypoint, ...], Field(min_length=1, max_length=50)]
    level: Literal["advisory", "mandatory"]
    regime: RuleName | None = None
    controls: Annotated[tuple[Control, ...], Field(max_length=500)] = ()


class PolicyBundle:
    """The kind ``policy-bundle``."""

    name = "policy-bundle"
    title = "Policy bundle"
    description = "Rules in Rego that releases and environments are held to, with their tests."
    spec: type[Shape] = PolicySpec
    sandboxed_steps: Mapping[str, str] = {"compile": "Compile the rules and run their tests"}

    def check(self, package: Package) -> Iterator[Finding]:
        """Yield what is wrong with the bundle's manifest, packages, entry points, controls and tests."""
        rules = [path for path in package.archive.under("content") if path.endswith(".rego")]
        tests = [path for path in package.archive.under("tests") if path.endswith("_test.rego")]
        if not rules:
            yield Finding("rego-missing", "content", None, "There are no .rego files.", "Add the rules.")
        if not tests:
            fix = "Add tests/NAME_test.rego."
            yield Finding("rego-tests", "tests", None, "The rules have no tests.", fix, "warning")
        for path in package.archive.under("content"):
            why = _NOT_SENT.get(path.rpartition("/")[2])
            if why is not None:
                yield Finding("bundle-file", path, None, why, "Remove the file.")
        roots, problems = _roots(package)
        yield from problems
        packages: set[str] = set()
        for path in [*rules, *tests]:
            name = _package_of(package.text(path))
            if name is None:
                yield Finding(
                    "rego-package", path, 1, "The file does not begin with a package.", "Write: package NAME."
                )
            elif path in rules:
                packages.add(name)
                if roots is not None and not any(name == root or name.startswith(f"{root}/") for root in roots):
                    message = f"The package {name.replace('/', '.')} lies outside the roots of {_BUNDLE_MANIFEST}."
                    yield Finding("rego-root", path, 1, message, "Add its root, or move the package.")
        reported = {name for path in rules for name in _QUOTED.findall(package.text(path))}
        yield from _check_spec(package, packages, reported)

    def install(self, manifest: Mapping[str, Any]) -> Sequence[InstallEffect]:
        """Return the binding that holds releases and environments to its rules."""
        spec = manifest["spec"]
        count = len(spec["entrypoints"])
        rules = "one entry point" if count == 1 else f"{count} entry points"
        then = "stops what breaks a rule" if spec["level"] == "mandatory" else "warns of what breaks a rule"
        text = f"Releases and environments of the scope that you choose are held to {rules}. Where a rule does not say "
        text += f"otherwise, it {then}. Before it is bound you see what it would have said of the latest releases."
        return [InstallEffect("policy-binding", "A policy binding", text)]

    def try_out(self, package: Package) -> Iterable[Finding]:  # noqa: ARG002
        """Find nothing: what is left to check needs the sandbox."""
        return ()

    def skeleton(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return a bundle with one rule and its tests."""
        return skeleton(self.name, namespace, name)


def _roots(package: Package) -> tuple[list[str] | None, list[Finding]]:
    def found(message: str, fix: str) -> list[Finding]:
        return [Finding("bundle-manifest", _BUNDLE_MANIFEST, None, message, fix)]

    if _BUNDLE_MANIFEST not in package.archive.files:
        return None, found("The bundle's manifest is missing.", 'Write {"revision": "0.1.0", "roots": ["NAME"]}.')
    try:
        document: Any = load_json(package.content(_BUNDLE_MANIFEST), _BUNDLE_MANIFEST)
    except DocumentRefusedError as refusal:
        return None, [refusal.finding]
    roots = document.get("roots") if isinstance(document, dict) else None
    if not isinstance(roots, list) or not roots or not all(isinstance(each, str) and each for each in roots):
        return None, found("The bundle does not say which roots it owns.", 'Write "roots": ["NAME"].')
    findings: list[Finding] = []
    if document.get("revision") != package.manifest.metadata.version:
        findings += found("The revision is not the asset's version.", "Give both the same text.")
    if document.get("rego_version", 1) != 1:
        findings += found("Only Rego v1 is accepted.", 'Write "rego_version": 1.')
    return roots, findings


def _package_of(text: str) -> str | None:
    match = _PACKAGE.match(text, _COMMENTS.match(text).end())  # type: ignore[union-attr]  # it matches the empty text
    return match[1].replace(".", "/") if match else None


def _check_spec(package: Package, packages: set[str], reported: set[str]) -> Iterator[Finding]:
    spec = package.document.value["spec"]
    for index, entrypoint in enumerate(spec["entrypoints"]):
        if entrypoint.rpartition("/")[0] not in packages:
            message = f"The entry point {entrypoint} is in no package of the bundle."
            fix = "Write the package's path and the rule, such as baseline/deny."
            yield package.finding("entrypoint", ("spec", "entrypoints", index), message, fix)
    for index, control in enumerate(spec.get("controls", ())):
        for rule in control["rules"]:
            if rule not in reported:
                message = f"No rule of the bundle reports {rule}."
                yield package.finding("control", ("spec", "controls", index), message, "Name a rule that exists.")


KIND = PolicyBundle()
