"""The components of packages in an environment: their wheels, laid out for the engine while it works."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.assets.service import AssetService
from catalog.environments.service import DeployPlan
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
    packaged = plan.spec.environment.packaged
    if packaged:
        hold_to_state(source.settings)
    chosen = {str(each["asset"]): str(each["version"]) for each in plan.lock}
    with tempfile.TemporaryDirectory(prefix="slipway-wheels-") as folder:
        found = {}
        for name, component in packaged.items():
            namespace, _, asset = component.uses.partition("/")
            with source.session() as session:
                version = AssetService(session).version(plan.tenant_id, namespace, asset, chosen[component.uses])
            schema = package_schema(version, plan.tenant_id, source)
            wheel_name, wheel = wheel_of(version, source.settings)
            place = Path(folder) / name / wheel_name
            place.parent.mkdir()
            place.write_bytes(wheel)
            secret = secret_inputs(version, schema, component.component or "")
            found[name] = PartPackage(place, secret, source.settings.component_providers)
        yield found
