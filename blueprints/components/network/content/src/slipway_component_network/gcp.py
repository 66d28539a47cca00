"""The network on Google Cloud: a VPC with subnets in one region."""

from typing import NotRequired, Optional, TypedDict

import pulumi

from slipway_component_network.addresses import subnets
from slipway_component_network.labels import choose, google_labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.

_HEALTH_CHECKS = ["35.191.0.0/16", "130.211.0.0/22"]
"""Where Google's load balancers and their health checks come from."""


class GcpNetworkArgs(TypedDict):
    """What a network on Google Cloud is made from."""

    tenant: str
    """The tenant that it belongs to."""
    environment: str
    """The environment that it is part of."""
    owner: str
    """The team that answers for it."""
    region: str
    """The region, such as europe-west3; its subnets reach over all zones of it."""
    cidr: NotRequired[str]
    """The addresses of the subnets, /20 or larger. Default: 10.0.0.0/16."""
    nat: NotRequired[str]
    """How private machines reach the internet: none or single. Default: single."""
    ports: NotRequired[list[str]]
    """The ports on which load balancers reach applications. Default: 8080."""
    tags: NotRequired[dict[str, str]]
    """More labels, where Google Cloud knows labels."""


class GcpNetwork(pulumi.ComponentResource):
    """A VPC with a public and a private subnet, closed but for load balancers, with flow logs."""

    network_id: pulumi.Output[str]
    """The VPC."""
    public_subnet_id: pulumi.Output[str]
    """The subnet for what load balancers reach."""
    private_subnet_id: pulumi.Output[str]
    """The subnet for everything else."""
    service_connection: pulumi.Output[str]
    """The peering through which managed services are reached privately."""

    def __init__(self, name: str, args: GcpNetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-network:index:GcpNetwork", name, {}, opts)
        from pulumi_gcp import compute, servicenetworking

        region = require(args, "region")
        has_way_out = choose(args, "nat", "single", {"none": False, "single": True})
        own = options(self)
        known_as = google_labels(args, "network")
        about = " ".join(f"{key}={value}" for key, value in sorted(known_as.items()))
        network = compute.Network(
            name,
            auto_create_subnetworks=False,
            # There are no labels on networks, so what would be in them stands in the description.
            description=about,
            opts=own,
        )
        made = {}
        for purpose, block in zip(("public", "private"), subnets(args.get("cidr") or "10.0.0.0/16", 2), strict=True):
            made[purpose] = compute.Subnetwork(
                f"{name}-{purpose}",
                network=network.id,
                region=region,
                ip_cidr_range=block,
                private_ip_google_access=True,
                log_config={"aggregation_interval": "INTERVAL_10_MIN", "flow_sampling": 0.5, "metadata": "INCLUDE_ALL_METADATA"},
                description=about,
                opts=own,
            )
        compute.Firewall(
            f"{name}-load-balancers",
            network=network.id,
            direction="INGRESS",
            source_ranges=_HEALTH_CHECKS,
            allows=[{"protocol": "tcp", "ports": args.get("ports") or ["8080"]}],
            log_config={"metadata": "INCLUDE_ALL_METADATA"},
            description=about,
            opts=own,
        )
        if has_way_out:
            router = compute.Router(name, network=network.id, region=region, description=about, opts=own)
            compute.RouterNat(
                name,
                router=router.name,
                region=region,
                nat_ip_allocate_option="AUTO_ONLY",
                source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
                log_config={"enable": True, "filter": "ERRORS_ONLY"},
                opts=own,
            )
        addresses = compute.GlobalAddress(
            f"{name}-services",
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            prefix_length=16,
            network=network.id,
            labels=known_as,
            opts=own,
        )
        peering = servicenetworking.Connection(
            name,
            network=network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[addresses.name],
            opts=own,
        )
        self.network_id = network.id
        self.public_subnet_id = made["public"].id
        self.private_subnet_id = made["private"].id
        self.service_connection = peering.id
        self.register_outputs(
            {
                "network_id": self.network_id,
                "public_subnet_id": self.public_subnet_id,
                "private_subnet_id": self.private_subnet_id,
                "service_connection": self.service_connection,
            }
        )
