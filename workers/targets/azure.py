"""The target `azure`: a resource group with a container app for each service, through Pulumi's native provider."""

from collections.abc import Mapping
from typing import Any

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import escaped
from workers.targets import Address, BackingService, Description, Place, Service
from workers.targets.cloud_sizes import PORT, command_of, needed, short_name, smallest, tags, variables
from workers.targets.images import needed_image
from workers.targets.servers import OWNER, told

GROUP = "group_own"
APPS = "apps_own"
SIZES = (("0.25", 512), ("0.5", 1024), ("0.75", 1536), ("1.0", 2048), ("1.5", 3072), ("2.0", 4096))
"""What the consumption plan sells: processors, and MiB of memory."""
POSTGRES_SIZES = (("Standard_B1ms", 2048), ("Standard_B2s", 4096), ("Standard_B2ms", 8192), ("Standard_B4ms", 16384))


class AzurePrograms:
    """Container apps of one managed environment; what is in the group goes with it."""

    name = "azure"
    applications = frozenset({"azure-native:app:ContainerApp"})
    routes: frozenset[str] = frozenset()
    keeps_servers = True

    def address(self, service: str) -> Address:
        """Return the name of an app within its managed environment."""
        return Address(service, "80", f"http://{service}/")

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server."""
        address = Address(f"${{{name}.fullyQualifiedDomainName}}", "5432", "")
        return told(kind, address, password, url=f"{told(kind, address, password)['url']}?sslmode=require")

    def public_url(self, service: str, known: str) -> str:
        """Return the name of an app in the domain that the managed environment has got."""
        del known
        return f"https://{service}.${{{APPS}.defaultDomain}}/"

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return group, managed environment and apps."""
        apps = [_app(environment, each, place) for each in environment.services]
        return StackProgram(
            resources=(*_kept(environment, place), *apps),
            outputs=dict(environment.outputs),
            parts=environment.parts,
        )

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return the group and the managed environment, which keeps its domain."""
        return StackProgram(resources=_kept(environment, place), parts=environment.parts)


def _kept(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    common = {"location": place.settings.azure_location, "tags": tags(environment)}
    group = {**common, "resourceGroupName": f"slipway-{environment.environment_id}"}
    apps = {**common, "resourceGroupName": f"${{{GROUP}.name}}", "environmentName": "environment"}
    databases = [one for each in environment.backing for one in _postgres(environment, each, place)]
    return (
        ProgramResource(name=GROUP, type="azure-native:resources:ResourceGroup", inputs=group),
        ProgramResource(name=APPS, type="azure-native:app:ManagedEnvironment", inputs=apps),
        *databases,
    )


def _postgres(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    size, _memory = smallest(server, POSTGRES_SIZES, "Azure Database for PostgreSQL")
    within = {"resourceGroupName": f"${{{GROUP}.name}}"}
    inputs = {
        **within,
        "serverName": short_name(environment, server.name),
        "location": place.settings.azure_location,
        "version": "16",
        "administratorLogin": OWNER,
        "administratorLoginPassword": server.password,
        "sku": {"name": size, "tier": "Burstable"},
        "storage": {"storageSizeGB": 32},
        "network": {"publicNetworkAccess": "Enabled"},
        "tags": tags(environment, server),
    }
    own = {**within, "serverName": f"${{{server.name}.name}}"}
    # The addresses of container apps are not known; this one stands for what runs in Azure.
    rule = {**own, "firewallRuleName": "azure", "startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"}  # noqa: S104
    kind = "azure-native:dbforpostgresql"
    return (
        ProgramResource(
            name=server.name, type=f"{kind}:Server", inputs=inputs, secret_inputs=("administratorLoginPassword",)
        ),
        ProgramResource(name=f"rule_{server.name}", type=f"{kind}:FirewallRule", inputs=rule),
        ProgramResource(name=f"database_{server.name}", type=f"{kind}:Database", inputs={**own, "databaseName": OWNER}),
    )


def _needed(environment: Description, service: Service) -> tuple[str, ...]:
    """Return what has to be there before a service; of a database that it is let in, and has its name."""
    databases = [each.name for each in environment.backing if each.name in service.depends_on]
    return (*needed(environment, service), *(f"{part}_{name}" for name in databases for part in ("rule", "database")))


def _app(environment: Description, service: Service, place: Place) -> ProgramResource:
    processors, memory = smallest(service, SIZES, "Azure Container Apps")
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
        depends_on=_needed(environment, service),
        secret_inputs=("configuration",),
    )


TARGET = AzurePrograms()
