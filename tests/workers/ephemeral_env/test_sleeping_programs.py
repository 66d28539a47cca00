"""Which components stay while their environment sleeps: none that runs something, and all others."""

from pathlib import Path
from uuid import UUID

from catalog.assets.blueprint_spec import parse_spec
from catalog.environments.service import DeployPlan
from catalog.providers.scm import PullRequest, PullRequestState
from catalog.settings import Settings
from workers.environment_parts import PartPackage
from workers.environment_program import sleeping_program
from workers.targets import Place

PROCESS = "slipway:local:Process"
PACKAGE = PartPackage(Path("things.whl"), (), ("demo",))


def plan_of(parts: list[str]) -> DeployPlan:
    """Return the plan of an environment with a process and these components of a package."""
    shared = {"type": "component", "uses": "acme/things", "component": "Shelf", "inputs": {}}
    components = {
        "web": {"type": "process", "source": "${source.revision}", "procfile": "web"},
        **dict.fromkeys(parts, shared),
    }
    environment = {"components": components, "outputs": {"url": "${web.url}"}}
    return DeployPlan(
        tenant_id=UUID(int=1),
        environment_id=UUID(int=2),
        generation=1,
        operation_id=UUID(int=3),
        name="shop-pr-1",
        hostname="shop-pr-1.localhost",
        url="http://shop-pr-1.localhost/",
        repository="shop",
        pull_request=PullRequest(1, PullRequestState.OPEN, "a" * 40, "main"),
        head_sha="a" * 40,
        spec=parse_spec({"spec": {"environment": environment}}),
        inputs={},
    )


def kept(parts: list[str], *running: str) -> list[str]:
    """Return the components that stay, where these processes run."""
    place = Place(Settings(), Path("mirror"), Path("files"))
    present = [{"type": PROCESS, "name": each, "id": each} for each in running]
    program = sleeping_program(plan_of(parts), place, dict.fromkeys(parts, PACKAGE), present)
    return [each.name for each in program.parts]


def test_a_part_goes_for_its_own_processes_and_not_for_those_of_a_namesake() -> None:
    assert kept(["store", "store-metrics"], "web", "store-metrics_side") == ["store"]
    assert kept(["store", "store-metrics"], "web", "store_side") == ["store-metrics"]
    assert kept(["store", "store-metrics"], "web") == ["store", "store-metrics"]
