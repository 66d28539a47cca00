"""The target `docker`: containers of an engine on this machine, with routes of our router before them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from catalog.providers.routers import RouterUnavailableError
from catalog.providers.routers.haproxy import PROVIDER as HAPROXY
from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.docker_api import COMPONENT_LABEL, ENVIRONMENT_LABEL, DockerEngine, DockerError
from catalog.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

KINDS = {"containers": "container", "networks": "network", "volumes": "volume", "images": "image"}
"""What an environment may consist of, in the order in which it is removed."""


def _answering(method: Callable[P, T]) -> Callable[P, T]:
    """Turn what the engine and the router say into the port's own error."""

    @wraps(method)
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return method(*arguments, **named)
        except DockerError as error:
            raise TargetUnavailableError(error.message) from error
        except RouterUnavailableError as error:
            raise TargetUnavailableError(error.detail) from error

    return call


class DockerTarget:
    """Asks the engine by labels, and the router for its routes."""

    def __init__(self, settings: Settings) -> None:
        self._engine = DockerEngine(settings.docker_socket)
        self._router = HAPROXY.connect(settings.data_dir, settings.run_dir)

    @_answering
    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name containers, networks, volumes, images and the route of an environment that are still there."""
        found = [_named(kind, each) for kind, each in self._found(f"{ENVIRONMENT_LABEL}={environment_id}")]
        return (*found, *(f"the route {each.host}" for each in self._router.list() if each.host == hostname))

    @_answering
    def census(self) -> tuple[Found, ...]:
        """Name everything that is labelled as an environment's, and every route."""
        found = [
            Found(_named(kind, each), _uuid(_labels(each).get(ENVIRONMENT_LABEL, "")))
            for kind, each in self._found(ENVIRONMENT_LABEL)
        ]
        return (*found, *(Found(f"the route {each.host}", hostname=each.host) for each in self._router.list()))

    @_answering
    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove whatever is labelled as the environment's, and its route."""
        for kind, each in self._found(f"{ENVIRONMENT_LABEL}={environment_id}"):
            self._engine.remove(f"/{kind}/{_id(each)}", **({} if kind == "networks" else {"force": "1"}))
        self._router.remove(hostname)

    def forget(self, environment_id: UUID) -> None:
        """Do nothing: logs go with their containers."""

    @_answering
    def last_visit(self, hostname: str) -> datetime | None:
        """Return when the router last led somebody to the address."""
        return self._router.last_visit(hostname)

    @_answering
    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return the end of each component's log, of its newest container."""
        newest: dict[str, dict[str, Any]] = {}
        for each in self._engine.found("containers", f"{ENVIRONMENT_LABEL}={environment_id}"):
            name = _labels(each).get(COMPONENT_LABEL, "")
            if name not in newest or each["Created"] > newest[name]["Created"]:
                newest[name] = each
        return tuple(LogTail(name, tuple(self._engine.logs(str(newest[name]["Id"]), lines))) for name in sorted(newest))

    def _found(self, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for kind in KINDS:
            for each in self._engine.found(kind, label):
                yield kind, each


def _labels(found: dict[str, Any]) -> dict[str, str]:
    return found.get("Labels") or {}


def _id(found: dict[str, Any]) -> str:
    return str(found.get("Id") or found["Name"])


def _named(kind: str, found: dict[str, Any]) -> str:
    names = found.get("Names") or found.get("RepoTags") or [found.get("Name") or found.get("Id")]
    return f"the {KINDS[kind]} {str(names[0]).lstrip('/')}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None  # somebody else's label


PROVIDER = TargetProvider("docker", DockerTarget, "Docker", backing=ALL_BACKING, seeds=True)
