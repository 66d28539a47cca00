"""What the targets that run containers share: the inputs of a service, of a server behind it, and of its filling."""

from collections.abc import Mapping
from typing import Any

from workers.engine import ProgramResource
from workers.engine.references import escaped
from workers.targets import Address, BackingService, Description, Place, SeedData, Service, UnfitError
from workers.targets.images import named_image
from workers.targets.local import CHECKOUT, checkout_of, health_of, resource_of, seed_name
from workers.targets.servers import DATA, RECIPES, named, probe_of, told

PORT = 8080
"""Where the service in a container listens; `PORT` says so to it, as on the local target."""


class NamedServices:
    """A target whose services and servers are found by their names, and whose data stays where it lies."""

    keeps_servers = False

    def address(self, service: str) -> Address:
        """Return the name that the environment knows a service by."""
        return Address(service, str(PORT), f"http://{service}:{PORT}/")

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server."""
        return told(kind, named(name, kind), password)

    def public_url(self, service: str, known: str) -> str:
        """Return what is known beforehand of the public address."""
        del service
        return escaped(known)


def service_inputs(environment: Description, service: Service, image: str) -> dict[str, Any]:
    """Return the inputs of a service that do not depend on the target."""
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "name": service.name,
        "image": image,
        "port": PORT,
        "env": dict(service.env),
        "limits": service.limits.model_dump(exclude_none=True),
    }
    if service.command is not None:
        inputs["command"] = escaped(service.command)
    elif service.procfile is not None:
        inputs |= {"procfile_entry": service.procfile, "root": root_of(service), "directory": folder_of(service)}
    if service.probe is not None:
        inputs["health"] = health_of(service.probe)
    return inputs


def server_inputs(environment: Description, server: BackingService, place: Place) -> dict[str, Any]:
    """Return the inputs of a server that do not depend on the target."""
    recipe = RECIPES[server.kind]
    command = recipe.command(place.settings)
    return {
        "environment_id": str(environment.environment_id),
        "name": server.name,
        "image": escaped(server_image(server, place)),
        "port": recipe.port,
        "env": dict(recipe.variables(server.password)),
        "limits": server.limits.model_dump(exclude_none=True),
        "health": health_of(probe_of(server)),
        "data": DATA,
        **({"command": escaped(command)} if command else {}),
    }


def server_image(server: BackingService, place: Place) -> str:
    """Return the image of a server; raise ``UnfitError`` where the installation names none."""
    image = RECIPES[server.kind].image(place.settings)
    if not image:
        variable = f"SLIPWAY_{server.kind.upper()}_IMAGE"
        raise UnfitError(f"{server.name}: no image of a {server.kind} server is named here. Set {variable}.")
    return image


def seed_inputs(environment: Description, server: BackingService, seed: SeedData) -> dict[str, Any]:
    """Return the inputs of a filling that do not depend on the target; raise where a component has its name."""
    free_seed_name(environment, server)
    own = {
        "environment_id": str(environment.environment_id),
        "database": server.name,
        "env": dict(seed.env),
    }
    if seed.sql is not None:
        return {**own, "sql": seed.sql, "directory": f"${{{CHECKOUT}.directory}}"}
    return {**own, "command": escaped(seed.command or "")}


def free_seed_name(environment: Description, server: BackingService) -> None:
    """Raise ``UnfitError`` where a component is called as what fills a database is."""
    name = f"{server.name}-seed"
    if name in [each.name for each in environment.services] + [each.name for each in environment.backing]:
        raise UnfitError(f"{name}: what fills {server.name} is called so here. Give the component another name.")


def filler(environment: Description, database: str) -> Service:
    """Return the service in whose image a database is filled by a command: of the repository, and of the database."""
    own = [each for each in environment.services if each.repository is None]
    users = [each for each in own if uses(each, database)]
    if not own:
        raise UnfitError(f"{database}: it is filled by a command, and no service is of the repository that has it.")
    return (users or own)[0]


def uses(service: Service, name: str) -> bool:
    """Tell whether a service is told of a server, or waits for it."""
    return name in service.depends_on


def needed(environment: Description, service: Service) -> tuple[str, ...]:
    """Return what has to be there before a service; databases are filled by then."""
    seeded = [each.name for each in environment.backing if each.seed is not None and uses(service, each.name)]
    return (*map(resource_of, service.depends_on), *map(seed_name, seeded))


def is_built(environment: Description, service: Service, place: Place) -> bool:
    """Tell whether no image of a service is named."""
    return named_image(environment, service, place.settings) is None


def root_of(service: Service) -> str:
    """Return the top of the files that a service is made of, as a reference."""
    return f"${{{checkout_of(service)}.directory}}"


def folder_of(service: Service) -> str:
    """Return the folder of a service, as a reference."""
    return root_of(service) if service.directory is None else f"{root_of(service)}/{service.directory}"


def component(name: str, kind: str, inputs: Mapping[str, Any], needs: tuple[str, ...] = ()) -> ProgramResource:
    """Return the resource of a component, whose variables are secret."""
    called = resource_of(name)
    return ProgramResource(name=called, type=kind, inputs=inputs, depends_on=needs, secret_inputs=("env",))
