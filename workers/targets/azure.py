"""The target `azure`: a resource group with a container app for each service, through Pulumi's native provider."""

from collections.abc import Mapping
from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, Description, Place, Service
from workers.targets.azure_network import GROUP, apps_within, network
from workers.targets.azure_seeds import seeds
from workers.targets.azure_servers import APP_SIZES, APPS, lookups, needed_here, servers, told_of
from workers.targets.cloud_sizes import PORT, command_of, smallest, tags, variables
from workers.targets.images import needed_image


class AzurePrograms:
    """Container apps of one managed environment; what is in the group goes with it."""

    name = "azure"
    applications = frozenset({"azure-native:app:ContainerApp", "slipway:cloud:Seed"})
    routes: frozenset[str] = frozenset()
    keeps_servers = True

    def address(self, service: str) -> Address:
        """Return the name of an app within its managed environment."""
        return Address(service, "80", f"http://{service}/")

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server."""
        return told_of(name, kind, password)

    def public_url(self, service: str, known: str) -> str:
        """Return the name of an app in the domain that the managed environment has got."""
        del known
        return f"https://{service}.${{{APPS}.defaultDomain}}/"

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return group, network, managed environment, servers, what they begin with, and apps."""
        apps = [_app(environment, each, place) for each in environment.services]
        return StackProgram(
            resources=(*_kept(environment, place), *seeds(environment, place), *apps),
            outputs=dict(environment.outputs),
            parts=environment.parts,
            lookups=lookups(environment),
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return group, network, servers and the managed environment, which keeps its domain."""
        return StackProgram(resources=_kept(environment, place), parts=environment.parts, lookups=lookups(environment))


def _kept(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    common = {"location": place.settings.azure_location, "tags": tags(environment)}
    group = {**common, "resourceGroupName": f"slipway-{environment.environment_id}"}
    apps = {
        **common,
        "resourceGroupName": f"${{{GROUP}.name}}",
        "environmentName": "environment",
        **apps_within(),
    }
    return (
        ProgramResource(name=GROUP, type="azure-native:resources:ResourceGroup", inputs=group),
        *network(environment, place),
        ProgramResource(name=APPS, type="azure-native:app:ManagedEnvironment", inputs=apps),
        *servers(environment, place),
    )


def _app(environment: Description, service: Service, place: Place) -> ProgramResource:
    processors, memory = smallest(service, APP_SIZES, "Azure Container Apps")
    names = {variable: f"env-{number}" for number, variable in enumerate(service.env)}
    values = variables(service)
    container: dict[str, Any] = {
        "name": service.name,
        "image": escaped(needed_image(environment, service, place.settings, "azure")),
        "resources": {"cpu": float(processors), "memory": f"{memory / 1024:g}Gi"},
        "env": [
            {"name": key, "secretRef": names[key]} if key in names else {"name": key, "value": value}
            for key, value in values.items()
        ],
    }
    if command := command_of(service, "azure"):
        container["command"] = command
    if service.probe is not None and service.probe.path:
        probe = {"type": "Readiness", "httpGet": {"path": service.probe.path, "port": PORT}, "periodSeconds": 5}
        container["probes"] = [probe]
    ingress = {"external": service.name == environment.public, "targetPort": PORT, "transport": "auto"}
    inputs = {
        "resourceGroupName": f"${{{GROUP}.name}}",
        "containerAppName": service.name,
        "managedEnvironmentId": f"${{{APPS}.id}}",
        "location": place.settings.azure_location,
        "tags": tags(environment, service),
        "configuration": {
            "activeRevisionsMode": "Single",
            # Others of the environment ask over HTTP; from outside everything is led to HTTPS.
            "ingress": {**ingress, "allowInsecure": not ingress["external"]},
            "secrets": [{"name": names[key], "value": value} for key, value in service.env.items()],
        },
        "template": {"containers": [container], "scale": {"minReplicas": 1, "maxReplicas": 1}},
    }
    return ProgramResource(
        name=service.name,
        type="azure-native:app:ContainerApp",
        inputs=inputs,
        depends_on=needed_here(environment, service),
        secret_inputs=("configuration",),
    )


TARGET = AzurePrograms()
