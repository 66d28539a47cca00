"""What resources have in common that are objects of a container engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.providers.targets.docker_api import COMPONENT_LABEL, ENVIRONMENT_LABEL, DockerEngine, DockerError
from workers.engine.plugin.resource import ResourceFailure, Unchanging, Values


@contextmanager
def told(before: str = "") -> Iterator[None]:
    """Let what the engine says be the failure of a resource, after some words."""
    try:
        yield
    except DockerError as error:
        raise ResourceFailure(f"{before}{error.message}") from error


def labels(inputs: Values) -> dict[str, str]:
    """Return the labels that say whose an object is."""
    own = {ENVIRONMENT_LABEL: str(inputs["environment_id"])}
    return {**own, COMPONENT_LABEL: str(inputs["name"])} if "name" in inputs else own


class EngineObject(Unchanging):
    """An object of an engine, of one ``kind`` as its API calls them, that is of an environment and may have a name."""

    kind: str
    secrets: tuple[str, ...] = ()

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is gone."""
        ending = "" if self.kind == "networks" else "/json"
        with told():
            return None if self._engine.get(f"/{self.kind}/{resource_id}{ending}") is None else state

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove it."""
        del state
        with told():
            self._discard(resource_id)

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove those of this environment and name that no resource has."""
        known = {resource_id for resource_id, _outputs in kept}
        with told():
            for each in self._engine.found(self.kind, f"{ENVIRONMENT_LABEL}={inputs.get('environment_id')}"):
                mine = (each.get("Labels") or {}).get(COMPONENT_LABEL) == inputs.get("name")
                if mine and each["Id"] not in known:
                    self._discard(str(each["Id"]))

    def _discard(self, found: str) -> None:
        """Remove one; raise ``DockerError``."""
        self._engine.remove(f"/{self.kind}/{found}")
