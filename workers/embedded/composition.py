"""The embedded default on one screen: which parts there are, in which order, and with which command each starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.settings import Settings, inherited_environment
from workers.embedded.haproxy import MISSING, Haproxy, haproxy_program, metrics_port
from workers.embedded.image import Image
from workers.embedded.logs import LogFolder
from workers.embedded.parts import Part, Service, python_command
from workers.embedded.ports import Address
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.redis import EmbeddedRedis
from workers.embedded.supervisor import Wave


@dataclass(frozen=True)
class Servers:
    """The embedded servers; None where an external one is used."""

    postgres: EmbeddedPostgres | None
    redis: EmbeddedRedis | None

    def wave(self) -> Wave:
        """Return what must be ready before anything of Slipway's own."""
        return Wave([part for part in (self.postgres, self.redis) if part is not None], patience=2.0)

    def complete(self, settings: Settings) -> Settings:
        """Return ``settings`` with the addresses of the embedded servers, which must have been started."""
        changes: dict[str, str] = {}
        if self.postgres is not None:
            urls = self.postgres.urls()
            changes["database_url"] = urls.app
            changes["database_owner_url"] = urls.owner
            changes["database_system_url"] = urls.system
        if self.redis is not None:
            changes["redis_url"] = self.redis.url()
        return settings.model_copy(update=changes)


def with_local_repositories(settings: Settings) -> Settings:
    """Return ``settings`` such that everybody on this machine may use its repositories, unless that was decided.

    Only where the portal answers this machine alone: whoever reaches it then could as well run git on them.
    """
    if "local_repository_roots" in settings.model_fields_set or settings.host not in ("127.0.0.1", "::1", "localhost"):
        return settings
    return settings.model_copy(update={"local_repository_roots": (Path("/"),)})


def servers(settings: Settings) -> Servers:
    """Return the embedded servers that ``settings`` do not replace by external ones."""
    data, run = settings.data_dir, settings.run_dir
    return Servers(
        postgres=None if settings.database_url else EmbeddedPostgres(data, run),
        redis=None if settings.redis_url else EmbeddedRedis(data, run),
    )


def ground(settings: Settings, logs: LogFolder, say: Callable[[str], None]) -> Wave:
    """Return what the applications of environments need: their router and their process host."""
    parts: list[Part] = []
    program = haproxy_program()
    if program is None:
        say(MISSING)
    else:
        parts.append(Haproxy(program, settings, logs))
    arguments = ["--data", str(settings.data_dir), "--socket", str(settings.process_host_socket)]
    if settings.insecure_local:
        arguments.append("--insecure-local")
    if settings.cgroup:
        arguments += ["--cgroup", settings.cgroup]
    parts.append(_service("process-host", settings, logs, "workers.process_host", *arguments))
    return Wave(parts, patience=2.5)


def processes(settings: Settings, logs: LogFolder, image: Image) -> Wave:
    """Return Slipway's own processes, as copies of ``image``: portal, worker, and relay with scheduler."""
    portal = _service("portal", settings, logs, "portal", image=image)
    relay = _service("relay", settings, logs, "workers.runtime.relay", image=image)
    return Wave([portal, *worker(settings, logs, image).parts, relay], patience=5.0)


def worker(settings: Settings, logs: LogFolder, image: Image | None = None) -> Wave:
    """Return the worker alone."""
    return Wave([_service("worker", settings, logs, "workers.runtime.work", image=image)], patience=5.0)


def addresses(settings: Settings) -> list[Address]:
    """Return where Slipway will listen."""
    return [Address(settings.host, settings.port, "the portal", "PORT"), *preview_addresses(settings)]


def preview_addresses(settings: Settings) -> list[Address]:
    """Return where HAProxy will listen."""
    return [
        Address(settings.host, settings.preview_port, "preview environments", "SLIPWAY_PREVIEW_PORT"),
        Address("127.0.0.1", metrics_port(settings), "the router's figures", "SLIPWAY_PREVIEW_PORT"),
    ]


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment for Slipway's own processes: ours, with every setting made explicit."""
    # The owner of the tables is for migrations; what serves requests has no use for its password.
    return {**inherited_environment(), **settings.model_copy(update={"database_owner_url": ""}).as_environment()}


def _service(name: str, settings: Settings, logs: LogFolder, *arguments: str, image: Image | None = None) -> Service:
    return Service(name, python_command(settings.data_dir, environment(settings), *arguments, image=image), logs)
