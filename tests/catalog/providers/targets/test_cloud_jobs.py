"""Jobs of clouds, over the documented interfaces as they answer here."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.server import ThreadedMotoServer

from catalog.providers.targets import TargetUnavailableError
from catalog.providers.targets.aws_jobs import AwsJobs
from catalog.providers.targets.azure_jobs import AzureJobs
from catalog.providers.targets.gcp_jobs import GcpJobs

ARM = {"ARM_TENANT_ID": "tenant", "ARM_CLIENT_ID": "me", "ARM_CLIENT_SECRET": "hidden", "ARM_SUBSCRIPTION_ID": "sub"}
AZURE_JOB = {"id": "/subscriptions/sub/resourceGroups/g/providers/Microsoft.App/jobs/fill"}
SERVER = "/subscriptions/sub/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/db"
GCP_JOB = {"id": "projects/shop/locations/europe-west1/jobs/fill"}


class Azure:
    """Answers as Container Apps does; where ``tells`` is off, starting is only accepted, and shown ``later``."""

    def __init__(self, *, tells: bool = True) -> None:
        self.tells = tells
        self.later = 0 if tells else 2
        self.there: dict[str, str] | None = {"old": "Failed"}
        self.server = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "login.microsoftonline.com":
            assert b"client_secret=hidden" in request.content
            return httpx.Response(200, json={"access_token": "token"})
        version = "2024-08-01" if request.url.path == SERVER else "2024-03-01"
        assert request.url.params["api-version"] == version
        if request.url.path == SERVER or self.there is None:
            return httpx.Response(self.server if self.there is not None else 404)
        what = request.url.path.removeprefix(AZURE_JOB["id"])
        if (request.method, what) == ("POST", "/start"):
            self.there["new"] = "Running"
            return httpx.Response(200, json={"name": "new"}) if self.tells else httpx.Response(202)
        if (request.method, what) == ("GET", "/executions"):
            self.later -= "new" in self.there
            shown = {name: status for name, status in self.there.items() if name == "old" or self.later < 0}
            told = [{"name": name, "properties": {"status": status}} for name, status in shown.items()]
            return httpx.Response(200, json={"value": told})
        _, _, name, *stop = what.split("/")
        if stop:
            assert (request.method, stop) == ("POST", ["stop"])
            self.there[name] = "Stopped"
            return httpx.Response(202)
        return httpx.Response(200, json={"name": name, "properties": {"status": self.there[name]}})


@pytest.mark.parametrize("tells", [True, False])
def test_a_job_of_azure_is_started_followed_and_stopped(*, tells: bool) -> None:
    azure = Azure(tells=tells)
    jobs = AzureJobs(ARM, httpx.MockTransport(azure), pause_seconds=0.0)
    assert jobs.running(AZURE_JOB) == ()
    run = jobs.start(AZURE_JOB)
    assert (run, jobs.running(AZURE_JOB)) == ("new", ("new",))
    assert not jobs.look(AZURE_JOB, run).over
    azure.there = {"new": "Succeeded"}
    assert jobs.look(AZURE_JOB, run).well
    azure.there = {"new": "Failed"}
    ended = jobs.look(AZURE_JOB, run)
    assert (ended.over, ended.well) == (True, False)
    assert ended.why == f"Azure says Failed, and keeps what it wrote with the execution new of {AZURE_JOB['id']}"
    assert jobs.lines(AZURE_JOB, run, 20) == ()
    azure.there = {"new": "Running"}
    jobs.stop(AZURE_JOB, run)
    assert jobs.running(AZURE_JOB) == ()
    azure.tells, azure.later = False, 100
    with pytest.raises(TargetUnavailableError, match="shows no execution of it"):
        jobs.start(AZURE_JOB)
    azure.there = None
    assert jobs.running(AZURE_JOB) == ()
    with pytest.raises(TargetUnavailableError, match="404"):
        jobs.start({"id": f"{AZURE_JOB['id']}-of-nobody"})


def test_a_server_of_azure_is_asked_for_because_its_id_is_given_again() -> None:
    azure = Azure()
    jobs = AzureJobs(ARM, httpx.MockTransport(azure))
    assert jobs.has(SERVER)
    azure.server = 404
    assert not jobs.has(SERVER)
    azure.server = 503
    with pytest.raises(TargetUnavailableError, match="503"):
        jobs.has(SERVER)
    assert AwsJobs({}).has("db-1")
    assert GcpJobs({}).has("shop:db")


class Gcp:
    """Answers as Cloud Run and Cloud Logging do."""

    run = f"{GCP_JOB['id']}/executions/fill-1"

    def __init__(self) -> None:
        self.there: dict[str, Any] | None = {}
        self.asked: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "token"})
        body = json.loads(request.content) if request.content else None
        self.asked.append(body)
        if request.url.host == "logging.googleapis.com":
            entries = [{"textPayload": "second"}, {"jsonPayload": {}}, {"textPayload": "first"}]
            return httpx.Response(200, json={"entries": entries})
        what = request.url.path.removeprefix("/v2/")
        if what == f"{GCP_JOB['id']}/executions":
            return httpx.Response(404) if self.there is None else self._page(request)
        assert self.there is not None
        if (request.method, what) == ("POST", f"{GCP_JOB['id']}:run"):
            self.there = {"name": self.run}
            return httpx.Response(200, json={"name": "operation", "metadata": {"name": self.run}})
        if (request.method, what) == ("POST", f"{self.run}:cancel"):
            self.there = {"name": self.run, "completionTime": "now", "cancelledCount": 1}
            return httpx.Response(200, json={"name": "operation"})
        assert (request.method, what) == ("GET", self.run)
        return httpx.Response(200, json=self.there)

    def _page(self, request: httpx.Request) -> httpx.Response:
        old = {"name": "old", "completionTime": "yesterday", "failedCount": 1}
        if request.url.params.get("pageToken") == "second":
            return httpx.Response(200, json={"executions": [self.there] if self.there else []})
        return httpx.Response(200, json={"executions": [old], "nextPageToken": "second"})


@pytest.fixture
def google(tmp_path: Path) -> Callable[[Gcp], GcpJobs]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "client_email": "me@example.com",
        "token_uri": "https://oauth2.example.com/token",
        "private_key": key.private_bytes(*pem).decode(),
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    who = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")}
    return lambda cloud: GcpJobs(who, httpx.MockTransport(cloud))


def test_a_job_of_google_is_run_followed_and_cancelled(google: Callable[[Gcp], GcpJobs]) -> None:
    cloud = Gcp()
    jobs = google(cloud)
    run = jobs.start(GCP_JOB)
    assert cloud.asked[-1] == {}
    assert jobs.running(GCP_JOB) == (run,)
    assert not jobs.look(GCP_JOB, run).over
    cloud.there = {"name": run, "completionTime": "now", "succeededCount": 1}
    assert jobs.look(GCP_JOB, run).well
    cloud.there = {
        "name": run,
        "completionTime": "now",
        "failedCount": 1,
        "conditions": [{"type": "Completed", "message": "Task fill-1-task0 failed."}, {"type": "Started"}],
        "logUri": "https://log.example.com",
    }
    ended = jobs.look(GCP_JOB, run)
    assert (ended.over, ended.well) == (True, False)
    assert ended.why == "Cloud Run says Task fill-1-task0 failed. Its log: https://log.example.com"
    assert jobs.lines(GCP_JOB, run, 20) == ("first", "second")
    assert cloud.asked[-1]["resourceNames"] == ["projects/shop"]
    assert cloud.asked[-1]["filter"].endswith('labels."run.googleapis.com/execution_name"="fill-1"')
    jobs.start(GCP_JOB, "exit 0")
    assert cloud.asked[-1] == {"overrides": {"containerOverrides": [{"args": ["-c", "exit 0"]}]}}
    jobs.stop(GCP_JOB, run)
    assert jobs.running(GCP_JOB) == ()
    cloud.there = None
    assert jobs.running(GCP_JOB) == ()


def aws_job(region: str = "eu-central-1", **more: Any) -> dict[str, Any]:
    return {
        "region": region,
        "cluster": "apps",
        "task": "fill",
        "family": "fill",
        "subnets": ["subnet-1"],
        "security_groups": ["sg-1"],
        "steps": ["begin", "fill", "end"],
        "log_group": "/slipway/e",
        "log_prefix": "db-seed",
        **more,
    }


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run moto's server, with nothing in this process that leads there; return its address."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize("way", ["keys", "profile", "token of a role", "container"])
def test_aws_is_asked_as_whoever_the_engine_asks_as(amazon: str, tmp_path: Path, way: str) -> None:
    (tmp_path / "token").write_text("a token")
    (tmp_path / "files").write_text("[previews]\naws_access_key_id = me\naws_secret_access_key = hidden\n")

    def answers(request: BaseHTTPRequestHandler) -> None:
        told = {"AccessKeyId": "me", "SecretAccessKey": "hidden", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
        request.send_response(200)
        request.end_headers()
        request.wfile.write(json.dumps(told).encode())

    handler = type("Handler", (BaseHTTPRequestHandler,), {"do_GET": answers, "log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as container:
        threading.Thread(target=container.serve_forever, daemon=True).start()
        who = {
            "keys": {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hidden"},
            "profile": {"AWS_PROFILE": "previews", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "files")},
            "token of a role": {
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/previews",
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            },
            "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{container.server_port}/"},
        }
        boto3.client(
            *("ecs", "eu-central-1"), endpoint_url=amazon, aws_access_key_id="me", aws_secret_access_key="hidden"
        ).create_cluster(clusterName="apps")
        assert AwsJobs({"AWS_ENDPOINT_URL": amazon, **who[way]}).running(aws_job()) == ()
        container.shutdown()
    with pytest.raises(TargetUnavailableError, match="Unable to locate credentials"):
        AwsJobs({"AWS_ENDPOINT_URL": amazon}).running(aws_job())


def test_a_task_of_aws_is_run_found_and_stopped(amazon: str) -> None:
    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "hidden", "endpoint_url": amazon}
    asked: dict[str, Any] = {"region_name": "eu-central-1", **keys}
    ec2, ecs, logs = (boto3.client(each, **asked) for each in ("ec2", "ecs", "logs"))
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=network, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="inside", Description="inside", VpcId=network)["GroupId"]
    cluster = ecs.create_cluster(clusterName="apps")["cluster"]["clusterArn"]
    containers: Any = [{"name": each, "image": "postgres", "memory": 512} for each in ("begin", "fill", "end")]
    task = ecs.register_task_definition(
        family="fill",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="512",
        memory="1024",
        containerDefinitions=containers,
    )["taskDefinition"]["taskDefinitionArn"]
    jobs = AwsJobs(
        {
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "hidden",
            "AWS_ENDPOINT_URL": keys["endpoint_url"],
        }
    )
    job = aws_job(cluster=cluster, task=task, subnets=[subnet], security_groups=[group])
    assert jobs.running(job) == ()
    run = jobs.start(job)
    assert jobs.running(job) == (run,)
    assert not jobs.look(job, run).over
    logs.create_log_group(logGroupName="/slipway/e")
    stream = f"db-seed/fill/{run.rpartition('/')[2]}"
    assert jobs.lines(job, run, 20) == ()
    logs.create_log_stream(logGroupName="/slipway/e", logStreamName=stream)
    events: Any = [{"timestamp": int(time.time() * 1000) + each, "message": f"line {each}"} for each in range(3)]
    logs.put_log_events(logGroupName="/slipway/e", logStreamName=stream, logEvents=events)
    assert jobs.lines(job, run, 2) == ("line 1", "line 2")
    jobs.stop(job, run)
    ended = jobs.look(job, run)
    assert (ended.over, ended.well) == (True, False)
    assert jobs.running(job) == ()
    assert jobs.running(aws_job(cluster="gone")) == ()
    with pytest.raises(TargetUnavailableError, match="AWS does not answer"):
        jobs.start(aws_job(cluster=cluster, task="nothing"))


@pytest.mark.parametrize(
    ("containers", "well", "says"),
    [
        ([{"name": "begin", "exitCode": 0}, {"name": "fill", "exitCode": 0}, {"name": "end", "exitCode": 0}], True, ""),
        (
            [{"name": "begin", "exitCode": 0}, {"name": "fill", "exitCode": 3}, {"name": "end"}],
            False,
            "fill ended with 3",
        ),
        ([{"name": "begin", "reason": "CannotPullContainerError: no such image"}], False, "begin: CannotPull"),
        ([], False, "ECS says Essential container in task exited"),
    ],
)
def test_a_task_came_to_a_good_end_where_each_of_its_steps_did(
    monkeypatch: pytest.MonkeyPatch, *, containers: list[Any], well: bool, says: str
) -> None:
    def answers(_client: object, operation: str, _asked: object) -> dict[str, Any]:
        assert operation == "DescribeTasks"
        about = {"lastStatus": "STOPPED", "stoppedReason": "Essential container in task exited"}
        return {"tasks": [{**about, "containers": containers}]}

    monkeypatch.setattr(BaseClient, "_make_api_call", answers)
    found = AwsJobs({}).look(aws_job(), "arn:aws:ecs:eu-central-1:1:task/apps/1")
    assert (found.over, found.well) == (True, well)
    assert says in found.why


@pytest.mark.parametrize(
    ("reason", "containers", "again"),
    [
        ("ResourceInitializationError: unable to pull secrets", [{"name": "begin"}], True),
        ("ResourceInitializationError: unable to pull secrets", [{"name": "begin", "exitCode": 1}], False),
        ("CannotPullContainerError: no such image", [{"name": "begin"}], False),
    ],
)
def test_a_task_is_run_again_that_was_not_begun_for_want_of_what_comes_in_a_moment(
    monkeypatch: pytest.MonkeyPatch, reason: str, containers: list[Any], *, again: bool
) -> None:
    task = {"lastStatus": "STOPPED", "stoppedReason": reason, "containers": containers}
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *_: {"tasks": [task]})
    assert AwsJobs({}).look(aws_job(), "arn").again is again


def test_a_task_that_was_told_to_stop_runs_until_it_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"going": "RUNNING", "stopping": "DEACTIVATING", "stopped": "STOPPED"}

    def answers(_client: object, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        if operation == "ListTasks":
            return {"taskArns": ["going"] if asked["desiredStatus"] == "RUNNING" else ["stopping", "stopped"]}
        assert operation == "DescribeTasks"
        return {"tasks": [{"taskArn": each, "lastStatus": told[each]} for each in asked["tasks"]]}

    monkeypatch.setattr(BaseClient, "_make_api_call", answers)
    assert AwsJobs({}).running(aws_job()) == ("going", "stopping")


def test_a_task_that_is_forgotten_or_not_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [{"reason": "RESOURCE:FARGATE"}]
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *_: {"tasks": [], "failures": failures})
    # It may not know one yet that was just run: the answer is awaited, and the task not taken for over.
    with pytest.raises(TargetUnavailableError, match="ECS does not know the task arn"):
        AwsJobs({}).look(aws_job(), "arn")
    with pytest.raises(TargetUnavailableError, match="ECS does not run fill: RESOURCE:FARGATE"):
        AwsJobs({}).start(aws_job())

    def refuses(_client: object, operation: str, _asked: object) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "logs:GetLogEvents"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuses)
    with pytest.raises(TargetUnavailableError, match="logs:GetLogEvents"):
        AwsJobs({}).lines(aws_job(), "arn", 20)
