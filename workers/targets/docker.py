"""The target `docker`: a network for the environment, an image and a container for each service, and a route."""

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import BackingService, Description, Place, SeedData, Service
from workers.targets.containers import (
    NamedServices,
    component,
    filler,
    folder_of,
    is_built,
    needed,
    root_of,
    seed_inputs,
    server_inputs,
    service_inputs,
)
from workers.targets.images import named_image, revision_of
from workers.targets.local import ROUTE, checkouts, resource_of, seed_name

NETWORK = "network_own"
"""No component is called so: names of components hold no underscores."""
CONTAINER = "slipway:docker:Container"


class DockerPrograms(NamedServices):
    """Runs images: those that the blueprint names, or those that are built from a checkout of the commit."""

    name = "docker"
    applications = frozenset({"slipway:docker:Image", CONTAINER, "slipway:docker:Seed"})
    routes = frozenset({"slipway:local:Route"})

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return checkouts, network, images, containers and route; the route changes once everything else is there."""
        servers = [_server(environment, each, place) for each in environment.backing]
        seeds = [_seed(environment, each, each.seed, place) for each in environment.backing if each.seed is not None]
        containers = [_container(environment, service, place) for service in environment.services]
        route = ProgramResource(
            name=ROUTE,
            type="slipway:local:Route",
            inputs={"host": environment.hostname, "port": f"${{{resource_of(environment.public)}.host_port}}"},
            depends_on=(*(each.name for each in containers), *(each.name for each in environment.parts)),
        )
        return StackProgram(
            resources=(*_kept(environment, place), *servers, *seeds, *containers, route),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return everything but the containers; the address leads to the portal, which wakes what is visited."""
        inputs = {"host": environment.hostname, "port": place.settings.port}
        route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs=inputs)
        return StackProgram(resources=(*_kept(environment, place), route), parts=environment.parts)


def _kept(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return what stays while an environment sleeps; without the files of the commit nothing is built from them."""
    network = ProgramResource(
        name=NETWORK,
        type="slipway:docker:Network",
        inputs={"environment_id": str(environment.environment_id)},
    )
    if not environment.with_files:
        return (network,)
    built = [_image(environment, each, place) for each in environment.services if is_built(environment, each, place)]
    return (*checkouts(environment, place), network, *built)


def _image(environment: Description, service: Service, place: Place) -> ProgramResource:
    inputs = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "root": root_of(service),
        "directory": folder_of(service),
        "revision": revision_of(environment, service),
        "base": escaped(place.settings.docker_base_image),
    }
    return ProgramResource(name=f"image_{service.name}", type="slipway:docker:Image", inputs=inputs)


def _image_of(environment: Description, service: Service, place: Place) -> str:
    image = named_image(environment, service, place.settings)
    return f"${{image_{service.name}.id}}" if image is None else escaped(image)


def _container(environment: Description, service: Service, place: Place) -> ProgramResource:
    inputs = service_inputs(environment, service, _image_of(environment, service, place))
    network = {"network": f"${{{NETWORK}.id}}"}
    return component(service.name, CONTAINER, {**inputs, **network}, needed(environment, service))


def _server(environment: Description, server: BackingService, place: Place) -> ProgramResource:
    inputs = {**server_inputs(environment, server, place), "network": f"${{{NETWORK}.id}}"}
    return component(server.name, CONTAINER, inputs)


def _seed(environment: Description, server: BackingService, seed: SeedData, place: Place) -> ProgramResource:
    inputs = {**seed_inputs(environment, server, seed), "network": f"${{{NETWORK}.id}}"}
    if seed.sql is None:
        inputs["image"] = _image_of(environment, filler(environment, server.name), place)
    return component(seed_name(server.name), "slipway:docker:Seed", inputs, (resource_of(server.name),))


TARGET = DockerPrograms()
