"""The network on Azure: a virtual network with subnets by purpose."""

from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_network.addresses import subnets
from slipway_component_network.labels import choose, labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.


class AzureNetworkArgs(TypedDict):
    """What a network on Azure is made from."""

    tenant: str
    """The tenant of Slipway that it belongs to; a tag on everything."""
    environment: str
    """The environment that it is part of; a tag on everything."""
    owner: str
    """The team that answers for it; a tag on everything."""
    resource_group: pulumi.Input[str]
    """The resource group that holds it."""
    location: str
    """The region, such as westeurope."""
    flow_log_storage_id: pulumi.Input[str]
    """The storage account that keeps the flow logs."""
    zones: NotRequired[list[str]]
    """The zones of the way out. Default: 1."""
    cidr: NotRequired[str]
    """The addresses of the network, /20 or larger. Default: 10.0.0.0/16."""
    nat: NotRequired[str]
    """How private subnets reach the internet: none or single. Default: single."""
    flow_log_days: NotRequired[int]
    """How long flow logs are kept. Default: 365."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AzureNetwork(pulumi.ComponentResource):
    """A virtual network with subnets for load balancers, applications, databases and private endpoints."""

    network_id: pulumi.Output[str]
    """The virtual network."""
    public_subnet_id: pulumi.Output[str]
    """The subnet for load balancers, which the internet reaches on the ports 80 and 443."""
    private_subnet_id: pulumi.Output[str]
    """The subnet for applications."""
    database_subnet_id: pulumi.Output[str]
    """The subnet that is handed to PostgreSQL servers."""
    endpoint_subnet_id: pulumi.Output[str]
    """The subnet for private endpoints."""

    def __init__(self, name: str, args: AzureNetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-network:index:AzureNetwork", name, {}, opts)
        from pulumi_azure_native import network

        group, location = require(args, "resource_group"), require(args, "location")
        storage = require(args, "flow_log_storage_id")
        has_way_out = choose(args, "nat", "single", {"none": False, "single": True})
        cidr = args.get("cidr") or "10.0.0.0/16"
        tags = labels(args, "network")
        place = {"resource_group_name": group, "location": location, "tags": tags, "opts": options(self)}
        virtual = network.VirtualNetwork(name, address_space={"address_prefixes": [cidr]}, **place)
        public_rules = network.NetworkSecurityGroup(f"{name}-public", security_rules=[_from_the_web()], **place)
        private_rules = network.NetworkSecurityGroup(f"{name}-private", security_rules=[_nothing_from_outside()], **place)
        nat = self._nat(name, args.get("zones") or ["1"], place) if has_way_out else None
        made: dict[str, Any] = {}
        for purpose, block in zip(("public", "private", "database", "endpoint"), subnets(cidr, 4), strict=True):
            before = [*made.values()]
            made[purpose] = network.Subnet(
                f"{name}-{purpose}",
                resource_group_name=group,
                virtual_network_name=virtual.name,
                address_prefix=block,
                default_outbound_access=False,
                network_security_group={"id": (public_rules if purpose == "public" else private_rules).id},
                nat_gateway={"id": nat.id} if nat and purpose == "private" else None,
                private_endpoint_network_policies="Enabled",
                delegations=[_postgresql()] if purpose == "database" else None,
                # Azure takes one change of a network at a time.
                opts=options(self, depends_on=before[-1:]),
            )
        network.FlowLog(
            name,
            network_watcher_name=f"NetworkWatcher_{location}",
            resource_group_name="NetworkWatcherRG",
            location=location,
            target_resource_id=virtual.id,
            storage_id=storage,
            enabled=True,
            retention_policy={"enabled": True, "days": args.get("flow_log_days") or 365},
            tags=tags,
            opts=options(self),
        )
        self.network_id = virtual.id
        self.public_subnet_id = made["public"].id
        self.private_subnet_id = made["private"].id
        self.database_subnet_id = made["database"].id
        self.endpoint_subnet_id = made["endpoint"].id
        self.register_outputs(
            {
                "network_id": self.network_id,
                "public_subnet_id": self.public_subnet_id,
                "private_subnet_id": self.private_subnet_id,
                "database_subnet_id": self.database_subnet_id,
                "endpoint_subnet_id": self.endpoint_subnet_id,
            }
        )

    def _nat(self, name: str, zones: list[str], place: dict[str, Any]) -> Any:
        from pulumi_azure_native import network

        address = network.PublicIPAddress(
            f"{name}-nat",
            sku={"name": "Standard", "tier": "Regional"},
            public_ip_allocation_method="Static",
            zones=zones,
            **place,
        )
        # A gateway lives in one zone; its address may be known in several.
        return network.NatGateway(
            name, sku={"name": "Standard"}, public_ip_addresses=[{"id": address.id}], zones=zones[:1], **place
        )


def _from_the_web() -> dict[str, Any]:
    return {
        "name": "web",
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "source_address_prefix": "Internet",
        "source_port_range": "*",
        "destination_address_prefix": "*",
        "destination_port_ranges": ["80", "443"],
    }


def _nothing_from_outside() -> dict[str, Any]:
    return {
        "name": "nothing-from-outside",
        "priority": 4000,
        "direction": "Inbound",
        "access": "Deny",
        "protocol": "*",
        "source_address_prefix": "Internet",
        "source_port_range": "*",
        "destination_address_prefix": "*",
        "destination_port_range": "*",
    }


def _postgresql() -> dict[str, Any]:
    return {"name": "postgresql", "service_name": "Microsoft.DBforPostgreSQL/flexibleServers"}
