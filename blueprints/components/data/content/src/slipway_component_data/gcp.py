"""The stores on Google Cloud: Cloud SQL for PostgreSQL, Memorystore for Redis, Cloud Storage."""

from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_data.labels import choose, google_labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.

_SIZES = {
    "small": {"tier": "db-custom-1-3840", "storage": 20, "memory": 1},
    "medium": {"tier": "db-custom-2-8192", "storage": 100, "memory": 5},
    "large": {"tier": "db-custom-8-32768", "storage": 500, "memory": 16},
}


class GcpDataArgs(TypedDict):
    """What stores on Google Cloud are made from."""

    tenant: str
    """The tenant that they belong to; a label on everything."""
    environment: str
    """The environment that they are part of; a label on everything."""
    owner: str
    """The team that answers for them; a label on everything."""
    region: str
    """The region, such as europe-west3."""
    network_id: pulumi.Input[str]
    """The VPC, which must be connected to Google's managed services."""
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
    """More labels for everything."""


class GcpData(pulumi.ComponentResource):
    """A PostgreSQL, a cache and a bucket that nobody reaches from the internet."""

    database_host: pulumi.Output[str]
    """Where the database answers, on port 5432 with TLS and tokens of IAM."""
    database_connection: pulumi.Output[str]
    """The name by which Google's connectors know the database."""
    cache_host: pulumi.Output[Optional[str]]
    """Where the cache answers, on port 6378 with TLS."""
    bucket: pulumi.Output[Optional[str]]
    """The bucket's name."""

    def __init__(self, name: str, args: GcpDataArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("slipway-data:index:GcpData", name, {}, opts)
        for needed in ("region", "network_id"):
            require(args, needed)
        size = choose(args, "size", "small", _SIZES)
        days = args.get("backup_days") or 14
        if not 7 <= days <= 35:
            raise ValueError("The argument backup_days must be between 7 and 35.")
        known_as = google_labels(args, "data")
        database = self._database(name, args, size, days, known_as)
        cache = self._cache(name, args, size, known_as) if args.get("cache", True) else None
        bucket = self._bucket(name, args, known_as) if args.get("objects", True) else None
        self.database_host = database.private_ip_address
        self.database_connection = database.connection_name
        self.cache_host = cache.host if cache else pulumi.Output.from_input(None)
        self.bucket = bucket.name if bucket else pulumi.Output.from_input(None)
        self.register_outputs(
            {
                "database_host": self.database_host,
                "database_connection": self.database_connection,
                "cache_host": self.cache_host,
                "bucket": self.bucket,
            }
        )

    def _database(self, name: str, args: GcpDataArgs, size: dict, days: int, known_as: dict[str, str]) -> Any:
        from pulumi_gcp import sql

        own = options(self)
        is_kept = not args.get("disposable", False)
        instance = sql.DatabaseInstance(
            name,
            database_version="POSTGRES_17",
            region=args["region"],
            deletion_protection=is_kept,
            settings={
                "tier": size["tier"],
                "edition": "ENTERPRISE",
                "availability_type": "REGIONAL" if args.get("high_availability") else "ZONAL",
                "disk_type": "PD_SSD",
                "disk_size": size["storage"],
                "disk_autoresize": True,
                "deletion_protection_enabled": is_kept,
                "user_labels": known_as,
                "ip_configuration": {
                    "ipv4_enabled": False,
                    "private_network": args["network_id"],
                    "ssl_mode": "ENCRYPTED_ONLY",
                },
                "backup_configuration": {
                    "enabled": True,
                    "point_in_time_recovery_enabled": True,
                    # Google keeps the write-ahead log for a week at the most.
                    "transaction_log_retention_days": 7,
                    "backup_retention_settings": {"retained_backups": days, "retention_unit": "COUNT"},
                },
                "database_flags": [
                    {"name": "cloudsql.iam_authentication", "value": "on"},
                    {"name": "log_connections", "value": "on"},
                ],
                "insights_config": {"query_insights_enabled": True},
            },
            opts=own,
        )
        sql.Database(name, name=args.get("database") or "app", instance=instance.name, opts=own)
        return instance

    def _cache(self, name: str, args: GcpDataArgs, size: dict, known_as: dict[str, str]) -> Any:
        from pulumi_gcp import redis

        return redis.Instance(
            name,
            region=args["region"],
            tier="STANDARD_HA" if args.get("high_availability") else "BASIC",
            memory_size_gb=size["memory"],
            redis_version="REDIS_7_2",
            authorized_network=args["network_id"],
            connect_mode="PRIVATE_SERVICE_ACCESS",
            auth_enabled=True,
            transit_encryption_mode="SERVER_AUTHENTICATION",
            labels=known_as,
            opts=options(self),
        )

    def _bucket(self, name: str, args: GcpDataArgs, known_as: dict[str, str]) -> Any:
        from pulumi_gcp import storage

        return storage.Bucket(
            name,
            location=args["region"],
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            soft_delete_policy={"retention_duration_seconds": 14 * 24 * 3600},
            lifecycle_rules=[
                {
                    "action": {"type": "Delete"},
                    "condition": {"days_since_noncurrent_time": 90, "with_state": "ARCHIVED"},
                }
            ],
            force_destroy=args.get("disposable", False),
            labels=known_as,
            opts=options(self),
        )
