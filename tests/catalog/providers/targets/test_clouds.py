"""What clouds are asked about environments, over their documented interfaces as they answer here."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from catalog.providers.targets import TargetUnavailableError, target
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
    """Answers as Cloud Run does: pages of services with labels."""

    def __init__(self) -> None:
        self.services = {"a": str(MINE), "b": str(OTHER), "c": None}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "token"})
        assert request.headers["Authorization"] == "Bearer token"
        parent = "/v2/projects/shop/locations/europe-west1/services"
        if request.method == "DELETE":
            del self.services[request.url.path.removeprefix(f"{parent}/")]
            return httpx.Response(200, json={"name": "operation"})
        assert request.url.path == parent
        names = sorted(self.services)
        page = int(request.url.params.get("pageToken", 0))
        name, owner = names[page], self.services[names[page]]
        found = {"name": f"{parent.removeprefix('/v2/')}/{name}", **({"labels": {ENVIRONMENT: owner}} if owner else {})}
        following = {"nextPageToken": str(page + 1)} if names[page + 1 :] else {}
        return httpx.Response(200, json={"services": [found], **following})


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
    assert gcp.inventory(MINE, "x") == ("the service a",)
    assert [each.environment_id for each in gcp.census()] == [MINE, OTHER]
    gcp.clear(MINE, "x")
    assert gcp.inventory(MINE, "x") == ()
    assert gcp.inventory(OTHER, "x") == ("the service b",)


def test_names_of_services_fit_and_tell_environments_apart() -> None:
    long = "a-very-long-name-of-a-shop-that-goes-on-and-on-pr-42"
    names = {service_name(f"{long}-{each}.example.com", "web") for each in ("abc123", "abc124")}
    assert len(names) == 2
    assert {len(each) <= 49 for each in names} == {True}
    assert service_name("shop-pr-42-abc123.example.com", "") == "shop-pr-42-abc123"


@pytest.fixture
def tagged() -> Iterator[str]:
    """Serve what the tagging API of AWS answers to each filter."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            values = asked["TagFilters"][0].get("Values", [str(MINE), str(OTHER)])
            found = [
                {"ResourceARN": f"arn:aws:ecs:::{each}", "Tags": [{"Key": ENVIRONMENT, "Value": each}]}
                for each in values
            ]
            body = json.dumps({"PaginationToken": "", "ResourceTagMappingList": found}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base class
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_aws_names_the_resources_of_one_environment(tagged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", tagged)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    aws = target("aws", Settings(targets=("aws",)))
    assert aws.inventory(MINE, "x") == (f"the resource arn:aws:ecs:::{MINE}",)
    assert {each.environment_id for each in aws.census()} == {MINE, OTHER}


@pytest.mark.parametrize("cloud", [AzureTarget, GcpTarget])
@pytest.mark.usefixtures("azure", "gcp")
def test_a_cloud_that_does_not_answer_is_told_apart_from_an_empty_one(cloud: type[AzureTarget | GcpTarget]) -> None:
    away = httpx.MockTransport(lambda _request: httpx.Response(503))
    with pytest.raises(TargetUnavailableError, match="does not answer"):
        cloud(Settings(), away).inventory(UUID(int=1), "x")
