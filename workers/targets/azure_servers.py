"""Servers behind services in Azure: Database for PostgreSQL, Managed Redis, and a storage account behind a gateway.

Azure's storage does not speak the protocol of S3, which is what blueprints are promised: an app of the environment's
own speaks it, and keeps everything in the storage account. They stay while an environment sleeps, with what they hold.
All of them are reached from the network of the environment alone.
"""

from collections.abc import Mapping
from typing import Any

from workers.engine import ProgramLookup, ProgramResource
from workers.engine.references import escaped
from workers.targets import Address, BackingService, Description, Place, Service
from workers.targets.azure_network import WITHIN, address
from workers.targets.cloud_sizes import needed, short_name, smallest, tags
from workers.targets.containers import server_image
from workers.targets.servers import OWNER, RECIPES, REGION, named, told

APPS = "apps_own"
APP_SIZES = (("0.25", 512), ("0.5", 1024), ("0.75", 1536), ("1.0", 2048), ("1.5", 3072), ("2.0", 4096))
"""What the consumption plan sells: processors, and MiB of memory."""
POSTGRES_SIZES = (("Standard_B1ms", 2048), ("Standard_B2s", 4096), ("Standard_B2ms", 8192), ("Standard_B4ms", 16384))
REDIS_SIZES = (("Balanced_B0", 512), ("Balanced_B1", 1024), ("Balanced_B3", 3072), ("Balanced_B5", 6144))
REDIS_PORT = 10000
_LONGEST_ACCOUNT = 24
_PARTS = {"postgres": ("database", "names"), "redis": ("database", "names"), "objects": ()}
"""What of a server has to be there before a service that uses it, beside the server itself."""


def told_of(name: str, kind: str, password: str) -> Mapping[str, str]:
    """Return what services are told of a server; the key of a Redis is one that Azure makes."""
    if kind == "postgres":
        address = Address(f"${{{name}.fullyQualifiedDomainName}}", "5432", "")
        return told(kind, address, password, url=f"{told(kind, address, password)['url']}?sslmode=require")
    if kind == "redis":
        host, key = f"${{{name}.hostName}}", f"${{keys_{name}.primaryKey}}"
        url = f"rediss://:${{keys_{name}.primaryKey_in_urls}}@{host}:{REDIS_PORT}"
        return told(kind, Address(host, str(REDIS_PORT), ""), key, url=url)
    return told(kind, named(name, kind), password)


def servers(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every server of an environment, and what it needs."""
    made = {"postgres": _postgres, "redis": _redis, "objects": _objects}
    return tuple(one for each in environment.backing for one in made[each.kind](environment, each, place))


def lookups(environment: Description) -> tuple[ProgramLookup, ...]:
    """Return what Azure is asked once servers are there: the keys that it makes itself, and tells in no resource."""
    kinds = {"redis": _redis_keys, "objects": _account_keys}
    return tuple(kinds[each.kind](each.name) for each in environment.backing if each.kind in kinds)


def needed_here(environment: Description, service: Service) -> tuple[str, ...]:
    """Return what has to be there before a service, with what its servers need to be used."""
    used = [each for each in environment.backing if each.name in service.depends_on]
    return (*needed(environment, service), *(part for each in used for part in parts_of(each)))


def parts_of(server: BackingService) -> tuple[str, ...]:
    """Return what of a server has to be there before it is used, beside the server itself."""
    return tuple(f"{part}_{server.name}" for part in _PARTS[server.kind])


def _postgres(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    size, _memory = smallest(server, POSTGRES_SIZES, "Azure Database for PostgreSQL")
    inputs = {
        **WITHIN,
        "serverName": short_name(environment, server.name),
        "location": place.settings.azure_location,
        "version": "16",
        "administratorLogin": OWNER,
        "administratorLoginPassword": server.password,
        "sku": {"name": size, "tier": "Burstable"},
        "storage": {"storageSizeGB": 32},
        "network": {"publicNetworkAccess": "Disabled"},
        "tags": tags(environment, server),
    }
    own = {**WITHIN, "serverName": f"${{{server.name}.name}}"}
    kind = "azure-native:dbforpostgresql"
    return (
        ProgramResource(
            name=server.name, type=f"{kind}:Server", inputs=inputs, secret_inputs=("administratorLoginPassword",)
        ),
        ProgramResource(name=f"database_{server.name}", type=f"{kind}:Database", inputs={**own, "databaseName": OWNER}),
        *address(environment, server, place, server.name, (f"database_{server.name}",)),
    )


def _redis(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    size, _memory = smallest(server, REDIS_SIZES, "Azure Managed Redis")
    kind = "azure-native:redisenterprise"
    cluster = {
        **WITHIN,
        "clusterName": short_name(environment, server.name),
        "location": place.settings.azure_location,
        "sku": {"name": size},
        "highAvailability": "Disabled",
        "minimumTlsVersion": "1.2",
        "publicNetworkAccess": "Disabled",
        "tags": tags(environment, server),
    }
    database = {
        **WITHIN,
        "clusterName": f"${{{server.name}.name}}",
        "databaseName": "default",
        "port": REDIS_PORT,
        "clientProtocol": "Encrypted",
        # As one server, so that clients need not know of clusters, and commands take any keys.
        "clusteringPolicy": "NoCluster",
        "evictionPolicy": "NoEviction",
        "accessKeysAuthentication": "Enabled",
    }
    return (
        ProgramResource(name=server.name, type=f"{kind}:RedisEnterprise", inputs=cluster),
        ProgramResource(name=f"database_{server.name}", type=f"{kind}:Database", inputs=database),
        *address(environment, server, place, server.name, (f"database_{server.name}",)),
    )


def _redis_keys(name: str) -> ProgramLookup:
    asked = {**WITHIN, "clusterName": f"${{{name}.name}}", "databaseName": f"${{database_{name}.name}}"}
    return ProgramLookup(f"keys_{name}", "azure-native:redisenterprise:listDatabaseKeys", asked)


def _objects(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    name = short_name(environment, server.name).replace("-", "")[:_LONGEST_ACCOUNT]
    account = {
        **WITHIN,
        "accountName": name,
        "location": place.settings.azure_location,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "allowBlobPublicAccess": False,
        "publicNetworkAccess": "Disabled",
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "tags": tags(environment, server),
    }
    container = {
        **WITHIN,
        "accountName": f"${{account_{server.name}.name}}",
        "containerName": OWNER,
        "publicAccess": "None",
    }
    kind = "azure-native:storage"
    return (
        ProgramResource(name=f"account_{server.name}", type=f"{kind}:StorageAccount", inputs=account),
        ProgramResource(name=f"container_{server.name}", type=f"{kind}:BlobContainer", inputs=container),
        *address(environment, server, place, f"account_{server.name}", (f"container_{server.name}",)),
        _gateway(environment, server, place),
    )


def _account_keys(name: str) -> ProgramLookup:
    asked = {**WITHIN, "accountName": f"${{account_{name}.name}}"}
    return ProgramLookup(f"keys_{name}", "azure-native:storage:listStorageAccountKeys", asked)


def _gateway(environment: Description, server: BackingService, place: Place) -> ProgramResource:
    """Return the app that speaks S3 to the environment alone, and keeps what it is given in the storage account."""
    processors, memory = smallest(server, APP_SIZES, "Azure Container Apps")
    port = RECIPES["objects"].port
    secrets = {"root": server.password, "account": f"${{keys_{server.name}.keys.0.value}}"}
    plain = {
        "ROOT_ACCESS_KEY": OWNER,
        "VGW_REGION": REGION,
        "VGW_PORT": f":{port}",
        "PORT": str(port),
        "AZ_ACCOUNT_NAME": f"${{account_{server.name}.name}}",
    }
    hidden = {"ROOT_SECRET_KEY": "root", "AZ_ACCESS_KEY": "account"}
    container: dict[str, Any] = {
        "name": server.name,
        "image": escaped(server_image(server, place)),
        "command": ["/bin/sh", "-c", escaped(place.settings.azure_objects_command)],
        "resources": {"cpu": float(processors), "memory": f"{memory / 1024:g}Gi"},
        "env": [
            *({"name": key, "value": value} for key, value in plain.items()),
            *({"name": key, "secretRef": value} for key, value in hidden.items()),
        ],
        "probes": [{"type": "Readiness", "tcpSocket": {"port": port}, "periodSeconds": 5}],
    }
    inputs = {
        **WITHIN,
        "containerAppName": server.name,
        "managedEnvironmentId": f"${{{APPS}.id}}",
        "location": place.settings.azure_location,
        "tags": tags(environment, server),
        "configuration": {
            "activeRevisionsMode": "Single",
            # Not as HTTP: requests are signed with the name of the host that they go to.
            "ingress": {"external": False, "transport": "tcp", "targetPort": port, "exposedPort": port},
            "secrets": [{"name": key, "value": value} for key, value in secrets.items()],
        },
        "template": {"containers": [container], "scale": {"minReplicas": 1, "maxReplicas": 1}},
    }
    return ProgramResource(
        name=server.name,
        type="azure-native:app:ContainerApp",
        inputs=inputs,
        depends_on=(f"container_{server.name}", f"names_{server.name}"),
        secret_inputs=("configuration",),
    )
