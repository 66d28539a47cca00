"""Which image a service runs in, where one has to be there beforehand."""

import re

from catalog.settings import Settings
from workers.targets import Description, Service, UnfitError

_UNFIT = re.compile(r"[^a-z0-9._-]+")


def named_image(environment: Description, service: Service, settings: Settings) -> str | None:
    """Return the image that the blueprint names, else the one that the installation's pattern does; None: neither."""
    if service.image is not None:
        return service.image
    if not settings.image_pattern:
        return None
    repository = environment.repository if service.repository is None else environment.repositories[service.repository]
    values = {
        "repository": _UNFIT.sub("-", repository.rstrip("/").rpartition("/")[2].lower()).strip("-.") or "x",
        "component": service.name,
        "revision": revision_of(environment, service),
    }
    try:
        return settings.image_pattern.format_map(values)
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(f"{{{each}}}" for each in values)
        raise UnfitError(f"SLIPWAY_IMAGE_PATTERN cannot be read ({error}); it may hold {known}.") from None


def revision_of(environment: Description, service: Service) -> str:
    """Return the commit that a service is of."""
    return environment.revision if service.repository is None else environment.commits[service.repository]


def needed_image(environment: Description, service: Service, settings: Settings, target: str) -> str:
    """Return the image; raise ``UnfitError`` where none is named and the target cannot build one."""
    image = named_image(environment, service, settings)
    if image is None:
        raise UnfitError(
            f"{service.name}: {target} runs images that are there already. Name one in the blueprint (image:), such as"
            " registry.example.com/web:${source.revision}, or set SLIPWAY_IMAGE_PATTERN."
        )
    return image
