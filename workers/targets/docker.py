"""The target `docker`: a network for the environment, an image and a container for each service, and a route."""

from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service
from workers.targets.images import named_image
from workers.targets.local import ROUTE, checkout, health_of, resource_of

PORT = 8080
"""Where the service in a container listens; `PORT` says so to it, as on the local target."""
NETWORK = "network_own"
"""No component is called so: names of components hold no underscores."""


class DockerPrograms:
    """Runs images: those that the blueprint names, or those that are built from a checkout of the commit."""

    name = "docker"
    applications = frozenset({"slipway:docker:Image", "slipway:docker:Container"})
    routes = frozenset({"slipway:local:Route"})

    def address(self, service: str) -> Address:
        """Return the name that the environment's network knows a service by."""
        return Address(service, str(PORT), f"http://{service}:{PORT}/")

    def public_url(self, service: str, known: str) -> str:
        """Return what the router is known by."""
        del service
        return escaped(known)

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return checkout, network, images, containers and route; the route changes once everything else is there."""
        containers = [_container(environment, service, place) for service in environment.services]
        route = ProgramResource(
            name=ROUTE,
            type="slipway:local:Route",
            inputs={"host": environment.hostname, "port": f"${{{resource_of(environment.public)}.port}}"},
            depends_on=(*(each.name for each in containers), *(each.name for each in environment.parts)),
        )
        return StackProgram(
            resources=(*_kept(environment, place), *containers, route),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return everything but the containers; the address leads to the portal, which wakes what is visited."""
        inputs = {"host": environment.hostname, "port": place.settings.port}
        route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs=inputs)
        return StackProgram(resources=(*_kept(environment, place), route), parts=environment.parts)


def _kept(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return what stays while an environment sleeps."""
    network = ProgramResource(
        name=NETWORK,
        type="slipway:docker:Network",
        inputs={"environment_id": str(environment.environment_id)},
    )
    images = [_image(environment, each, place) for each in environment.services if _is_built(environment, each, place)]
    files = (checkout(environment, place),) if environment.with_files else ()
    return (*files, network, *images)


def _is_built(environment: Description, service: Service, place: Place) -> bool:
    return named_image(environment, service, place.settings) is None


def _image(environment: Description, service: Service, place: Place) -> ProgramResource:
    inputs = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "root": "${checkout.directory}",
        "directory": _folder(service),
        "revision": environment.revision,
        "base": escaped(place.settings.docker_base_image),
    }
    return ProgramResource(name=f"image_{service.name}", type="slipway:docker:Image", inputs=inputs)


def _container(environment: Description, service: Service, place: Place) -> ProgramResource:
    image = named_image(environment, service, place.settings)
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "network": f"${{{NETWORK}.id}}",
        "image": f"${{image_{service.name}.id}}" if image is None else escaped(image),
        "port": PORT,
        "env": dict(service.env),
        "limits": service.limits.model_dump(),
    }
    if service.command is not None:
        inputs["command"] = escaped(service.command)
    elif service.procfile is not None:
        inputs |= {"procfile_entry": service.procfile, "root": "${checkout.directory}", "directory": _folder(service)}
    if service.probe is not None:
        inputs["health"] = health_of(service.probe)
    return ProgramResource(
        name=resource_of(service.name),
        type="slipway:docker:Container",
        inputs=inputs,
        depends_on=tuple(resource_of(each) for each in service.depends_on),
        secret_inputs=("env",),
    )


def _folder(service: Service) -> str:
    top = "${checkout.directory}"
    return top if service.directory is None else f"{top}/{service.directory}"


TARGET = DockerPrograms()
