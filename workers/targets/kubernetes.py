"""The target `kubernetes`: a namespace for the environment, a deployment for each service, an ingress to one."""

from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import BackingService, Description, Place, SeedData, Service
from workers.targets.containers import (
    PORT,
    NamedServices,
    component,
    filler,
    needed,
    seed_inputs,
    server_image,
    server_inputs,
    service_inputs,
)
from workers.targets.images import needed_image, revision_of
from workers.targets.local import checkouts, resource_of, seed_name

NAMESPACE = "namespace_own"
INGRESS = "ingress_own"
"""No component is called so: names of components hold no underscores."""
DEPLOYMENT = "slipway:kubernetes:Deployment"
_SEED_MEMORY_MB = 3 * 512
"""What the steps of a filling ask for together."""


class KubernetesPrograms(NamedServices):
    """Runs images that are there already, each in a deployment that has to become available."""

    name = "kubernetes"
    applications = frozenset({DEPLOYMENT, "slipway:kubernetes:Seed"})
    routes = frozenset({"slipway:kubernetes:Ingress"})

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return namespace, deployments and ingress; the ingress comes once everything else is there."""
        servers = [_server(environment, each, place) for each in environment.backing]
        seeds = [_seed(environment, each, each.seed, place) for each in environment.backing if each.seed is not None]
        deployments = [_deployment(environment, service, place) for service in environment.services]
        inputs = {
            "environment_id": str(environment.environment_id),
            "namespace": f"${{{NAMESPACE}.name}}",
            "host": environment.hostname,
            "service": environment.public,
            "port": PORT,
            "class_name": place.settings.kubernetes_ingress_class,
        }
        ingress = ProgramResource(
            name=INGRESS,
            type="slipway:kubernetes:Ingress",
            inputs=inputs,
            depends_on=(*(each.name for each in deployments), *(each.name for each in environment.parts)),
        )
        # Procfiles are read from it, and files that databases begin with; nothing else of it goes to the cluster.
        reads = any(each.procfile for each in environment.services)
        reads = reads or any(each.seed is not None and each.seed.sql is not None for each in environment.backing)
        files = checkouts(environment, place) if reads else ()
        return StackProgram(
            resources=(*files, _namespace(environment, place), *servers, *seeds, *deployments, ingress),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return the namespace with nothing in it but data; nobody's visit wakes it."""
        return StackProgram(resources=(_namespace(environment, place),), parts=environment.parts)


def _namespace(environment: Description, place: Place) -> ProgramResource:
    # While an update is made, the old and the new pod of each service are there; servers are never there twice.
    services, servers = environment.services, environment.backing
    memory = 2 * sum(each.limits.memory_mb for each in services) + sum(each.limits.memory_mb for each in servers)
    memory += _SEED_MEMORY_MB * sum(each.kind == "postgres" for each in servers)
    quota = {
        "pods": str(2 * len(services) + 2 * len(servers) + 4),
        "limits.memory": f"{memory}Mi",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "persistentvolumeclaims": "10",
        "requests.storage": f"{place.settings.kubernetes_storage_gb * 10}Gi",
    }
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "name": f"slipway-{environment.environment_id}",
        "title": escaped(environment.name),
        "quota": quota,
        "ingress_namespace": place.settings.kubernetes_ingress_namespace,
    }
    return ProgramResource(name=NAMESPACE, type="slipway:kubernetes:Namespace", inputs=inputs)


def _deployment(environment: Description, service: Service, place: Place) -> ProgramResource:
    image = escaped(needed_image(environment, service, place.settings, "kubernetes"))
    inputs = {
        **service_inputs(environment, service, image),
        "namespace": f"${{{NAMESPACE}.name}}",
        "revision": revision_of(environment, service),
    }
    return component(service.name, DEPLOYMENT, inputs, needed(environment, service))


def _server(environment: Description, server: BackingService, place: Place) -> ProgramResource:
    settings = place.settings
    inputs = {
        **server_inputs(environment, server, place),
        "namespace": f"${{{NAMESPACE}.name}}",
        # The same server over the same data, whatever the commit.
        "revision": server.kind,
        "storage_gb": settings.kubernetes_storage_gb,
        "storage_class": settings.kubernetes_storage_class,
    }
    return component(server.name, DEPLOYMENT, inputs)


def _seed(environment: Description, server: BackingService, seed: SeedData, place: Place) -> ProgramResource:
    inputs = {
        **seed_inputs(environment, server, seed),
        "namespace": f"${{{NAMESPACE}.name}}",
        "server_image": escaped(server_image(server, place)),
        "revision": environment.revision,
    }
    if seed.sql is None:
        service = filler(environment, server.name)
        inputs["image"] = escaped(needed_image(environment, service, place.settings, "kubernetes"))
    return component(seed_name(server.name), "slipway:kubernetes:Seed", inputs, (resource_of(server.name),))


TARGET = KubernetesPrograms()
