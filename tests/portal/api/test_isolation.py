"""What belongs to another tenant answers exactly as what does not exist, through every route that takes a name."""

import json
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.clock import now
from catalog.db import Database
from catalog.environments.models import Environment
from catalog.events import outbox
from catalog.operations.service import OperationService
from catalog.tenancy import Principal
from catalog.tenants.events import TokenRevoked

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
REASON = {"reason": "It is broken."}
ASSET_ROUTES = [
    ("GET", "", None),
    ("GET", "/versions", None),
    ("GET", "/versions/{version}", None),
    ("GET", "/versions/latest", None),
    ("GET", "/versions/{version}/archive", None),
    ("GET", "/used-by", None),
    ("GET", "/sharing", None),
    *(
        ("POST", f"/versions/{{version}}/{verb}", REASON)
        for verb in ("deprecate", "retire", "yank", "revoke", "quarantine", "restore")
    ),
]
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/environments/{environment}", None),
    ("GET", "/environments/{environment}/logs", None),
    ("GET", "/environments/{environment}/logs/events", None),
    ("POST", "/environments/{environment}/extend", {"by": "PT1H"}),
    ("DELETE", "/environments/{environment}", None),
    ("GET", "/operations/{operation}", None),
    ("GET", "/operations/{operation}/events", None),
    ("DELETE", "/tokens/{token}", None),
    ("POST", "/dead-letters/{delivery}/replay", None),
    *((method, f"/assets/{{asset}}{rest}", body) for method, rest, body in ASSET_ROUTES),
    ("PUT", "/assets/{asset}/sharing", {"visibility": "public"}),
    ("PUT", "/catalog/{asset}", {"hidden": True}),
    ("DELETE", "/catalog/{asset}", None),
]


def make_environment(database: Database, tenant_id: UUID) -> Environment:
    moment = now()
    environment = Environment(
        tenant_id=tenant_id,
        repository="/srv/hello",
        pull_request=42,
        name="pr-42-hello",
        hostname=f"pr-42-{tenant_id.hex[:8]}.preview.localhost",
        blueprint="acme/preview",
        blueprint_version="1.0.0",
        head_sha="a" * 40,
        seen_sha="a" * 40,
        requested_by="test",
        ttl_seconds=3600,
        expires_at=moment + timedelta(hours=1),
        hard_expires_at=moment + timedelta(hours=2),
    )
    with database.tenant_session(tenant_id) as session:
        session.add(environment)
    return environment


def make_dead_letter(database: Database, tenant_id: UUID) -> int:
    with database.tenant_session(tenant_id) as session:
        data = TokenRevoked(token_id=uuid4(), name="x")
        event = outbox.append(session, data, tenant_id=tenant_id, subject="tokens/x", actor="test")
        event_id = event.id
    with database.system_session() as session:
        statement = text(
            "INSERT INTO deliveries (tenant_id, event_id, position, subject, job, state, attempt, failures,"
            " next_attempt_at, last_error, finished_at)"
            " VALUES (:tenant, :event, 1, 'tokens/x', 'test.job', 'dead', 3, 3, now(), 'broken', now()) RETURNING id"
        )
        return int(session.connection().execute(statement, {"tenant": tenant_id, "event": event_id}).scalar_one())


@pytest.fixture
def theirs(database: Database, rival: Principal, client_of: NewClient, archive: bytes) -> dict[str, str]:
    """Give another tenant one of everything, and return how it is called."""
    client = client_of(rival)
    published = client.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    with database.tenant_session(rival.tenant_id) as session:
        operation = OperationService(session).start(rival.tenant_id, "test", "tests/1", [], "test")
    token = client.post("/api/v1/tokens", json={"name": "x", "scopes": ["assets:read"]}).json()
    return {
        "environment": str(make_environment(database, rival.tenant_id).id),
        "operation": str(operation.id),
        "token": token["id"],
        "delivery": str(make_dead_letter(database, rival.tenant_id)),
        "asset": "acme/preview",
        "version": published.json()["version"],
    }


UNKNOWN = {
    "environment": str(uuid4()),
    "operation": str(uuid4()),
    "token": str(uuid4()),
    "delivery": "999999999",
    "asset": "nobody/nothing",
    "version": "0.1.0",
}


def shape(answer: Any, names: dict[str, str]) -> tuple[int, str, dict[str, str]]:
    document = {key: value for key, value in answer.json().items() if key != "correlation_id"}
    said = json.dumps(document)
    for name, value in sorted(names.items(), key=lambda each: -len(each[1])):
        said = said.replace(value, f"<{name}>")
    varying = {"x-request-id", "content-length"}
    headers = {key: value for key, value in answer.headers.items() if key not in varying}
    return answer.status_code, said, headers


def test_another_tenants_things_do_not_exist(api: Client, theirs: dict[str, str]) -> None:
    for method, path, body in ROUTES:
        content = {} if body is None else {"json": body}
        known = api.request(method, "/api/v1" + path.format(**theirs), **content)
        unknown = api.request(method, "/api/v1" + path.format(**{**UNKNOWN, "version": theirs["version"]}), **content)
        assert known.status_code == 404, (method, path, known.text)
        names = {**UNKNOWN, "version": theirs["version"]}
        assert shape(known, theirs) == shape(unknown, names), (method, path)


def test_lists_show_the_callers_own_alone(api: Client, theirs: dict[str, str]) -> None:
    assert theirs
    for path in ("/environments", "/operations", "/dead-letters", "/assets", "/events"):
        assert api.get(f"/api/v1{path}").json()["items"] == [], path
    assert [each["name"] for each in api.get("/api/v1/tokens").json()["items"]] == ["test"]
    facets = api.get("/api/v1/assets").json()["facets"]
    assert all(not counts for counts in facets.values())


def test_the_owner_finds_everything(client_of: NewClient, rival: Principal, theirs: dict[str, str]) -> None:
    client = client_of(rival)
    for method, path, _ in ROUTES:
        if method == "GET" and not path.endswith(("/events", "/logs")):
            assert client.get("/api/v1" + path.format(**theirs)).status_code == 200, path
    assert client.post(f"/api/v1/dead-letters/{theirs['delivery']}/replay").status_code == 202
    assert client.get("/api/v1/dead-letters").json()["items"] == []


def test_the_time_it_takes_tells_nothing(api: Client, theirs: dict[str, str]) -> None:
    def seconds(identifier: str) -> float:
        began = perf_counter()
        api.get(f"/api/v1/environments/{identifier}")
        return perf_counter() - began

    known, unknown = [], []
    for _ in range(40):  # interleaved, so that whatever else the machine does falls on both
        known.append(seconds(theirs["environment"]))
        unknown.append(seconds(str(uuid4())))
    assert 0.5 < median(known) / median(unknown) < 2


def test_a_cursor_of_another_tenant_shows_nothing_of_it(
    client_of: NewClient, api: Client, rival: Principal, theirs: dict[str, str]
) -> None:
    assert theirs
    page = client_of(rival).get("/api/v1/tokens?limit=1").json()
    assert page["next_cursor"]
    mine = api.get("/api/v1/tokens", params={"cursor": page["next_cursor"]}).json()
    assert all(each["name"] == "test" for each in mine["items"])
