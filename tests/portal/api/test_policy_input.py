"""The input document: everything in it is described by its schema, for every kind of subject."""

import os
from collections.abc import Callable
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import Session

from catalog.approvals.models import Decide
from catalog.approvals.service import ApprovalService
from catalog.db import Database
from catalog.environments.models import Environment, Phase
from catalog.gates.inputs import InputService, input_schema
from catalog.gating import GatePoint
from catalog.settings import Settings
from catalog.stacks.graph import MOST_RESOURCES, GraphResource, GraphSource, resource_graph
from catalog.stacks.models import Stack
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

Client = TestClient[Litestar]
API = "/api/v1"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,)})


def closed(schema: Any) -> Any:
    """Return the schema without room for anything that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return {**inner, "additionalProperties": False} if named else inner


STRICT = Draft202012Validator(closed(input_schema()))


@pytest.fixture
def environment(api: Client, archive: bytes, tmp_path: Path, database: Database, acme: Principal) -> str:
    """The id of an environment that was asked for and, as far as its row says, deployed."""
    published = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    asked = {
        "repository": str(ensure_sample_repository(tmp_path, os.defpath)[0]),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "acme/preview",
    }
    identifier = str(api.post(f"{API}/environments/ephemeral", json=asked).json()["id"])
    with database.tenant_session(acme.tenant_id) as session:
        row = session.get(Environment, UUID(identifier))
        assert row is not None
        row.deployed_sha = row.head_sha
        session.add(row)
    return identifier


def test_every_part_is_described(
    api: Client, publish_policy: Callable[..., str], acme: Principal, environment: str
) -> None:
    publish_policy(acme, "guard", "deny contains x if x := input.never")
    assert api.post(f"{API}/policies/bindings", json={"bundle": "acme/guard"}).status_code == 201
    artifact = {
        "name": "web",
        "type": "oci-image",
        "digest": "sha256:" + "9f" * 32,
        "uri": "registry.example.com/web:1",
    }
    release = {"service": "web", "version": "1", "environment": environment, "artifacts": [artifact], "owner": "ann"}
    made = api.post(f"{API}/releases", json={**release, "labels": {"tier": "critical"}, "notes": "First."})
    assert made.status_code == 201, made.text
    asked = [{"release": made.json()["id"]}, {"environment": environment}]
    evaluations = [api.post(f"{API}/policies/evaluate", json=each).json()["evaluation"] for each in asked]
    listed = api.get(f"{API}/policies/evaluations?point=publish").json()["items"]
    documents = [
        api.get(f"{API}/policies/evaluations/{each}").json()["input"]
        for each in [*evaluations, listed[0]["id"], made.json()["verdict"]["evaluation"]]
    ]
    for document in documents:
        STRICT.validate(document)
    parts = set().union(*documents)
    assert parts >= {"version", "subject", "actor", "point", "release", "service", "environment", "asset", "plan"}
    assert "cost" not in parts


@pytest.fixture
def bob(api: Client, publish_policy: Callable[..., str], acme: Principal, database: Database) -> Principal:
    """An approver, in a tenant that records no release which he has not approved."""
    reviewed = 'deny contains "reviewed" if not _reviewed\n\n_reviewed if input.release.approvals[_].by == "Bob"'
    publish_policy(acme, "guard", reviewed)
    assert api.post(f"{API}/policies/bindings", json={"bundle": "acme/guard"}).status_code == 201
    with database.tenant_session(acme.tenant_id) as session:
        bob = TenantService(session).add_member(acme.tenant_id, "Bob", "bob@example.com", Role.APPROVER)
        return Principal(acme.tenant_id, "acme", f"member:{bob.id}", "Bob", ROLE_SCOPES[Role.APPROVER], bob.id)


def record(api: Client, *digests: str) -> Any:
    """Record web 2 with wheels of these digests."""
    artifacts = [{"name": f"web-{each[:4]}", "type": "wheel", "digest": f"sha256:{each}"} for each in digests]
    body = {"service": "web", "version": "2", "repository": "https://git.example.com/web", "commit": "a" * 40}
    return api.post(f"{API}/releases", json={**body, "artifacts": artifacts})


def approve(api: Client, database: Database, person: Principal, digest: str) -> None:
    """Ask about web 2, as a pipeline does, and approve it."""
    asked = {"subject": "releases/web@2", "title": "Release web 2", "plan_digest": digest}
    approval = api.post(f"{API}/approvals", json=asked)
    assert approval.status_code == 201, approval.text
    with database.tenant_session(person.tenant_id) as session:
        ApprovalService(session).decide(person, UUID(approval.json()["id"]), Decide(), approves=True)


def test_who_approved_a_release_is_told_for_its_very_artifacts(api: Client, bob: Principal, database: Database) -> None:
    assert record(api, "9f" * 32).status_code == 403
    approve(api, database, bob, "ab" * 32)
    assert record(api, "9f" * 32).status_code == 403, "other bytes were approved"
    approve(api, database, bob, "9f" * 32)
    made = record(api, "9f" * 32)
    assert made.status_code == 201, made.text
    kept = api.get(f"{API}/policies/evaluations/{made.json()['verdict']['evaluation']}").json()["input"]
    STRICT.validate(kept)
    (approval,) = kept["release"]["approvals"]
    assert (approval["by"], approval["artifact"]) == ("Bob", "sha256:" + "9f" * 32)


def test_an_approval_of_some_files_of_a_release_is_none_of_the_release(
    api: Client, bob: Principal, database: Database
) -> None:
    first, second, third = "1a" * 32, "2b" * 32, "3c" * 32
    for digest in (first, second):
        approve(api, database, bob, digest)
        assert record(api, first, second).status_code == 403, "one file of two was approved"
    approve(api, database, bob, sha256(f"{first}\n{second}\n".encode()).hexdigest())
    assert record(api, first, second).status_code == 403, "a file that lists the two was approved"
    approve(api, database, bob, sha512(f"{first}\n{second}\n".encode()).hexdigest()[:64])
    assert record(api, first, second, third).status_code == 403, "two files of three were approved"
    made = record(api, second, first, first)
    assert made.status_code == 201, made.text
    kept = api.get(f"{API}/policies/evaluations/{made.json()['verdict']['evaluation']}").json()["input"]
    STRICT.validate(kept)
    told = {(each["by"], each["artifact"]) for each in kept["release"]["approvals"]}
    assert told == {("Bob", f"sha256:{first}"), ("Bob", f"sha256:{second}")}


def test_the_plan_tells_what_comes_and_what_goes(
    database: Database, settings: Settings, acme: Principal, environment: str
) -> None:
    def plan(session: Session) -> dict[tuple[str, str], str | None]:
        document = InputService(session, settings).gather(acme.tenant_id, None, f"environments/{environment}", "test")[
            1
        ]
        STRICT.validate(document)
        return {(each["type"], each["name"]): each.get("operation") for each in document["plan"]["resources"]}

    with database.tenant_session(acme.tenant_id) as session:
        first = plan(session)
        assert set(first.values()) == {"create"}
        stays = next(iter(first))
        there = [{"type": kind, "name": name, "id": "1"} for kind, name in (stays, ("slipway:local:Process", "old"))]
        stack = Stack(tenant_id=acme.tenant_id, project="p", name="s", owner="test", target="local", resources=there)
        session.add(stack)
        session.flush()
        row = session.get(Environment, UUID(environment))
        assert row is not None
        row.stack_id = stack.id
        session.add(row)
        session.flush()
        second = plan(session)
    assert second[stays] is None
    assert second["slipway:local:Process", "old"] == "delete"
    assert {**second, stays: "create"} == {**first, ("slipway:local:Process", "old"): "delete"}


def test_what_the_engine_reported_is_the_plan_of_what_stands(
    database: Database, settings: Settings, acme: Principal, environment: str
) -> None:
    resources = [
        GraphResource(type="slipway:local:Process", name="web", provider="slipway", inputs={"command": "run"}),
        GraphResource(
            type="aws:rds/instance:Instance",
            name="database",
            provider="aws",
            parent="data",
            depends_on=("web",),
            inputs={"password": "hunter22", "url": "postgres://app:hunter22@db", "size": 20, "odd": ["a\0b"]},
        ),
    ]
    graph = resource_graph(GraphSource.DEPLOYMENT, resources, revision="ab" * 20, secrets=["hunter22"])

    def plan(session: Session, point: GatePoint | None = None) -> dict[str, Any]:
        subject = f"environments/{environment}"
        document = InputService(session, settings).gather(acme.tenant_id, point, subject, "test")[1]
        STRICT.validate(document)
        found: dict[str, Any] = document["plan"]
        return found

    with database.tenant_session(acme.tenant_id) as session:
        there = [{"type": each.type, "name": each.name, "id": "1"} for each in resources]
        stack = Stack(tenant_id=acme.tenant_id, project="p", name="s", owner="test", target="local", resources=there)
        stack.graph = graph.model_dump(mode="json")
        session.add(stack)
        session.flush()
        row = session.get(Environment, UUID(environment))
        assert row is not None
        row.stack_id, row.phase, row.observed_generation = stack.id, Phase.READY, row.generation
        session.add(row)
        session.flush()
        stands = plan(session)
        changes = plan(session, GatePoint.ENVIRONMENT_UPDATE)
        row.generation += 1
        session.add(row)
        session.flush()
        moves = plan(session)
    assert (stands["source"], stands["revision"], stands["complete"]) == ("deployment", "ab" * 20, True)
    database_there = stands["resources"][1]
    masked = {"password": "[secret]", "url": "postgres://app:[secret]@db", "size": 20}
    assert database_there["inputs"] == {**masked, "odd": ["a\ufffdb"]}
    assert (database_there["parent"], database_there["depends_on"]) == ("data", ["web"])
    assert changes["source"] == moves["source"] == "program"
    assert changes["deployed"]["resources"] == stands["resources"]
    assert {each["name"] for each in changes["resources"] if each.get("operation") == "delete"} == {"database"}


def test_a_graph_without_end_is_kept_within_bounds() -> None:
    large = [GraphResource(type="a:b:C", name=str(index), inputs={"text": "x" * 30_000}) for index in range(60)]
    graph = resource_graph(
        GraphSource.PREVIEW, [*large, GraphResource(type="a:b:C", name="y", inputs={"t": "z" * 40_000})]
    )
    assert not graph.complete
    assert len(graph.resources) == 61
    assert sum(bool(each.inputs) for each in graph.resources) == 34
    many = resource_graph(GraphSource.PREVIEW, [GraphResource(type="a:b:C", name="n")] * (MOST_RESOURCES + 1))
    assert (len(many.resources), many.complete) == (MOST_RESOURCES, False)
