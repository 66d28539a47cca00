"""The stores on Azure: Database for PostgreSQL, Managed Redis, Storage."""

import re
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_data.labels import choose, labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.

_SIZES = {
    "small": {"sku": ("Standard_B2s", "Burstable"), "storage": 32, "cache": ("Balanced_B0", "Disabled")},
    "medium": {"sku": ("Standard_D2ds_v5", "GeneralPurpose"), "storage": 128, "cache": ("Balanced_B1", "Enabled")},
    "large": {"sku": ("Standard_E8ds_v5", "MemoryOptimized"), "storage": 512, "cache": ("Balanced_B5", "Enabled")},
}


class AzureDataArgs(TypedDict):
    """What stores on Azure are made from."""

    tenant: str
    """The tenant of Slipway that they belong to; a tag on everything."""
    environment: str
    """The environment that they are part of; a tag on everything."""
    owner: str
    """The team that answers for them; a tag on everything."""
    resource_group: pulumi.Input[str]
    """The resource group that holds them."""
    location: str
    """The region, such as westeurope."""
    network_id: pulumi.Input[str]
    """The virtual network in which the names of the stores are known."""
    database_subnet_id: pulumi.Input[str]
    """The subnet that is handed to PostgreSQL servers."""
    endpoint_subnet_id: pulumi.Input[str]
    """The subnet for private endpoints."""
    entra_tenant_id: str
    """The directory that identities come from."""
    administrator_id: str
    """The object id of the group that administers the database; there are no passwords."""
    administrator_name: str
    """The name of that group."""
    database: NotRequired[str]
    """The name of the database. Default: app."""
    size: NotRequired[str]
    """small, medium or large. Default: small."""
    high_availability: NotRequired[bool]
    """Whether a second zone stands by; not for size small. Default: no."""
    backup_days: NotRequired[int]
    """For how many days the database can be restored, 7 to 35. Default: 14."""
    cache: NotRequired[bool]
    """Whether there is a cache. Default: yes."""
    objects: NotRequired[bool]
    """Whether there is an object storage. Default: yes."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AzureData(pulumi.ComponentResource):
    """A PostgreSQL, a cache and a storage account that nobody reaches from the internet."""

    database_host: pulumi.Output[str]
    """Where the database answers, on port 5432 with TLS and tokens of Entra ID."""
    cache_host: pulumi.Output[Optional[str]]
    """Where the cache answers, on port 10000 with TLS and tokens of Entra ID."""
    container: pulumi.Output[Optional[str]]
    """The name of the container for objects."""
    storage_account: pulumi.Output[Optional[str]]
    """The name of the storage account."""

    def __init__(self, name: str, args: AzureDataArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-data:index:AzureData", name, {}, opts)
        for needed in ("network_id", "database_subnet_id", "endpoint_subnet_id"):
            require(args, needed)
        size = choose(args, "size", "small", _SIZES)
        if args.get("high_availability") and size["sku"][1] == "Burstable":
            raise ValueError("High availability needs the size medium or large.")
        days = args.get("backup_days") or 14
        if not 7 <= days <= 35:
            raise ValueError("The argument backup_days must be between 7 and 35.")
        place = {
            "resource_group_name": require(args, "resource_group"),
            "location": require(args, "location"),
            "tags": labels(args, "data"),
            "opts": options(self),
        }
        server = self._database(name, args, size, days, place)
        cache = self._cache(name, args, size, place) if args.get("cache", True) else None
        account, container = self._objects(name, args, place) if args.get("objects", True) else (None, None)
        nothing = pulumi.Output.from_input(None)
        self.database_host = server.fully_qualified_domain_name
        self.cache_host = cache.host_name if cache else nothing
        self.container = container.name if container else nothing
        self.storage_account = account.name if account else nothing
        self.register_outputs(
            {
                "database_host": self.database_host,
                "cache_host": self.cache_host,
                "container": self.container,
                "storage_account": self.storage_account,
            }
        )

    def _zone(self, name: str, args: AzureDataArgs, zone: str) -> Any:
        """Make a private zone for names and show it to the network."""
        from pulumi_azure_native import privatedns

        everywhere = {
            "resource_group_name": args["resource_group"],
            "location": "global",
            "tags": labels(args, "data"),
            "opts": options(self),
        }
        made = privatedns.PrivateZone(name, private_zone_name=zone, **everywhere)
        link = privatedns.VirtualNetworkLink(
            name,
            private_zone_name=made.name,
            registration_enabled=False,
            virtual_network={"id": args["network_id"]},
            **everywhere,
        )
        return made, link

    def _endpoint(self, name: str, args: AzureDataArgs, target: Any, part: str, zone: str, place: dict) -> None:
        from pulumi_azure_native import network

        names, _ = self._zone(name, args, zone)
        endpoint = network.PrivateEndpoint(
            name,
            subnet={"id": args["endpoint_subnet_id"]},
            private_link_service_connections=[
                {"name": part, "private_link_service_id": target.id, "group_ids": [part]}
            ],
            **place,
        )
        network.PrivateDnsZoneGroup(
            name,
            resource_group_name=args["resource_group"],
            private_endpoint_name=endpoint.name,
            private_dns_zone_configs=[{"name": part, "private_dns_zone_id": names.id}],
            opts=options(self),
        )

    def _database(self, name: str, args: AzureDataArgs, size: dict, days: int, place: dict[str, Any]) -> Any:
        from pulumi_azure_native import dbforpostgresql

        sku, tier = size["sku"]
        has_second = args.get("high_availability", False)
        zone, link = self._zone(f"{name}-database", args, f"{name}.private.postgres.database.azure.com")
        server = dbforpostgresql.Server(
            name,
            version="17",
            create_mode="Create",
            sku={"name": sku, "tier": tier},
            storage={"storage_size_gb": size["storage"], "auto_grow": "Enabled"},
            network={
                "delegated_subnet_resource_id": args["database_subnet_id"],
                "private_dns_zone_arm_resource_id": zone.id,
                "public_network_access": "Disabled",
            },
            auth_config={
                "active_directory_auth": "Enabled",
                "password_auth": "Disabled",
                "tenant_id": require(args, "entra_tenant_id"),
            },
            backup={"backup_retention_days": days, "geo_redundant_backup": "Enabled" if has_second else "Disabled"},
            high_availability={"mode": "ZoneRedundant" if has_second else "Disabled"},
            **{**place, "opts": options(self, depends_on=[link])},
        )
        within = {"resource_group_name": args["resource_group"], "server_name": server.name, "opts": options(self)}
        dbforpostgresql.AdministratorsMicrosoftEntra(
            name,
            object_id=require(args, "administrator_id"),
            principal_name=require(args, "administrator_name"),
            principal_type="Group",
            tenant_id=args["entra_tenant_id"],
            **within,
        )
        dbforpostgresql.Database(name, database_name=args.get("database") or "app", **within)
        return server

    def _cache(self, name: str, args: AzureDataArgs, size: dict, place: dict[str, Any]) -> Any:
        # Azure Cache for Redis is being retired and is not made for new customers; Managed Redis takes its place.
        from pulumi_azure_native import redisenterprise

        sku, is_replicated = size["cache"]
        cache = redisenterprise.RedisEnterprise(
            name,
            sku={"name": sku},
            high_availability=is_replicated,
            minimum_tls_version="1.2",
            public_network_access="Disabled",
            **place,
        )
        redisenterprise.Database(
            name,
            resource_group_name=args["resource_group"],
            cluster_name=cache.name,
            database_name="default",
            port=10000,
            client_protocol="Encrypted",
            access_keys_authentication="Disabled",
            # One address for everything, as clients that know no cluster expect it.
            clustering_policy="EnterpriseCluster",
            eviction_policy="VolatileLRU",
            opts=options(self),
        )
        self._endpoint(f"{name}-cache", args, cache, "redisEnterprise", "privatelink.redis.azure.net", place)
        return cache

    def _objects(self, name: str, args: AzureDataArgs, place: dict[str, Any]) -> tuple[Any, Any]:
        from pulumi_azure_native import storage

        account = storage.StorageAccount(
            re.sub(r"[^a-z0-9]", "", name.lower())[:16],
            kind="StorageV2",
            sku={"name": "Standard_ZRS"},
            access_tier="Hot",
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            public_network_access="Disabled",
            network_rule_set={"default_action": "Deny", "bypass": "AzureServices"},
            encryption={
                "key_source": "Microsoft.Storage",
                "require_infrastructure_encryption": True,
                "services": {"blob": {"enabled": True, "key_type": "Account"}},
            },
            **place,
        )
        within = {"resource_group_name": args["resource_group"], "account_name": account.name, "opts": options(self)}
        storage.BlobServiceProperties(
            name,
            blob_services_name="default",
            is_versioning_enabled=True,
            delete_retention_policy={"enabled": True, "days": 14},
            container_delete_retention_policy={"enabled": True, "days": 14},
            **within,
        )
        container = storage.BlobContainer(name, container_name="objects", public_access="None", **within)
        self._endpoint(f"{name}-objects", args, account, "blob", "privatelink.blob.core.windows.net", place)
        return account, container
