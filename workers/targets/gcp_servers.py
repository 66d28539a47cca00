"""Servers behind services in Google's cloud: Cloud SQL, Memorystore, and Cloud Storage by the protocol of S3.

They stay while an environment sleeps, with what they hold.
"""

from collections.abc import Mapping
from typing import Any

from catalog.providers.targets.cloud_tags import ENVIRONMENT
from workers.engine import ProgramResource
from workers.targets import Address, BackingService, Description, Place, Service
from workers.targets.cloud_sizes import short_name, smallest, tags
from workers.targets.servers import OWNER, told

POSTGRES_SIZES = (
    ("db-g1-small", 1700),
    ("db-custom-1-3840", 3840),
    ("db-custom-2-7680", 7680),
    ("db-custom-4-15360", 15360),
)
REDIS_SIZES = tuple((str(size), size * 1024) for size in (1, 2, 4, 8, 16, 32))
_STORAGE = "storage.googleapis.com"


def told_of(name: str, kind: str, password: str) -> Mapping[str, str]:
    """Return what services are told of a server."""
    if kind == "postgres":
        return told(kind, Address(f"${{{name}.privateIpAddress}}", "5432", ""), password)
    if kind == "redis":
        return told(kind, Address(f"${{{name}.host}}", "6379", ""), f"${{{name}.authString}}")
    key = {"access_key": f"${{key_{name}.accessId}}", "secret_key": f"${{key_{name}.secret}}"}
    own = {"url": f"https://{_STORAGE}", "bucket": f"${{{name}.name}}", "region": "auto"}
    return told(kind, Address(_STORAGE, "443", ""), password, **own, **key)


def servers(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every server of an environment, and what it needs."""
    made = {"postgres": _postgres, "redis": _redis, "objects": _objects}
    return tuple(one for each in environment.backing for one in made[each.kind](environment, each, place))


def parts_of_servers(environment: Description, service: Service) -> tuple[str, ...]:
    """Return what of servers has to be there before a service that uses them, beside the servers themselves."""
    used = [each for each in environment.backing if each.name in service.depends_on]
    return tuple(part for each in used for part in parts_of(each))


def parts_of(server: BackingService) -> tuple[str, ...]:
    """Return what of a server has to be there before it is used, beside the server itself."""
    parts = {"postgres": ("user", "database"), "objects": ("may",)}.get(server.kind, ())
    return tuple(f"{part}_{server.name}" for part in parts)


def _postgres(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    settings = place.settings
    size, _memory = smallest(server, POSTGRES_SIZES, "Cloud SQL")
    network = f"projects/{settings.gcp_project}/global/networks/{settings.gcp_network}"
    # Its name is left to the provider: one that was used is not free again for a week.
    inputs: dict[str, Any] = {
        "project": settings.gcp_project,
        "region": settings.gcp_region,
        "databaseVersion": "POSTGRES_17",
        "deletionProtection": False,
        "settings": {
            "tier": size,
            "edition": "ENTERPRISE",
            "diskSize": 10,
            "userLabels": tags(environment, server),
            "deletionProtectionEnabled": False,
            "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": network},
            "backupConfiguration": {"enabled": False},
        },
    }
    within = {"project": settings.gcp_project, "instance": f"${{{server.name}.name}}", "name": OWNER}
    return (
        ProgramResource(name=server.name, type="gcp:sql/databaseInstance:DatabaseInstance", inputs=inputs),
        ProgramResource(
            name=f"user_{server.name}",
            type="gcp:sql/user:User",
            inputs={**within, "password": server.password, "deletionPolicy": "ABANDON"},
            secret_inputs=("password",),
        ),
        # Who owns tables cannot go before them; both go with the instance.
        ProgramResource(
            name=f"database_{server.name}",
            type="gcp:sql/database:Database",
            inputs={**within, "deletionPolicy": "ABANDON"},
            depends_on=(f"user_{server.name}",),
        ),
    )


def _redis(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    settings = place.settings
    size, _memory = smallest(server, REDIS_SIZES, "Memorystore")
    inputs = {
        "name": short_name(environment, server.name),
        "project": settings.gcp_project,
        "region": settings.gcp_region,
        "tier": "BASIC",
        "memorySizeGb": int(size),
        "redisVersion": "REDIS_7_2",
        "authEnabled": True,
        "authorizedNetwork": f"projects/{settings.gcp_project}/global/networks/{settings.gcp_network}",
        "labels": tags(environment, server),
    }
    return (ProgramResource(name=server.name, type="gcp:redis/instance:Instance", inputs=inputs),)


def _objects(environment: Description, server: BackingService, place: Place) -> tuple[ProgramResource, ...]:
    project, name = place.settings.gcp_project, short_name(environment, server.name, 30)
    email = f"${{user_{server.name}.email}}"
    bucket: dict[str, Any] = {
        "name": f"{short_name(environment, server.name)}-{place.settings.gcp_project_number}",
        "project": project,
        "location": place.settings.gcp_region,
        "forceDestroy": True,
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "labels": tags(environment, server),
    }
    # An account has no labels, and so says whose it is in words.
    account = {
        "accountId": name,
        "project": project,
        "displayName": f"{server.name} of an environment",
        "description": f"{ENVIRONMENT}={environment.environment_id}",
    }
    member = {
        "bucket": f"${{{server.name}.name}}",
        "role": "roles/storage.objectAdmin",
        "member": f"serviceAccount:{email}",
    }
    return (
        ProgramResource(name=server.name, type="gcp:storage/bucket:Bucket", inputs=bucket),
        ProgramResource(name=f"user_{server.name}", type="gcp:serviceaccount/account:Account", inputs=account),
        ProgramResource(name=f"may_{server.name}", type="gcp:storage/bucketIAMMember:BucketIAMMember", inputs=member),
        ProgramResource(
            name=f"key_{server.name}",
            type="gcp:storage/hmacKey:HmacKey",
            inputs={"project": project, "serviceAccountEmail": email},
            depends_on=(f"may_{server.name}",),
        ),
    )
