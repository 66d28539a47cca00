"""The local target: a checkout, a process for each service, and a route to one of them."""

from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service

CHECKOUT = "checkout"
ROUTE = "route"
LOOPBACK = "127.0.0.1"


class LocalPrograms:
    """Runs the commands of a checkout of the commit; images are for other targets."""

    name = "local"
    applications = frozenset({"slipway:local:Process"})
    routes = frozenset({"slipway:local:Route"})

    def address(self, service: str) -> Address:
        """Return the port that the process host has chosen."""
        port = f"${{{service}.port}}"
        return Address(LOOPBACK, port, f"http://{LOOPBACK}:{port}/")

    def public_url(self, service: str, known: str) -> str:
        """Return what the router is known by."""
        del service
        return escaped(known)

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return checkout, processes and route; the route changes once everything else is there."""
        processes = [_process(environment, service) for service in environment.services]
        port = self.address(environment.public).port
        route = ProgramResource(
            name=ROUTE,
            type="slipway:local:Route",
            inputs={"host": environment.hostname, "port": port},
            depends_on=(*(each.name for each in processes), *(each.name for each in environment.parts)),
        )
        return StackProgram(
            resources=(checkout(environment, place), *processes, route),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return checkout and route: the address leads to the portal, which wakes what is visited."""
        inputs = {"host": environment.hostname, "port": place.settings.port}
        route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs=inputs)
        return StackProgram(resources=(checkout(environment, place), route), parts=environment.parts)


def checkout(environment: Description, place: Place) -> ProgramResource:
    """Return the resource that puts the commit's files into a folder of their own."""
    inputs = {
        "repository": str(place.mirror),
        "commit": environment.revision,
        "directory": str(place.directory / environment.revision[:16]),
    }
    return ProgramResource(name=CHECKOUT, type="slipway:local:Checkout", inputs=inputs)


def _process(environment: Description, service: Service) -> ProgramResource:
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "directory": f"${{{CHECKOUT}.directory}}",
        "env": dict(service.env),
        "limits": service.limits.model_dump(),
    }
    if service.command is not None:
        inputs["command"] = escaped(service.command)
    else:
        inputs["procfile_entry"] = service.procfile or "web"
    if service.probe is not None:
        inputs["health"] = {"path": service.probe.path, "timeout_seconds": service.probe.timeout_seconds}
    return ProgramResource(name=service.name, type="slipway:local:Process", inputs=inputs, secret_inputs=("env",))


TARGET = LocalPrograms()
