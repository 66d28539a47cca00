"""The components of packages in an environment: their wheels, laid out for the engine while it works."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.assets.service import AssetService
from catalog.environments.service import DeployPlan
from catalog.errors import SlipwayError, UnavailableError
from workers.installers.components import Source, hold_to_state, package_schema, secret_inputs, wheel_of


@dataclass(frozen=True)
class PartPackage:
    """The package that a component of an environment comes from: its wheel in a file, and what of it is secret."""

    wheel: Path
    secret_inputs: tuple[str, ...]
    providers: tuple[str, ...]


@contextmanager
def part_packages(plan: DeployPlan, source: Source) -> Iterator[Mapping[str, PartPackage]]:
    """Yield the package of each component by its name in the plan, as the plan's lock chooses them.

    Raises ``SlipwayError`` where a version, or what is known of its types, is not there any more.
    """
    if plan.spec.environment.packaged:
        hold_to_state(source.settings)
    with tempfile.TemporaryDirectory(prefix="slipway-wheels-") as folder:
        yield {name: _package(plan, source, name, Path(folder)) for name in plan.spec.environment.packaged}


@contextmanager
def packages_left(plan: DeployPlan, source: Source, names: Collection[str]) -> Iterator[Mapping[str, PartPackage]]:
    """Yield the packages of these components as far as they are still there; raises ``UnavailableError`` alone."""
    with tempfile.TemporaryDirectory(prefix="slipway-wheels-") as folder:
        found = {}
        for name in names:
            try:
                hold_to_state(source.settings)
                found[name] = _package(plan, source, name, Path(folder))
            except UnavailableError:
                raise
            except SlipwayError:
                continue
        yield found


def _package(plan: DeployPlan, source: Source, name: str, folder: Path) -> PartPackage:
    component = plan.spec.environment.packaged[name]
    chosen = {str(each["asset"]): str(each["version"]) for each in plan.lock}
    namespace, _, asset = component.uses.partition("/")
    with source.session() as session:
        version = AssetService(session).version(plan.tenant_id, namespace, asset, chosen[component.uses])
    schema = package_schema(version, plan.tenant_id, source)
    wheel_name, wheel = wheel_of(version, source.settings)
    place = folder / name / wheel_name
    place.parent.mkdir()
    place.write_bytes(wheel)
    secret = secret_inputs(version, schema, component.component or "")
    return PartPackage(place, secret, source.settings.component_providers)
