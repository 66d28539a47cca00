"""The programs that targets make of an environment."""

from pathlib import Path
from uuid import UUID

import pytest

from catalog.settings import Settings
from workers.engine.references import in_order
from workers.targets import Description, Place, Service, program_target

IMAGE = "registry.example.com/shop@sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "running", "others"),
    [
        ("local", "Process", ["Checkout", "Route"]),
        ("docker", "Container", ["Checkout", "Network", "Route"]),
        ("kubernetes", "Deployment", ["Checkout", "Ingress", "Namespace"]),
    ],
)
def test_components_may_be_called_as_the_targets_own_resources_are(
    tmp_path: Path, name: str, running: str, others: list[str]
) -> None:
    target = program_target(name)
    takes = {"ROUTE_PORT": target.address("route").port}
    services = (
        Service("checkout", command="serve", image=IMAGE, env=takes, depends_on=("route",)),
        Service("route", procfile="web", image=IMAGE),
    )
    environment = Description(
        tenant_id=UUID(int=1),
        environment_id=UUID(int=2),
        name="shop-pr-1",
        hostname="shop.localhost",
        url="http://shop.localhost/",
        repository="/srv/shop",
        revision="1" * 40,
        services=services,
        public="checkout",
        outputs={"url": target.address("checkout").url},
    )
    place = Place(Settings(data_dir=tmp_path), tmp_path, tmp_path)

    ordered = in_order(target.program(environment, place))

    types = [each.type.rpartition(":")[2] for each in ordered if hasattr(each, "type")]
    assert sorted(types) == sorted([*others, running, running])
    named = [each.inputs["name"] for each in ordered if hasattr(each, "type") and each.type.endswith(running)]
    assert named == ["route", "checkout"], "what others see keeps the component's name, and what is needed comes first"
