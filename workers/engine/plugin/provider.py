"""Translates between the engine's calls and the resources' plain values."""

import asyncio
import importlib
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from typing import Any, cast

from pulumi.provider.experimental import provider as engine
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

from catalog.providers.targets.docker_api import DockerEngine
from catalog.providers.targets.kubernetes_api import KubernetesCluster
from workers.engine import ProgramResource, StackProgram
from workers.engine.plugin import PluginConfiguration
from workers.engine.plugin.backing import BackingResource
from workers.engine.plugin.checkout import CheckoutResource
from workers.engine.plugin.cloud_seed import CloudScriptResource, CloudSeedResource
from workers.engine.plugin.docker import ImageResource, NetworkResource
from workers.engine.plugin.docker_container import ContainerResource
from workers.engine.plugin.docker_seed import DockerSeedResource
from workers.engine.plugin.kubernetes import IngressResource, NamespaceResource
from workers.engine.plugin.kubernetes_deployment import DeploymentResource
from workers.engine.plugin.kubernetes_seed import KubernetesSeedResource
from workers.engine.plugin.process import ProcessResource
from workers.engine.plugin.resource import UNKNOWN, Resource, ResourceFailure, Values
from workers.engine.plugin.route import RouteResource
from workers.engine.plugin.scope import require_declared
from workers.engine.plugin.seed import SeedResource
from workers.process_host.client import ProcessHostClient

# The engine's words for a value that is known only later, one for each type it may have; the SDK passes them through.
UNKNOWN_WORDS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


def build_resources(configuration: PluginConfiguration, cancelled: Event) -> dict[str, Resource]:
    """Return every resource of the plugin by its type."""
    module = importlib.import_module(f"catalog.providers.routers.{configuration.router}")
    router = module.PROVIDER.connect(configuration.data_dir, configuration.run_dir)
    client = ProcessHostClient(configuration.process_host_socket)
    resources: tuple[Resource, ...] = (
        CheckoutResource(configuration.data_dir / "environments"),
        ProcessResource(client, cancelled),
        BackingResource(client, cancelled, configuration.data_dir),
        SeedResource(client, cancelled, configuration.data_dir),
        RouteResource(router),
    )
    return {resource.type: resource for resource in (*resources, *_of_targets(configuration, cancelled))}


def _of_targets(configuration: PluginConfiguration, cancelled: Event) -> Iterator[Resource]:
    """Yield the resources of other targets; none of them asks anything before it is used."""
    docker = DockerEngine(configuration.docker_socket)
    yield NetworkResource(docker)
    yield ImageResource(docker, cancelled, configuration.data_dir / "environments")
    yield ContainerResource(docker, cancelled)
    yield DockerSeedResource(docker, cancelled)
    cluster = KubernetesCluster(configuration.kubeconfig)
    kinds = (NamespaceResource, DeploymentResource, KubernetesSeedResource, IngressResource)
    yield from (kind(cluster, cancelled) for kind in kinds)
    yield CloudScriptResource()
    yield CloudSeedResource(configuration.credentials, cancelled)


class SlipwayProvider(engine.Provider):
    """Runs each call on a thread, because resources block while applications start."""

    def __init__(
        self,
        configuration: PluginConfiguration,
        program: StackProgram | None = None,
        also: Sequence[ProgramResource] = (),
    ) -> None:
        self._program = program
        self._also = also
        self._cancelled = Event()
        self._resources = build_resources(configuration, self._cancelled)

    async def configure(self, request: engine.ConfigureRequest) -> engine.ConfigureResponse:
        """Say that secrets are understood, and that nothing is made up while previewing."""
        del request
        return engine.ConfigureResponse(accept_secrets=True, supports_preview=False)

    async def check(self, request: engine.CheckRequest) -> engine.CheckResponse:
        """Check inputs, and that the program has such a resource where the program is known."""
        resource = self._resource(request.type)
        if self._program is not None:
            require_declared((*self._program.resources, *self._also), request.urn, _plain(request.new_inputs))
        inputs, problems = resource.check(_plain(request.new_inputs))
        failures = [engine.CheckFailure(problem.property, problem.reason) for problem in problems]
        return engine.CheckResponse(_wrap(inputs, _secret_names(request.new_inputs, resource)), failures)

    async def diff(self, request: engine.DiffRequest) -> engine.DiffResponse:
        """Compare."""
        found = self._resource(request.type).diff(_plain(request.old_state), _plain(request.new_inputs))
        return engine.DiffResponse(
            changes=bool(found.changed),
            diffs=list(found.changed),
            replaces=list(found.replaces),
            delete_before_replace=found.delete_first,
            detailed_diff={
                name: engine.PropertyDiff(
                    engine.PropertyDiffKind.UPDATE_REPLACE
                    if name in found.replaces
                    else engine.PropertyDiffKind.UPDATE,
                    input_diff=True,
                )
                for name in found.changed
            },
        )

    async def create(self, request: engine.CreateRequest) -> engine.CreateResponse:
        """Create."""
        resource, inputs = self._resource(request.type), _plain(request.properties)
        created = await asyncio.to_thread(resource.create, inputs)
        outputs = _wrap({**inputs, **created.outputs}, _secret_names(request.properties, resource))
        return engine.CreateResponse(created.id, outputs)

    async def read(self, request: engine.ReadRequest) -> engine.ReadResponse:
        """Read; an empty identifier says that the resource is gone."""
        resource = self._resource(request.type)
        if not request.properties:
            raise ResourceFailure(f"{request.resource_id} was not made here and cannot be imported")
        state = await asyncio.to_thread(resource.read, request.resource_id, _plain(request.properties))
        if state is None:
            return engine.ReadResponse("", {}, {})
        secret = _secret_names(request.properties, resource)
        inputs = {name: state.get(name, value) for name, value in _plain(request.inputs).items()}
        return engine.ReadResponse(request.resource_id, _wrap(state, secret), _wrap(inputs, secret))

    async def update(self, request: engine.UpdateRequest) -> engine.UpdateResponse:
        """Update."""
        resource, inputs = self._resource(request.type), _plain(request.news)
        extra = await asyncio.to_thread(resource.update, request.resource_id, _plain(request.olds), inputs)
        return engine.UpdateResponse(_wrap({**inputs, **extra}, _secret_names(request.news, resource)))

    async def delete(self, request: engine.DeleteRequest) -> None:
        """Delete."""
        resource = self._resource(request.type)
        await asyncio.to_thread(resource.delete, request.resource_id, _plain(request.properties))

    async def cancel(self) -> None:
        """Make whatever waits give up."""
        self._cancelled.set()

    def _resource(self, kind: str) -> Resource:
        # Of a resource inside components the SDK tells their types as well.
        resource_type = kind.rpartition("$")[2]
        if resource_type not in self._resources:
            raise ResourceFailure(f"there is no {resource_type}; there are {', '.join(self._resources)}")
        return self._resources[resource_type]


def _secret_names(values: Mapping[str, PropertyValue], resource: Resource) -> set[str]:
    return {name for name, value in values.items() if _has_secret(value)} | set(resource.secrets)


def _has_secret(value: PropertyValue) -> bool:
    inner = value.value
    if value.is_secret:
        return True
    if isinstance(inner, Mapping):
        return any(_has_secret(item) for item in inner.values())
    return isinstance(inner, list | tuple) and any(_has_secret(item) for item in inner)


def _plain(values: Mapping[str, PropertyValue]) -> Values:
    return {name: _to_plain(value) for name, value in values.items()}


def _to_plain(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, str) and inner in UNKNOWN_WORDS:
        return UNKNOWN
    if isinstance(inner, Mapping):
        return {name: _to_plain(item) for name, item in inner.items()}
    if isinstance(inner, list | tuple):
        return [_to_plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def _wrap(values: Values, secret: set[str]) -> dict[str, PropertyValue]:
    return {name: _to_value(value, is_secret=name in secret) for name, value in values.items()}


def _to_value(value: Any, *, is_secret: bool = False) -> PropertyValue:
    inner: Any = value
    if value is UNKNOWN:
        inner = rpc.UNKNOWN
    elif isinstance(value, dict):
        inner = {name: _to_value(item) for name, item in value.items()}
    elif isinstance(value, list):
        inner = [_to_value(item) for item in value]
    elif isinstance(value, int) and not isinstance(value, bool):
        inner = float(value)
    return PropertyValue(cast("Any", inner), is_secret=is_secret)
