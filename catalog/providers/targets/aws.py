"""The target `aws`: services of Fargate behind a load balancer.

Semantics: the reference of the Resource Groups Tagging API (GetResources). Credentials come from where boto3 looks for
them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.settings import Settings


class AwsTarget:
    """Asks for resources of one region by their tag."""

    def __init__(self, settings: Settings) -> None:
        self._region = settings.aws_region

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the resources of an environment that are still there."""
        del hostname
        return tuple(f"the resource {arn}" for arn, _owner in self._tagged([str(environment_id)]))

    def census(self) -> tuple[Found, ...]:
        """Name every resource that is tagged as an environment's."""
        return tuple(Found(f"the resource {arn}", _uuid(owner)) for arn, owner in self._tagged([]))

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Do nothing: each kind of resource goes in another way, and in order; what is left is named to people."""
        del environment_id, hostname

    def forget(self, environment_id: UUID) -> None:
        """Do nothing: logs go with their group."""

    def last_visit(self, hostname: str) -> datetime | None:
        """Return None: visits do not come by our router."""
        del hostname
        return None

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return nothing: what services write is in CloudWatch."""
        del environment_id, lines
        return ()

    def _tagged(self, values: list[str]) -> list[tuple[str, str]]:
        import boto3  # noqa: PLC0415  (slow to import, and only needed with AWS)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        condition = {"Key": ENVIRONMENT, **({"Values": values} if values else {})}
        try:
            client: Any = boto3.client("resourcegroupstaggingapi", region_name=self._region)
            pages = client.get_paginator("get_resources").paginate(TagFilters=[condition])
            found = [each for page in pages for each in page["ResourceTagMappingList"]]
        except (BotoCoreError, ClientError) as error:
            raise TargetUnavailableError(f"AWS does not answer: {error}") from error
        return [
            (str(each["ResourceARN"]), str(tag["Value"]))
            for each in found
            for tag in each["Tags"]
            if tag["Key"] == ENVIRONMENT
        ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None  # somebody else's tag


def _address(settings: Settings, hostname: str) -> str:
    del settings, hostname
    return ""


PROVIDER = TargetProvider("aws", AwsTarget, "AWS Fargate", address=_address, wakes=False, backing=ALL_BACKING)
