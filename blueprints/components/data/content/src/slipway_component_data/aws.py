"""The stores on AWS: RDS for PostgreSQL, ElastiCache for Valkey, S3."""

import json
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_data.labels import choose, labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.

_SIZES = {
    "small": {"database": "db.t4g.small", "cache": "cache.t4g.small", "storage": 20},
    "medium": {"database": "db.m7g.large", "cache": "cache.m7g.large", "storage": 100},
    "large": {"database": "db.r7g.2xlarge", "cache": "cache.r7g.xlarge", "storage": 500},
}


class AwsDataArgs(TypedDict):
    """What stores on AWS are made from."""

    tenant: str
    """The tenant that they belong to; a tag on everything."""
    environment: str
    """The environment that they are part of; a tag on everything."""
    owner: str
    """The team that answers for them; a tag on everything."""
    vpc_id: pulumi.Input[str]
    """The VPC."""
    subnet_ids: pulumi.Input[list[str]]
    """Private subnets in two zones at the least."""
    client_cidrs: list[str]
    """The addresses that may connect, such as those of the VPC."""
    database: NotRequired[str]
    """The name of the database. Default: app."""
    size: NotRequired[str]
    """small, medium or large. Default: small."""
    high_availability: NotRequired[bool]
    """Whether a second zone stands by, at twice the cost. Default: no."""
    backup_days: NotRequired[int]
    """For how many days the database can be restored, 7 to 35. Default: 14."""
    cache: NotRequired[bool]
    """Whether there is a cache. Default: yes."""
    objects: NotRequired[bool]
    """Whether there is an object storage. Default: yes."""
    disposable: NotRequired[bool]
    """Whether everything may be deleted with what is in it, as previews are. Default: no."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AwsData(pulumi.ComponentResource):
    """A PostgreSQL, a cache and a bucket that nobody reaches from the internet."""

    database_host: pulumi.Output[str]
    """Where the database answers, on port 5432 with TLS."""
    database_secret_arn: pulumi.Output[str]
    """The secret that holds its password, which AWS makes and changes."""
    cache_host: pulumi.Output[Optional[str]]
    """Where the cache answers, on port 6379 with TLS."""
    bucket: pulumi.Output[Optional[str]]
    """The bucket's name."""

    def __init__(self, name: str, args: AwsDataArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-data:index:AwsData", name, {}, opts)
        for needed in ("vpc_id", "subnet_ids", "client_cidrs"):
            require(args, needed)
        size = choose(args, "size", "small", _SIZES)
        tags = labels(args, "data")
        days = args.get("backup_days") or 14
        if not 7 <= days <= 35:
            raise ValueError("The argument backup_days must be between 7 and 35.")
        database = self._database(name, args, size, days, tags)
        cache = self._cache(name, args, size, tags) if args.get("cache", True) else None
        bucket = self._bucket(name, tags, disposable=args.get("disposable", False)) if args.get("objects", True) else None
        self.database_host = database.address
        self.database_secret_arn = database.master_user_secrets.apply(lambda found: found[0].secret_arn if found else "")
        self.cache_host = cache.primary_endpoint_address if cache else pulumi.Output.from_input(None)
        self.bucket = bucket.bucket if bucket else pulumi.Output.from_input(None)
        self.register_outputs(
            {
                "database_host": self.database_host,
                "database_secret_arn": self.database_secret_arn,
                "cache_host": self.cache_host,
                "bucket": self.bucket,
            }
        )

    def _firewall(self, name: str, args: AwsDataArgs, port: int, tags: dict[str, str]) -> Any:
        from pulumi_aws import ec2

        return ec2.SecurityGroup(
            name,
            vpc_id=args["vpc_id"],
            description=f"Clients to port {port}",
            ingress=[
                {"protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": args["client_cidrs"]}
            ],
            egress=[],
            tags=tags,
            opts=options(self),
        )

    def _database(self, name: str, args: AwsDataArgs, size: dict, days: int, tags: dict[str, str]) -> Any:
        from pulumi_aws import rds

        own = options(self)
        is_disposable = args.get("disposable", False)
        subnets = rds.SubnetGroup(name, subnet_ids=args["subnet_ids"], tags=tags, opts=own)
        parameters = rds.ParameterGroup(
            name,
            family="postgres17",
            parameters=[{"name": "rds.force_ssl", "value": "1"}, {"name": "log_connections", "value": "1"}],
            tags=tags,
            opts=own,
        )
        return rds.Instance(
            name,
            engine="postgres",
            engine_version="17",
            instance_class=size["database"],
            allocated_storage=size["storage"],
            max_allocated_storage=size["storage"] * 5,
            storage_type="gp3",
            storage_encrypted=True,
            db_name=args.get("database") or "app",
            username="administrator",
            manage_master_user_password=True,
            iam_database_authentication_enabled=True,
            db_subnet_group_name=subnets.name,
            parameter_group_name=parameters.name,
            vpc_security_group_ids=[self._firewall(f"{name}-database", args, 5432, tags).id],
            publicly_accessible=False,
            multi_az=args.get("high_availability", False),
            backup_retention_period=days,
            copy_tags_to_snapshot=True,
            deletion_protection=not is_disposable,
            skip_final_snapshot=is_disposable,
            final_snapshot_identifier=None if is_disposable else f"{name}-final",
            auto_minor_version_upgrade=True,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            tags=tags,
            opts=own,
        )

    def _cache(self, name: str, args: AwsDataArgs, size: dict, tags: dict[str, str]) -> Any:
        from pulumi_aws import elasticache

        own = options(self)
        has_second = args.get("high_availability", False)
        subnets = elasticache.SubnetGroup(name, subnet_ids=args["subnet_ids"], tags=tags, opts=own)
        return elasticache.ReplicationGroup(
            name,
            description=f"Cache of {name}",
            engine="valkey",
            engine_version="8.0",
            node_type=size["cache"],
            num_cache_clusters=2 if has_second else 1,
            automatic_failover_enabled=has_second,
            multi_az_enabled=has_second,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            snapshot_retention_limit=7,
            subnet_group_name=subnets.name,
            security_group_ids=[self._firewall(f"{name}-cache", args, 6379, tags).id],
            tags=tags,
            opts=own,
        )

    def _bucket(self, name: str, tags: dict[str, str], *, disposable: bool) -> Any:
        from pulumi_aws import s3

        own = options(self)
        bucket = s3.Bucket(name, force_destroy=disposable, tags=tags, opts=own)
        s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=own,
        )
        s3.BucketVersioning(name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=own)
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms"},
                    "bucket_key_enabled": True,
                }
            ],
            opts=own,
        )
        s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": 90},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            opts=own,
        )
        s3.BucketPolicy(name, bucket=bucket.id, policy=bucket.arn.apply(_encrypted_connections_only), opts=own)
        return bucket


def _encrypted_connections_only(arn: str) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
