"""Deployment blueprints: what an environment is made of, and how long it lives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from catalog.assets.blueprint_spec import (
    BlueprintSpec,
    DeploymentSpec,
    makes_environments,
    parse_deployment,
    parse_spec,
)
from catalog.assets.compatibility.normal import kinds_of, parts_of
from catalog.assets.durations import parse_duration, words_of
from catalog.assets.environment_checks import check_environment, input_problem
from catalog.assets.findings import Finding
from catalog.assets.installation import InstallEffect, listing
from catalog.assets.offers import needs_of
from catalog.assets.package import Package
from catalog.assets.shapes import Shape, dotted, suggestion
from catalog.assets.skeletons import skeleton
from catalog.assets.strategy_checks import check_strategy
from catalog.assets.strategy_spec import ROLLOUT_VALUES
from catalog.assets.wired_types import at, plain
from catalog.assets.wiring import Reference, references
from catalog.providers.targets import providers
from catalog.providers.targets.offers import lacking


class DeploymentBlueprint:
    """The kind ``deployment-blueprint``."""

    name = "deployment-blueprint"
    title = "Deployment blueprint"
    description = "What a preview environment is made of, or how a release takes the place of the one before."
    spec: type[Shape] = DeploymentSpec
    sandboxed_steps: Mapping[str, str] = {}

    def check(self, package: Package) -> Iterator[Finding]:
        """Yield what is wrong with components, wiring, outputs and times, and with a strategy."""
        manifest = package.document.value
        whole = parse_deployment(manifest)
        yield from _unknown_targets(package, whole.targets or ())
        if whole.strategy is not None:
            yield from check_strategy(package, whole.strategy)
            yield from _strategy_wiring(package, manifest["spec"]["strategy"])
        if makes_environments(manifest):
            spec = parse_spec(manifest)
            yield from check_environment(package, spec)
            yield from _lacking_targets(package, spec)
        elif whole.strategy is None:
            fix = "Add environment, strategy, or both."
            yield package.finding("blueprint-empty", ("spec",), "The blueprint says nothing.", fix)
        elif whole.ttl is not None:
            message = "A time to live belongs to an environment, and there is none."
            yield package.finding("ttl", ("spec", "ttl"), message, "Remove it.")

    def install(self, manifest: Mapping[str, Any]) -> Sequence[InstallEffect]:
        """Return the environments, the rollout strategy, or both, that it brings."""
        spec = manifest["spec"]
        effects = []
        if spec.get("environment"):
            parts = listing(list(spec["environment"].get("components") or ["what a file of the repository says"]))
            life = words_of(parse_duration((spec.get("ttl") or {}).get("default", "P3D")))
            text = (
                f"Each request makes an environment of a pull request, with {parts}, at an address of its own. It is "
            )
            text += f"destroyed when the pull request is closed, or after {life} unless somebody extends it."
            effects.append(InstallEffect("environment", "Environments", text))
        if spec.get("strategy"):
            text = (
                f"Releases can be rolled out by it: {spec['strategy'].get('type', 'a strategy')}, with the gates that "
            )
            text += "it names. A rollout goes back by itself where they are not met."
            effects.append(InstallEffect("strategy", "A rollout strategy", text))
        return effects

    def try_out(self, package: Package) -> Iterable[Finding]:  # noqa: ARG002
        """Find nothing: what is left to check needs the sandbox."""
        return ()

    def skeleton(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """Return a blueprint that runs the ``web`` process of the repository's ``Procfile``."""
        return skeleton(self.name, namespace, name)


def _unknown_targets(package: Package, named: Sequence[str]) -> Iterator[Finding]:
    """Yield the targets of which there is no implementation here."""
    known = sorted(providers())
    for index, name in enumerate(named):
        if name not in known:
            message = f"There is no target {name}; there are {listing(known)}."
            yield package.finding("field-value", ("spec", "targets", index), message, suggestion(name, known))


def _lacking_targets(package: Package, spec: BlueprintSpec) -> Iterator[Finding]:
    """Yield the targets that the blueprint goes to and that do not offer what it needs."""
    known = providers()
    for index, name in enumerate(spec.targets or ()):
        problem = lacking(known[name], needs_of(spec)) if name in known else ""
        if problem:
            fix = f"Take {name} out of spec.targets, or the component out of the blueprint."
            yield package.finding("target-offer", ("spec", "targets", index), problem, fix)


def _strategy_wiring(package: Package, strategy: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield references in an analysis that lead nowhere; conditions hold those to inputs alone."""
    for index, metric in enumerate((strategy.get("analysis") or {}).get("metrics", ())):
        for field, text in metric.items():
            place = ("spec", "strategy", "analysis", "metrics", index, field)
            for reference in references(text) if isinstance(text, str) else ():
                problem = _rollout_problem(reference, package.input_schema, compared=field.endswith("Condition"))
                if problem is not None:
                    yield package.finding("wiring", place, f"{dotted(place)}: {problem[0]}", problem[1])


def _rollout_problem(reference: Reference, schema: Mapping[str, Any], *, compared: bool) -> tuple[str, str] | None:
    if reference.root == "inputs":
        problem = input_problem(reference, schema, shown=True)
        found = at(plain(schema), reference.path[1:]) if problem is None and compared else None
        if found is not None and not kinds_of(parts_of(found[0])) <= {"integer", "fraction"}:
            return (f"{reference} is compared with a number and may be something else.", "Write type: number for it.")
        return problem
    if reference.root != "rollout":
        return (f"{reference} is not known in a strategy.", suggestion(reference.root, ["inputs", "rollout"]))
    if len(reference.path) > 2 or reference.path[1] not in ROLLOUT_VALUES:
        return (f"{reference} does not exist.", suggestion(reference.path[1], list(ROLLOUT_VALUES)))
    return None


KIND = DeploymentBlueprint()
