"""The network on AWS: a VPC over several zones."""

import json
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_network.addresses import subnets
from slipway_component_network.labels import choose, labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.

_ANYWHERE = "0.0.0.0/0"


class AwsNetworkArgs(TypedDict):
    """What a network on AWS is made from."""

    tenant: str
    """The tenant that it belongs to; a tag on everything."""
    environment: str
    """The environment that it is part of; a tag on everything."""
    owner: str
    """The team that answers for it; a tag on everything."""
    region: str
    """The region, such as eu-central-1."""
    zones: list[str]
    """The availability zones; each gets a public and a private subnet."""
    cidr: NotRequired[str]
    """The addresses of the VPC, /20 or larger. Default: 10.0.0.0/16."""
    nat: NotRequired[str]
    """How private subnets reach the internet: none, single (one gateway, the cheap one) or per-zone. Default: single."""
    endpoints: NotRequired[list[str]]
    """Services of AWS that are reached privately, such as ecr.api or secretsmanager. S3 always is."""
    flow_log_days: NotRequired[int]
    """How long flow logs are kept. Default: 365."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AwsNetwork(pulumi.ComponentResource):
    """A VPC with a public and a private subnet in each zone, closed by default, with flow logs."""

    vpc_id: pulumi.Output[str]
    """The VPC."""
    public_subnet_ids: pulumi.Output[list[str]]
    """The subnets for load balancers, one for each zone."""
    private_subnet_ids: pulumi.Output[list[str]]
    """The subnets for everything else, one for each zone."""
    cidr: pulumi.Output[str]
    """The addresses of the VPC."""

    def __init__(self, name: str, args: AwsNetworkArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-network:index:AwsNetwork", name, {}, opts)
        from pulumi_aws import ec2

        zones = require(args, "zones")
        gateways = choose(args, "nat", "single", {"none": 0, "single": 1, "per-zone": len(zones)})
        cidr = args.get("cidr") or "10.0.0.0/16"
        blocks = subnets(cidr, 2 * len(zones))
        tags = labels(args, "network")
        own = options(self)
        vpc = ec2.Vpc(
            name,
            cidr_block=cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={**tags, "Name": name},
            opts=own,
        )
        # The security group that a VPC brings lets its members talk to each other: taken over, and emptied.
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, ingress=[], egress=[], tags=tags, opts=own)
        way_out = ec2.InternetGateway(name, vpc_id=vpc.id, tags=tags, opts=own)
        public = self._public(name, vpc, way_out, dict(zip(zones, blocks, strict=False)), tags)
        nats = [self._nat(f"{name}-{zones[index]}", public[index], way_out, tags) for index in range(gateways)]
        private, tables = self._private(name, vpc, dict(zip(zones, blocks[len(zones) :], strict=True)), nats, tags)
        self._flow_log(name, vpc, args.get("flow_log_days") or 365, tags)
        self._endpoints(name, vpc, private, tables, args, tags, cidr)
        self.vpc_id = vpc.id
        self.public_subnet_ids = pulumi.Output.all(*(each.id for each in public))
        self.private_subnet_ids = pulumi.Output.all(*(each.id for each in private))
        self.cidr = vpc.cidr_block
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "cidr": self.cidr,
            }
        )

    def _public(self, name: str, vpc: Any, way_out: Any, blocks: dict[str, str], tags: dict[str, str]) -> list[Any]:
        from pulumi_aws import ec2

        own = options(self)
        table = ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, tags=tags, opts=own)
        ec2.Route(
            f"{name}-public",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=way_out.id,
            opts=own,
        )
        made = []
        for zone, block in blocks.items():
            subnet = ec2.Subnet(
                f"{name}-public-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags={**tags, "Name": f"{name}-public-{zone}"},
                opts=own,
            )
            ec2.RouteTableAssociation(
                f"{name}-public-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=own
            )
            made.append(subnet)
        return made

    def _nat(self, name: str, subnet: Any, way_out: Any, tags: dict[str, str]) -> Any:
        from pulumi_aws import ec2

        address = ec2.Eip(f"{name}-nat", domain="vpc", tags=tags, opts=options(self, depends_on=[way_out]))
        return ec2.NatGateway(
            name, allocation_id=address.allocation_id, subnet_id=subnet.id, tags=tags, opts=options(self)
        )

    def _private(
        self, name: str, vpc: Any, blocks: dict[str, str], nats: list[Any], tags: dict[str, str]
    ) -> tuple[list[Any], list[Any]]:
        from pulumi_aws import ec2

        own = options(self)
        made, tables = [], []
        for index, (zone, block) in enumerate(blocks.items()):
            table = ec2.RouteTable(f"{name}-private-{zone}", vpc_id=vpc.id, tags=tags, opts=own)
            if nats:
                ec2.Route(
                    f"{name}-private-{zone}",
                    route_table_id=table.id,
                    destination_cidr_block=_ANYWHERE,
                    nat_gateway_id=nats[index % len(nats)].id,
                    opts=own,
                )
            subnet = ec2.Subnet(
                f"{name}-private-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags={**tags, "Name": f"{name}-private-{zone}"},
                opts=own,
            )
            ec2.RouteTableAssociation(
                f"{name}-private-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=own
            )
            made.append(subnet)
            tables.append(table)
        return made, tables

    def _flow_log(self, name: str, vpc: Any, days: int, tags: dict[str, str]) -> None:
        from pulumi_aws import cloudwatch, ec2, iam

        own = options(self)
        group = cloudwatch.LogGroup(f"{name}-flow", retention_in_days=days, tags=tags, opts=own)
        role = iam.Role(
            f"{name}-flow",
            assume_role_policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
            tags=tags,
            opts=own,
        )
        writes = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams"]
        policy = group.arn.apply(
            lambda arn: json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": writes, "Resource": [arn, f"{arn}:*"]}],
                }
            )
        )
        iam.RolePolicy(f"{name}-flow", role=role.id, policy=policy, opts=own)
        ec2.FlowLog(
            name,
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=tags,
            opts=own,
        )

    def _endpoints(
        self, name: str, vpc: Any, private: list[Any], tables: list[Any], args: AwsNetworkArgs, tags: dict, cidr: str
    ) -> None:
        from pulumi_aws import ec2

        own = options(self)
        region = require(args, "region")
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=tags,
            opts=own,
        )
        if not args.get("endpoints"):
            return
        group = ec2.SecurityGroup(
            f"{name}-endpoints",
            vpc_id=vpc.id,
            description="HTTPS from the network to private endpoints",
            ingress=[{"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": [cidr]}],
            egress=[],
            tags=tags,
            opts=own,
        )
        for service in args["endpoints"]:
            ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in private],
                security_group_ids=[group.id],
                tags=tags,
                opts=own,
            )
