"""The local target: a checkout, a process for each service, the servers behind them, and a route to one of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workers.engine import ComponentProgram, ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, BackingService, Description, Place, Probe, SeedData, Service, UnfitError
from workers.targets.servers import told

CHECKOUT = "checkout"
ROUTE = "route"
LOOPBACK = "127.0.0.1"


class LocalPrograms:
    """Runs the commands of a checkout of the commit; images are for other targets."""

    name = "local"
    applications = frozenset({"slipway:local:Process", "slipway:local:Backing", "slipway:local:Seed"})
    routes = frozenset({"slipway:local:Route"})
    keeps_servers = False

    def address(self, service: str) -> Address:
        """Return the port that the process host has chosen."""
        port = f"${{{resource_of(service)}.port}}"
        return Address(LOOPBACK, port, f"http://{LOOPBACK}:{port}/")

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server, which is where the process host has put it."""
        return told(kind, self.address(name), password)

    def public_url(self, service: str, known: str) -> str:
        """Return what the router is known by."""
        del service
        return escaped(known)

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return everything, and the route, which changes once all processes are healthy and all parts are there."""
        servers = [_server(environment, each) for each in environment.backing]
        seeds = [_seed(environment, each, each.seed) for each in environment.backing if each.seed is not None]
        processes = [_process(environment, service) for service in environment.services]
        port = self.address(environment.public).port
        route = ProgramResource(
            name=ROUTE,
            type="slipway:local:Route",
            inputs={"host": environment.hostname, "port": port},
            depends_on=(*(each.name for each in processes), *(each.name for each in environment.parts)),
        )
        return StackProgram(
            resources=(*checkouts(environment, place), *servers, *seeds, *processes, route),
            outputs=dict(environment.outputs),
            parts=_parts(environment),
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return route and checkout: the address leads to the portal, which wakes what is visited."""
        inputs = {"host": environment.hostname, "port": place.settings.port}
        route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs=inputs)
        if not environment.with_files:
            return StackProgram(resources=(route,), parts=environment.parts)
        return StackProgram(resources=(*checkouts(environment, place), route), parts=_parts(environment))


def checkout(environment: Description, place: Place) -> ProgramResource:
    """Return the resource that puts the commit's files into a folder of their own."""
    inputs = {
        "repository": str(place.mirror),
        "commit": environment.revision,
        "directory": str(place.directory / environment.revision[:16]),
    }
    return ProgramResource(name=CHECKOUT, type="slipway:local:Checkout", inputs=inputs)


def _parts(environment: Description) -> tuple[ComponentProgram, ...]:
    """Return the components of packages, with what their processes get."""
    local = {"environment_id": str(environment.environment_id), "directory": f"${{{CHECKOUT}.directory}}"}
    return tuple(replace(each, local=local) for each in environment.parts)


def checkouts(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return the resources that put the files of every repository into folders of their own."""
    others = (
        ProgramResource(
            name=_checkout_name(name),
            type="slipway:local:Checkout",
            inputs={
                "repository": str(place.mirrors[name]),
                "commit": commit,
                "directory": str(place.directory / f"{name}-{commit[:16]}"),
            },
        )
        for name, commit in environment.commits.items()
    )
    return (checkout(environment, place), *others)


def resource_of(component: str) -> str:
    """Return what the resource of a component is called: as it is, unless one of the target's own is."""
    return f"{component}_run" if component in {CHECKOUT, ROUTE} else component


def checkout_of(service: Service) -> str:
    """Return the name of the resource with the files that a service is made of."""
    return CHECKOUT if service.repository is None else _checkout_name(service.repository)


def _checkout_name(repository: str) -> str:
    return f"{repository}_files"  # no component has a name with an underscore


def _process(environment: Description, service: Service) -> ProgramResource:
    top = f"${{{checkout_of(service)}.directory}}"
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "directory": top,
        "env": dict(service.env),
        "limits": service.limits.model_dump(exclude_none=True),
    }
    if service.directory is not None:
        inputs |= {"directory": f"{top}/{service.directory}", "root": top}
    if service.command is None and service.procfile is None:
        message = f"{service.name} runs what its image says, and this machine runs commands of the repository."
        raise UnfitError(f"{message} Give it a command or an entry of the Procfile, or choose a target for containers.")
    if service.command is not None:
        inputs["command"] = escaped(service.command)
    else:
        inputs["procfile_entry"] = service.procfile
    if service.probe is not None:
        inputs["health"] = health_of(service.probe)
    # What a database begins with is there before anybody reads it.
    seeded = [each.name for each in environment.backing if each.seed is not None and _uses(service, each.name)]
    return ProgramResource(
        name=resource_of(service.name),
        type="slipway:local:Process",
        inputs=inputs,
        depends_on=(*(resource_of(each) for each in service.depends_on), *(seed_name(name) for name in seeded)),
        secret_inputs=("env",),
    )


def health_of(probe: Probe) -> dict[str, Any]:
    """Return a probe as the inputs of a resource say it."""
    asked: dict[str, Any] = {"path": probe.path, "timeout_seconds": probe.timeout_seconds}
    if probe.command:
        asked["command"] = escaped(probe.command)
    return {**asked, "running_seconds": probe.running_seconds} if probe.running_seconds else asked


def _uses(service: Service, name: str) -> bool:
    return name in service.depends_on or any(f"${{{resource_of(name)}." in text for text in service.env.values())


def _server(environment: Description, server: BackingService) -> ProgramResource:
    inputs = {
        "environment_id": str(environment.environment_id),
        "name": server.name,
        "kind": server.kind,
        "password": server.password,
        "limits": server.limits.model_dump(exclude_none=True),
    }
    return ProgramResource(
        name=resource_of(server.name), type="slipway:local:Backing", inputs=inputs, secret_inputs=("password",)
    )


def _seed(environment: Description, server: BackingService, seed: SeedData) -> ProgramResource:
    what = {"sql": seed.sql} if seed.sql is not None else {"command": escaped(seed.command or "")}
    inputs = {
        "environment_id": str(environment.environment_id),
        "database": server.name,
        "directory": f"${{{CHECKOUT}.directory}}",
        "env": dict(seed.env),
        **what,
    }
    return ProgramResource(
        name=seed_name(server.name), type="slipway:local:Seed", inputs=inputs, secret_inputs=("env",)
    )


def seed_name(database: str) -> str:
    """Return what the filling of a database is called."""
    return f"{database}_seed"  # no component has a name with an underscore


TARGET = LocalPrograms()
