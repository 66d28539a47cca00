"""What services of an environment are in a cloud: sizes that it sells, commands, and the tags that inventory reads."""

import hashlib
from collections.abc import Sequence

from catalog.providers.targets.cloud_tags import COMPONENT, ENVIRONMENT, MANAGER
from workers.engine.references import escaped
from workers.targets import BackingService, Description, Service, UnfitError
from workers.targets.local import resource_of, seed_name

PORT = 8080
"""Where a service listens; `PORT` says so to it."""


def tags(environment: Description, service: Service | BackingService | None = None) -> dict[str, str]:
    """Return the tags of every resource of an environment."""
    found = {ENVIRONMENT: str(environment.environment_id), "managed-by": MANAGER}
    return found if service is None else {**found, COMPONENT: service.name}


def short_name(environment: Description, component: str, longest: int = 36) -> str:
    """Return a name for something of an environment: letters, digits and single hyphens, the same each time."""
    digest = hashlib.sha256(component.encode()).hexdigest()[:8]
    return f"slw-{environment.environment_id.hex[:16]}-{digest}"[:longest]


def smallest(service: Service | BackingService, sizes: Sequence[tuple[str, int]], target: str) -> tuple[str, int]:
    """Return the processors and MiB of the smallest size that has the memory a service may use."""
    for size in sizes:
        if size[1] >= service.limits.memory_mb:
            return size
    raise UnfitError(
        f"{service.name}: {target} gives it at most {sizes[-1][1]} MiB, and its limit is"
        f" {service.limits.memory_mb}. Lower limits.memoryMb, or choose another target."
    )


def command_of(service: Service, target: str) -> list[str]:
    """Return the command of a service, empty where its image has one; there is no checkout to read a Procfile from."""
    if service.command is not None:
        return ["/bin/sh", "-c", escaped(service.command)]
    if service.procfile not in {None, "web"}:
        raise UnfitError(
            f"{service.name}: {target} does not read the Procfile, and its entry {service.procfile} is not what the"
            " image runs by itself. Write it as command in the blueprint."
        )
    return []


def needed(environment: Description, service: Service) -> tuple[str, ...]:
    """Return the names of the resources and parts that a service waits for; databases are filled by then.

    Those of a cloud are called as their components are; a part may be called otherwise (``resource_of``).
    """
    parts = {each.name for each in environment.parts}
    called = {each: resource_of(each) for each in service.depends_on}
    seeded = {each.name for each in environment.backing if each.seed is not None}
    filled = (seed_name(each) for each in service.depends_on if each in seeded)
    return (*(other if other in parts else each for each, other in called.items()), *filled)


def variables(service: Service) -> dict[str, str]:
    """Return the variables of a service."""
    return {**service.env, "PORT": str(PORT), "HOST": "0.0.0.0"}  # noqa: S104  # inside the container
