"""The target `gcp`: a Cloud Run service for each service of the environment, through Pulumi's provider."""

from collections.abc import Mapping
from typing import Any

from catalog.providers.targets.gcp import service_name
from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service
from workers.targets.cloud_sizes import PORT, command_of, needed, smallest, tags, variables
from workers.targets.gcp_seeds import seeds
from workers.targets.gcp_servers import parts_of_servers, servers, told_of
from workers.targets.images import needed_image

SIZES = (("1", 512), ("1", 1024), ("1", 2048), ("1", 4096), ("2", 8192), ("4", 16384), ("8", 32768))
"""Processors, and MiB of memory, that go together."""


class GcpPrograms:
    """Services of one project and region; inside ones are reached from the project's network alone."""

    name = "gcp"
    applications = frozenset({"gcp:cloudrunv2/service:Service", "slipway:cloud:Seed"})
    routes = frozenset({"gcp:cloudrunv2/serviceIamMember:ServiceIamMember"})
    keeps_servers = True

    def address(self, service: str) -> Address:
        """Return the address that Cloud Run has given a service."""
        url = f"${{{service}.uri}}"
        return Address(url, "443", url)

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server."""
        return told_of(name, kind, password)

    def public_url(self, service: str, known: str) -> str:
        """Return what is known beforehand: the service is called as the host name begins."""
        del service
        return escaped(known)

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return servers, what they begin with, the services, and who may call them."""
        services = [_service(environment, each, place) for each in environment.services]
        callers = [_callers(each, place) for each in environment.services]
        return StackProgram(
            resources=(*servers(environment, place), *seeds(environment, place), *services, *callers),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return nothing but servers and parts: a service that nobody calls costs nothing anyway."""
        return StackProgram(resources=servers(environment, place), parts=environment.parts)


def _service(environment: Description, service: Service, place: Place) -> ProgramResource:
    settings = place.settings
    processors, memory = smallest(service, SIZES, "Cloud Run")
    values = {key: value for key, value in variables(service).items() if key != "PORT"}
    container: dict[str, Any] = {
        "image": escaped(needed_image(environment, service, settings, "gcp")),
        "ports": {"containerPort": PORT},
        "envs": [{"name": key, "value": value} for key, value in values.items()],
        "resources": {"limits": {"cpu": processors, "memory": f"{memory}Mi"}},
    }
    if command := command_of(service, "gcp"):
        container |= {"commands": command[:1], "args": command[1:]}
    if service.probe is not None and service.probe.path:
        tries = max(1, int(service.probe.timeout_seconds // 5))
        container["startupProbe"] = {
            "httpGet": {"path": service.probe.path, "port": PORT},
            "periodSeconds": 5,
            "failureThreshold": tries,
        }
    template: dict[str, Any] = {
        "containers": [container],
        "labels": tags(environment, service),
        "scaling": {"minInstanceCount": 0, "maxInstanceCount": 2},
        "vpcAccess": {"egress": "ALL_TRAFFIC", "networkInterfaces": [{"network": settings.gcp_network}]},
    }
    public = service.name == environment.public
    inputs = {
        "name": service_name(environment.hostname, "" if public else service.name),
        "project": settings.gcp_project,
        "location": settings.gcp_region,
        "ingress": "INGRESS_TRAFFIC_ALL" if public else "INGRESS_TRAFFIC_INTERNAL_ONLY",
        "deletionProtection": False,
        "labels": tags(environment, service),
        "template": template,
    }
    return ProgramResource(
        name=service.name,
        type="gcp:cloudrunv2/service:Service",
        inputs=inputs,
        depends_on=(*needed(environment, service), *parts_of_servers(environment, service)),
        secret_inputs=("template",),
    )


def _callers(service: Service, place: Place) -> ProgramResource:
    inputs = {
        "name": f"${{{service.name}.name}}",
        "project": place.settings.gcp_project,
        "location": place.settings.gcp_region,
        "role": "roles/run.invoker",
        "member": "allUsers",
    }
    kind = "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"
    return ProgramResource(name=f"callers_{service.name}", type=kind, inputs=inputs)


TARGET = GcpPrograms()
