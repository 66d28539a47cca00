"""The network of an environment in Azure: its apps are in one part, and its servers have addresses in the other.

Servers are closed to everybody outside. Each has a private endpoint, and a zone of names in which the apps find that by
the name that the server has anyway.
"""

from workers.engine import ProgramResource
from workers.targets import BackingService, Description, Place
from workers.targets.cloud_sizes import short_name, tags

GROUP = "group_own"
NETWORK = "network_own"
WITHIN = {"resourceGroupName": f"${{{GROUP}.name}}"}
_APPS, _SERVERS = "apps", "servers"
_ZONES = {
    "postgres": "privatelink.postgres.database.azure.com",
    "redis": "privatelink.redis.azure.net",
    "objects": "privatelink.blob.core.windows.net",
}
_PARTS = {"postgres": "postgresqlServer", "redis": "redisEnterprise", "objects": "blob"}
"""What of a resource an endpoint stands for, by the words that Azure has for it."""


def network(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return the network, and a zone of names for each kind of servers."""
    kinds = dict.fromkeys(each.kind for each in environment.backing)
    inputs = {
        **WITHIN,
        "virtualNetworkName": "network",
        "location": place.settings.azure_location,
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [
            {
                "name": _APPS,
                "addressPrefix": "10.0.0.0/23",
                "delegations": [{"name": _APPS, "serviceName": "Microsoft.App/environments"}],
            },
            {"name": _SERVERS, "addressPrefix": "10.0.2.0/24"},
        ],
        "tags": tags(environment),
    }
    return (
        ProgramResource(name=NETWORK, type="azure-native:network:VirtualNetwork", inputs=inputs),
        *(one for kind in kinds for one in _zone(environment, kind)),
    )


def apps_within() -> dict[str, object]:
    """Return what places a managed environment in the network; only one with profiles takes so small a part of it."""
    return {
        "vnetConfiguration": {"infrastructureSubnetId": f"${{{NETWORK}.id}}/subnets/{_APPS}", "internal": False},
        "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
    }


def address(
    environment: Description, server: BackingService, place: Place, resource: str, after: tuple[str, ...] = ()
) -> tuple[ProgramResource, ...]:
    """Return what gives a server (its ``resource``) an address in the network, and its name; whoever asks needs both.

    It comes ``after`` what else is made of the server: Azure refuses to change one in two ways at once.
    """
    endpoint, zone = f"endpoint_{server.name}", _zone_of(server.kind)
    connection = {
        "name": server.name,
        "privateLinkServiceId": f"${{{resource}.id}}",
        "groupIds": [_PARTS[server.kind]],
    }
    inputs = {
        **WITHIN,
        "privateEndpointName": short_name(environment, server.name),
        "location": place.settings.azure_location,
        "subnet": {"id": f"${{{NETWORK}.id}}/subnets/{_SERVERS}"},
        "privateLinkServiceConnections": [connection],
        "tags": tags(environment, server),
    }
    names = {
        **WITHIN,
        "privateEndpointName": f"${{{endpoint}.name}}",
        "privateDnsZoneGroupName": "default",
        "privateDnsZoneConfigs": [{"name": server.kind, "privateDnsZoneId": f"${{{zone}.id}}"}],
    }
    kind = "azure-native:network"
    return (
        ProgramResource(name=endpoint, type=f"{kind}:PrivateEndpoint", inputs=inputs, depends_on=after),
        ProgramResource(
            name=f"names_{server.name}",
            type=f"{kind}:PrivateDnsZoneGroup",
            inputs=names,
            depends_on=(f"link_{zone}",),
        ),
    )


def _zone(environment: Description, kind: str) -> tuple[ProgramResource, ...]:
    name, about = _zone_of(kind), {"location": "Global", "tags": tags(environment)}
    link = {
        **WITHIN,
        **about,
        "privateZoneName": f"${{{name}.name}}",
        "virtualNetworkLinkName": "network",
        "registrationEnabled": False,
        "virtualNetwork": {"id": f"${{{NETWORK}.id}}"},
    }
    zone = {**WITHIN, **about, "privateZoneName": _ZONES[kind]}
    return (
        ProgramResource(name=name, type="azure-native:privatedns:PrivateZone", inputs=zone),
        ProgramResource(name=f"link_{name}", type="azure-native:privatedns:VirtualNetworkLink", inputs=link),
    )


def _zone_of(kind: str) -> str:
    return f"zone_{kind}_own"
