"""The local target as workers see it: what is still there of an environment."""

from catalog.providers.routers import Router
from catalog.providers.routers.haproxy import PROVIDER as HAPROXY
from workers.process_host import socket_path
from workers.process_host.client import ProcessHostClient
from workers.runtime.resources import Resource, Runtime


class LocalTarget:
    """The process host and the router of this machine."""

    def __init__(self, processes: ProcessHostClient, router: Router) -> None:
        self._processes = processes
        self._router = router

    def inventory(self, environment_id: str, hostname: str) -> tuple[str, ...]:
        """Name the processes and routes of an environment that are still there."""
        processes = [f"the process {each.name} ({each.id})" for each in self._processes.list(environment_id)]
        routes = [f"the route {each.host}" for each in self._router.list() if each.host == hostname]
        return (*processes, *routes)


def _build(runtime: Runtime) -> LocalTarget:
    settings = runtime.settings
    client = ProcessHostClient(socket_path(settings.data_dir))
    return LocalTarget(client, HAPROXY.connect(settings.data_dir, settings.run_dir))


LOCAL_TARGET: Resource[LocalTarget] = Resource("local_target", _build)
