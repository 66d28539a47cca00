"""What clouds are asked about environments, over their documented interfaces as they answer here."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.server import ThreadedMotoServer

from catalog.providers.targets import TargetUnavailableError, target
from catalog.providers.targets.aws import AwsTarget
from catalog.providers.targets.azure import AzureTarget
from catalog.providers.targets.cloud_tags import ENVIRONMENT
from catalog.providers.targets.gcp import GcpTarget, service_name
from catalog.settings import Settings

MINE, OTHER = uuid4(), uuid4()


class Azure:
    """Answers as the resource manager does: pages of groups that have a tag."""

    def __init__(self) -> None:
        self.groups = {"a": str(MINE), "b": str(OTHER), "c": "somebody else's"}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "login.microsoftonline.com":
            assert request.url.path == "/tenant/oauth2/v2.0/token"
            assert b"client_secret=hidden" in request.content
            return httpx.Response(200, json={"access_token": "token"})
        assert request.headers["Authorization"] == "Bearer token"
        if request.method == "DELETE":
            del self.groups[request.url.path.rpartition("/")[2]]
            return httpx.Response(202)
        assert request.url.path == "/subscriptions/sub/resourcegroups"
        asked = request.url.params
        found = [
            {"name": name, "tags": {ENVIRONMENT: owner}}
            for name, owner in self.groups.items()
            if "tagValue" not in asked["$filter"] or f"tagValue eq '{owner}'" in asked["$filter"]
        ]
        page = int(asked.get("page", 0))
        following = {"nextLink": str(request.url.copy_merge_params({"page": page + 1}))} if found[page + 1 :] else {}
        return httpx.Response(200, json={"value": found[page : page + 1], **following})


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> AzureTarget:
    names = {"TENANT_ID": "tenant", "CLIENT_ID": "me", "CLIENT_SECRET": "hidden", "SUBSCRIPTION_ID": "sub"}
    for name, value in names.items():
        monkeypatch.setenv(f"ARM_{name}", value)
    return AzureTarget(Settings(), httpx.MockTransport(Azure()))


def test_azure_names_and_removes_the_groups_of_one_environment(azure: AzureTarget) -> None:
    assert azure.inventory(MINE, "x") == ("the resource group a",)
    assert [each.environment_id for each in azure.census()] == [MINE, OTHER, None]
    azure.clear(MINE, "x")
    assert azure.inventory(MINE, "x") == ()
    assert azure.inventory(OTHER, "x") == ("the resource group b",)


class Gcp:
    """Answers as Cloud Run and the services beside it do: pages of what there is, some of it an environment's."""

    paths: Mapping[str, tuple[str, str]] = {
        "run.googleapis.com": ("/v2/projects/shop/locations/europe-west1/services", "services"),
        "run.googleapis.com/jobs": ("/v2/projects/shop/locations/europe-west1/jobs", "jobs"),
        "sqladmin.googleapis.com": ("/v1/projects/shop/instances", "items"),
        "redis.googleapis.com": ("/v1/projects/shop/locations/europe-west1/instances", "instances"),
        "storage.googleapis.com": ("/storage/v1/b", "items"),
        "iam.googleapis.com": ("/v1/projects/shop/serviceAccounts", "accounts"),
    }

    def __init__(self, off: str = "") -> None:
        self.off = off
        self.there = {host: {"a": str(MINE), "b": str(OTHER), "c": None} for host in self.paths}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "token"})
        assert request.headers["Authorization"] == "Bearer token"
        host = request.url.host
        if "/locations/europe-west1/jobs" in request.url.path:
            host += "/jobs"
        if host == self.off:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]
            return httpx.Response(403, json={"error": {"code": 403, "details": details}})
        path, items = self.paths[host]
        there = self.there[host]
        if request.method == "DELETE":
            del there[request.url.path.removeprefix(f"{path}/")]
            return httpx.Response(200, json={"name": "operation"})
        assert request.url.path == path
        assert host != "storage.googleapis.com" or request.url.params["project"] == "shop"
        names = sorted(there)
        page = int(request.url.params.get("pageToken", 0))
        found = _of_google(host, path, names[page], there[names[page]])
        following = {"nextPageToken": str(page + 1)} if names[page + 1 :] else {}
        return httpx.Response(200, json={items: [found], **following})


def _of_google(host: str, path: str, name: str, owner: str | None) -> dict[str, Any]:
    """Return one resource in the shape that its service gives it; databases have their labels in their settings."""
    labels = {ENVIRONMENT: owner} if owner else {}
    if host == "sqladmin.googleapis.com":
        return {"name": name, "settings": {"tier": "db-g1-small", **({"userLabels": labels} if labels else {})}}
    if host == "iam.googleapis.com":
        told = {"description": f"{ENVIRONMENT}={owner}"} if owner else {}
        return {"name": f"projects/shop/serviceAccounts/{name}", "email": f"{name}@shop.example.com", **told}
    whole = name if host == "storage.googleapis.com" else f"{path.partition('/v')[2].partition('/')[2]}/{name}"
    return {"name": whole, **({"labels": labels} if labels else {})}


@pytest.fixture
def gcp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GcpTarget:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "client_email": "me@example.com",
        "token_uri": "https://oauth2.example.com/token",
        "private_key": key.private_bytes(*pem).decode(),
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    return GcpTarget(Settings(gcp_project="shop"), httpx.MockTransport(Gcp()))


def test_gcp_names_and_removes_the_services_of_one_environment(gcp: GcpTarget) -> None:
    kinds = ("service", "job", "database", "Redis", "bucket", "account")
    assert gcp.inventory(MINE, "x") == tuple(f"the {kind} a" for kind in kinds)
    assert [each.environment_id for each in gcp.census()] == [MINE, OTHER] * 6
    gcp.clear(MINE, "x")
    # These do not go by one request, and are named to people.
    assert gcp.inventory(MINE, "x") == ("the bucket a", "the account a")
    assert gcp.inventory(OTHER, "x") == tuple(f"the {kind} b" for kind in kinds)


@pytest.mark.usefixtures("gcp")
def test_a_service_of_google_that_a_project_does_not_use_has_nothing() -> None:
    some = GcpTarget(Settings(gcp_project="shop"), httpx.MockTransport(Gcp(off="redis.googleapis.com")))
    assert some.inventory(MINE, "x") == (
        "the service a",
        "the job a",
        "the database a",
        "the bucket a",
        "the account a",
    )


def test_names_of_services_fit_and_tell_environments_apart() -> None:
    long = "a-very-long-name-of-a-shop-that-goes-on-and-on-pr-42"
    names = {service_name(f"{long}-{each}.example.com", "web") for each in ("abc123", "abc124")}
    assert len(names) == 2
    assert {len(each) <= 49 for each in names} == {True}
    assert service_name("shop-pr-42-abc123.example.com", "") == "shop-pr-42-abc123"


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run moto's server, and let clients of AWS ask it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    yield
    server.stop()


@pytest.mark.usefixtures("amazon")
def test_aws_names_what_is_tagged_and_the_roles_and_users_of_one_environment() -> None:
    region = Settings().aws_region
    iam, s3 = boto3.client("iam", region_name=region), boto3.client("s3", region_name=region)
    place: Any = {"LocationConstraint": region}
    for number, owner in enumerate((str(MINE), str(OTHER))):
        s3.create_bucket(Bucket=f"bucket-{number}", CreateBucketConfiguration=place)
        tags: Any = {"TagSet": [{"Key": ENVIRONMENT, "Value": owner}]}
        s3.put_bucket_tagging(Bucket=f"bucket-{number}", Tagging=tags)
        iam.create_role(RoleName=f"tasks-{number}", Path=f"/slipway/{owner}/", AssumeRolePolicyDocument="{}")
        iam.create_user(UserName=f"objects-{number}", Path=f"/slipway/{owner}/")
    iam.create_role(RoleName="somebody", Path="/service-role/", AssumeRolePolicyDocument="{}")
    iam.create_user(UserName="elsewhere", Path="/slipway/not-an-id/")
    aws = target("aws", Settings(targets=("aws",)))
    mine = ("the resource arn:aws:s3:::bucket-0", "the role tasks-0", "the user objects-0")
    assert aws.inventory(MINE, "x") == mine
    owners = Counter(each.environment_id for each in aws.census())
    assert owners == {MINE: 3, OTHER: 3, None: 1}
    iam.delete_role(RoleName="tasks-0")
    iam.delete_user(UserName="objects-0")
    assert aws.inventory(MINE, "x") == mine[:1]


@pytest.mark.usefixtures("amazon")
def test_aws_counts_no_definition_or_task_that_ecs_only_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    ecs, aws = boto3.client("ecs", region_name=Settings().aws_region), target("aws", Settings(targets=("aws",)))
    ecs.create_cluster(clusterName="shop")
    definitions = [
        ecs.register_task_definition(
            family=family, containerDefinitions=[{"name": "web", "image": "web", "memory": 64}]
        )
        for family in ("web", "seed")
    ]
    arns = [each["taskDefinition"]["taskDefinitionArn"] for each in definitions]
    begun = ecs.run_task(
        cluster="shop",
        taskDefinition=arns[1],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": []}},
    )
    task = begun["tasks"][0]["taskArn"]
    forgotten = task.replace("/shop/", "/gone/")

    def listed(asked: AwsTarget, service: str, operation: str, **_: Any) -> list[dict[str, Any]]:
        del asked, service
        if operation != "get_resources":
            return []
        tags = [{"Key": ENVIRONMENT, "Value": str(MINE)}]
        return [{"ResourceTagMappingList": [{"ResourceARN": each, "Tags": tags} for each in (*arns, task, forgotten)]}]

    monkeypatch.setattr(AwsTarget, "_pages", listed)
    assert aws.inventory(MINE, "x") == tuple(f"the resource {each}" for each in (*arns, task))
    ecs.deregister_task_definition(taskDefinition=arns[0])
    ecs.stop_task(cluster="shop", task=task)
    assert aws.inventory(MINE, "x") == (f"the resource {arns[1]}",)


def test_aws_that_does_not_answer_about_identities_is_told_apart_from_an_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(_client: object, operation: str, _asked: object) -> dict[str, Any]:
        if operation == "GetResources":
            return {"ResourceTagMappingList": []}
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "iam:ListRoles"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", answers)
    with pytest.raises(TargetUnavailableError, match="iam:ListRoles"):
        target("aws", Settings(targets=("aws",))).inventory(MINE, "x")


@pytest.mark.parametrize("cloud", [AzureTarget, GcpTarget])
@pytest.mark.usefixtures("azure", "gcp")
def test_a_cloud_that_does_not_answer_is_told_apart_from_an_empty_one(cloud: type[AzureTarget | GcpTarget]) -> None:
    away = httpx.MockTransport(lambda _request: httpx.Response(503))
    with pytest.raises(TargetUnavailableError, match="does not answer"):
        cloud(Settings(), away).inventory(UUID(int=1), "x")
