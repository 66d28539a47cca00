"""The target `aws`: services of Fargate behind a load balancer.

Semantics: the references of the Resource Groups Tagging API (GetResources), which does not know IAM, of IAM (ListRoles,
ListUsers with a path prefix), and of ECS (DescribeTaskDefinition, DescribeTasks), which keeps tasks that are over and
definitions that are gone, tags included. Credentials come from where boto3 looks for them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.providers.targets import ALL_BACKING, Found, LogTail, TargetProvider, TargetUnavailableError
from catalog.providers.targets.aws_jobs import AwsJobs
from catalog.providers.targets.cloud_tags import ENVIRONMENT, iam_path
from catalog.settings import Settings

_FORGOTTEN = {"task": "ClusterNotFoundException", "task-definition": "ClientException"}
"""What ECS answers about each that it knows no more."""


class AwsTarget:
    """Asks for resources of one region by their tag, and for roles and users of the account by their path."""

    def __init__(self, settings: Settings) -> None:
        self._region = settings.aws_region

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the resources of an environment that are still there."""
        del hostname
        tagged = tuple(f"the resource {arn}" for arn, _owner in self._tagged([str(environment_id)]))
        return (*tagged, *(what for what, _owner in self._identities(iam_path(environment_id))))

    def census(self) -> tuple[Found, ...]:
        """Name every resource that is tagged as an environment's, and every role and user at the path of one."""
        tagged = tuple(Found(f"the resource {arn}", _uuid(owner)) for arn, owner in self._tagged([]))
        return (*tagged, *(Found(what, _uuid(owner)) for what, owner in self._identities(iam_path())))

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
        condition = {"Key": ENVIRONMENT, **({"Values": values} if values else {})}
        pages = self._pages("resourcegroupstaggingapi", "get_resources", TagFilters=[condition])
        found = [each for page in pages for each in page["ResourceTagMappingList"]]
        tagged = [
            (str(each["ResourceARN"]), str(tag["Value"]))
            for each in found
            for tag in each["Tags"]
            if tag["Key"] == ENVIRONMENT
        ]
        return [(arn, owner) for arn, owner in tagged if not self._is_kept_history(arn)]

    def _is_kept_history(self, arn: str) -> bool:
        """Tell whether a resource is what ECS keeps of one that is gone: for about an hour, or for ever."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        _, _, service, _, _, resource = arn.split(":", 5)
        kind, _, name = resource.partition("/")
        if service != "ecs" or kind not in _FORGOTTEN:
            return False
        try:
            if kind == "task-definition":
                told = self._client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
                return bool(told["status"] != "ACTIVE")
            told = self._client("ecs").describe_tasks(cluster=name.partition("/")[0], tasks=[arn])
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == _FORGOTTEN[kind]:
                return True
            raise TargetUnavailableError(f"AWS does not answer: {error}") from error
        return all(each["lastStatus"] == "STOPPED" for each in told["tasks"])

    def _identities(self, path: str) -> list[tuple[str, str]]:
        """Return the roles and users below a path in words, each with the id of its environment."""
        return [
            (f"the {kind} {each[f'{kind.capitalize()}Name']}", str(each["Path"]).removeprefix(iam_path()).strip("/"))
            for kind in ("role", "user")
            for page in self._pages("iam", f"list_{kind}s", PathPrefix=path)
            for each in page[f"{kind.capitalize()}s"]
        ]

    def _pages(self, service: str, operation: str, **asked: Any) -> Iterator[dict[str, Any]]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield from self._client(service).get_paginator(operation).paginate(**asked)
        except (BotoCoreError, ClientError) as error:
            raise TargetUnavailableError(f"AWS does not answer: {error}") from error

    def _client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415  (slow to import, and only needed with AWS)

        return boto3.client(service, region_name=self._region)  # type: ignore[call-overload]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None  # somebody else's tag


def _address(settings: Settings, hostname: str) -> str:
    del settings, hostname
    return ""


PROVIDER = TargetProvider(
    *("aws", AwsTarget, "AWS Fargate"),
    address=_address,
    wakes=False,
    backing=ALL_BACKING,
    seeds=True,
    jobs=AwsJobs,
)
