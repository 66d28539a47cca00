"""Servers behind services in AWS: RDS for PostgreSQL, ElastiCache, and S3 with a user who may do nothing else.

They stay while an environment sleeps, with what they hold.
"""

import json
from collections.abc import Mapping
from typing import Any

from catalog.providers.targets.cloud_tags import iam_path
from workers.engine import ProgramResource
from workers.targets import Address, BackingService, Description, Place
from workers.targets.cloud_sizes import short_name, smallest, tags
from workers.targets.servers import OWNER, told

POSTGRES_SIZES = (("db.t4g.micro", 1024), ("db.t4g.small", 2048), ("db.t4g.medium", 4096), ("db.t4g.large", 8192))
REDIS_SIZES = (
    ("cache.t4g.micro", 512),
    ("cache.t4g.small", 1400),
    ("cache.t4g.medium", 3100),
    ("cache.m7g.large", 6500),
)


def told_of(name: str, kind: str, password: str) -> Mapping[str, str]:
    """Return what services are told of a server."""
    if kind == "postgres":
        address = Address(f"${{{name}.address}}", "5432", "")
        return told(kind, address, password, url=f"{told(kind, address, password)['url']}?sslmode=require")
    if kind == "redis":
        host, token = f"${{{name}.primaryEndpointAddress}}", _token(password)
        return told(kind, Address(host, "6379", ""), token, url=f"rediss://:{token}@{host}:6379")
    region = f"${{{name}.bucketRegion}}"
    host = f"s3.{region}.amazonaws.com"
    key = {"access_key": f"${{key_{name}.id}}", "secret_key": f"${{key_{name}.secret}}"}
    own = {"url": f"https://{host}", "bucket": f"${{{name}.bucket}}", "region": region}
    return told(kind, Address(host, "443", ""), password, **own, **key)


def servers(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every server of an environment, and what it needs."""
    made = {"postgres": _postgres, "redis": _redis, "objects": _objects}
    return tuple(one for each in environment.backing for one in made[each.kind](environment, each, place))


def _postgres(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    about, name = tags(environment, server), short_name(environment, server.name)
    size, _memory = smallest(server, POSTGRES_SIZES, "RDS")
    group = {"name": name, "subnetIds": list(place.settings.aws_subnets), "tags": about}
    inputs: dict[str, Any] = {
        "identifier": name,
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": size,
        "allocatedStorage": 20,
        "storageType": "gp3",
        "storageEncrypted": True,
        "dbName": OWNER,
        "username": OWNER,
        "password": server.password,
        "dbSubnetGroupName": f"${{subnets_{server.name}.name}}",
        "vpcSecurityGroupIds": ["${inside_own.id}"],
        "publiclyAccessible": False,
        "backupRetentionPeriod": 0,
        "deleteAutomatedBackups": True,
        "skipFinalSnapshot": True,
        "applyImmediately": True,
        "tags": about,
    }
    return (
        ProgramResource(name=f"subnets_{server.name}", type="aws:rds/subnetGroup:SubnetGroup", inputs=group),
        ProgramResource(name=server.name, type="aws:rds/instance:Instance", inputs=inputs, secret_inputs=("password",)),
    )


def _redis(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    about, name = tags(environment, server), short_name(environment, server.name)
    size, _memory = smallest(server, REDIS_SIZES, "ElastiCache")
    group = {"name": name, "subnetIds": list(place.settings.aws_subnets), "tags": about}
    inputs: dict[str, Any] = {
        "replicationGroupId": name,
        "description": f"{server.name} of an environment",
        "engine": "redis",
        "engineVersion": "7.1",
        "nodeType": size,
        "numCacheClusters": 1,
        "automaticFailoverEnabled": False,
        "port": 6379,
        "subnetGroupName": f"${{subnets_{server.name}.name}}",
        "securityGroupIds": ["${inside_own.id}"],
        "transitEncryptionEnabled": True,
        "atRestEncryptionEnabled": True,
        "authToken": _token(server.password),
        "applyImmediately": True,
        "tags": about,
    }
    kind = "aws:elasticache/replicationGroup:ReplicationGroup"
    return (
        ProgramResource(name=f"subnets_{server.name}", type="aws:elasticache/subnetGroup:SubnetGroup", inputs=group),
        ProgramResource(name=server.name, type=kind, inputs=inputs, secret_inputs=("authToken",)),
    )


def _objects(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    del place
    about, name = tags(environment, server), short_name(environment, server.name)
    bucket = f"arn:aws:s3:::{name}"
    rights = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": [bucket, f"{bucket}/*"]}],
    }
    user = f"${{user_{server.name}.name}}"
    return (
        ProgramResource(
            name=server.name,
            type="aws:s3/bucket:Bucket",
            inputs={"bucket": name, "forceDestroy": True, "tags": about},
        ),
        ProgramResource(
            name=f"user_{server.name}",
            type="aws:iam/user:User",
            inputs={
                "name": f"{name}-s3",
                "path": iam_path(environment.environment_id),
                "forceDestroy": True,
                "tags": about,
            },
        ),
        ProgramResource(
            name=f"may_{server.name}",
            type="aws:iam/userPolicy:UserPolicy",
            inputs={"user": user, "policy": json.dumps(rights)},
        ),
        ProgramResource(
            name=f"key_{server.name}",
            type="aws:iam/accessKey:AccessKey",
            inputs={"user": user},
            depends_on=(f"may_{server.name}",),
        ),
    )


def _token(password: str) -> str:
    """Return a password as ElastiCache takes it, which knows no underscore."""
    return password.replace("_", "-")
