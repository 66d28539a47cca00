"""The target `kubernetes`: a namespace for the environment, a deployment for each service, an ingress to one."""

from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service
from workers.targets.images import needed_image
from workers.targets.local import checkout, health_of, resource_of

PORT = 8080
NAMESPACE = "namespace_own"
INGRESS = "ingress_own"
"""No component is called so: names of components hold no underscores."""


class KubernetesPrograms:
    """Runs images that are there already, each in a deployment that has to become available."""

    name = "kubernetes"
    applications = frozenset({"slipway:kubernetes:Deployment"})
    routes = frozenset({"slipway:kubernetes:Ingress"})

    def address(self, service: str) -> Address:
        """Return the name of a service within its namespace."""
        return Address(service, str(PORT), f"http://{service}:{PORT}/")

    def public_url(self, service: str, known: str) -> str:
        """Return the address of the ingress's host."""
        del service
        return escaped(known)

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return namespace, deployments and ingress; the ingress comes once everything else is there."""
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
        # Procfiles are read from it, and nothing of it goes to the cluster.
        files = [checkout(environment, place)] if any(each.procfile for each in environment.services) else []
        return StackProgram(
            resources=(*files, _namespace(environment, place), *deployments, ingress),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return the namespace with nothing in it; nobody's visit wakes it."""
        return StackProgram(resources=(_namespace(environment, place),), parts=environment.parts)


def _namespace(environment: Description, place: Place) -> ProgramResource:
    # While an update is made, the old and the new pod of each service are there.
    services = environment.services
    quota = {
        "pods": str(2 * len(services) + 4),
        "limits.memory": f"{2 * sum(each.limits.memory_mb for each in services)}Mi",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "persistentvolumeclaims": "10",
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
    inputs: dict[str, Any] = {
        "environment_id": str(environment.environment_id),
        "namespace": f"${{{NAMESPACE}.name}}",
        "name": service.name,
        "image": escaped(needed_image(environment, service, place.settings, "kubernetes")),
        "port": PORT,
        "env": dict(service.env),
        "limits": service.limits.model_dump(),
        "revision": environment.revision,
    }
    if service.command is not None:
        inputs["command"] = escaped(service.command)
    elif service.procfile is not None:
        inputs |= {
            "procfile_entry": service.procfile,
            "root": "${checkout.directory}",
            "directory": f"${{checkout.directory}}/{service.directory or '.'}",
        }
    if service.probe is not None:
        inputs["health"] = health_of(service.probe)
    return ProgramResource(
        name=resource_of(service.name),
        type="slipway:kubernetes:Deployment",
        inputs=inputs,
        depends_on=tuple(resource_of(each) for each in service.depends_on),
        secret_inputs=("env",),
    )


TARGET = KubernetesPrograms()
