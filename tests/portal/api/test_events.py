"""Tokens, events and figures as programs read them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.clock import now
from catalog.db import Database
from catalog.events import outbox
from catalog.operations.service import OperationService
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.events import TokenRevoked

Client = TestClient[Litestar]
API = "/api/v1"


def record(database: Database, principal: Principal, count: int) -> None:
    """Record events, and let them be taken as the relay does."""
    with database.tenant_session(principal.tenant_id) as session:
        for number in range(count):
            data = TokenRevoked(token_id=uuid4(), name=f"t{number}")
            outbox.append(session, data, tenant_id=principal.tenant_id, subject="tokens/x", actor="test")
    with database.system_session() as session:
        statement = text(
            "UPDATE events SET relayed_at = now(), position = nextval('event_positions') WHERE relayed_at IS NULL"
        )
        session.connection().execute(statement)


def read_all(client: Client, path: str) -> list[Any]:
    found: list[Any] = []
    following: str | None = path
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        link = answer.headers.get("link")
        following = link.partition("<")[2].partition(">")[0] if link else None
    return found


def test_events_are_cloudevents_and_nothing_is_missed(api: Client, database: Database, acme: Principal) -> None:
    record(database, acme, 5)
    events = read_all(api, f"{API}/events?limit=2&type=dev.slipway.token.revoked.v1")
    assert [each["data"]["name"] for each in events] == [f"t{number}" for number in range(5)]
    assert {each["specversion"] for each in events} == {"1.0"}
    assert all(each["time"].endswith("Z") for each in events)
    after = api.get(f"{API}/events?limit=200").json()["after"]
    assert api.get(f"{API}/events?after={after}").json()["items"] == []
    record(database, acme, 1)
    assert len(api.get(f"{API}/events?after={after}").json()["items"]) == 1
    assert api.get(f"{API}/events?subject=tokens/none").json()["items"] == []


def test_requests_correlate_the_events_they_cause(api: Client, database: Database, acme: Principal) -> None:
    answer = api.post(f"{API}/tokens", json={"name": "x", "scopes": ["assets:read"]})
    record(database, acme, 0)
    events = api.get(f"{API}/events?type=dev.slipway.token.created.v1").json()["items"]
    assert events[-1]["correlationid"] == answer.headers["x-request-id"]


def test_tokens_are_listed_without_their_secrets(api: Client) -> None:
    secrets = [api.post(f"{API}/tokens", json={"name": str(n), "scopes": ["assets:read"]}) for n in range(3)]
    listed = read_all(api, f"{API}/tokens?limit=2")
    assert [each["name"] for each in listed] == ["2", "1", "0", "test"]
    assert not any(each.json()["token"] in str(listed) for each in secrets)
    assert "token" not in listed[0]


def test_a_caller_can_ask_who_it_is(api: Client, acme: Principal) -> None:
    myself = api.get(f"{API}/tokens/self").json()
    assert myself["tenant"] == "acme"
    assert myself["tenant_id"] == str(acme.tenant_id)
    assert "assets:read" in myself["scopes"]


def test_times_are_utc_whatever_the_servers_zone(
    api: Client, portal: Litestar, settings: Settings, database: Database, acme: Principal
) -> None:
    engine = create_engine(settings.owner_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'"))
    portal.state.database.app.dispose()
    with database.tenant_session(acme.tenant_id) as session:
        OperationService(session).start(acme.tenant_id, "test", "tests/1", [], "test")
    (listed,) = api.get(f"{API}/operations").json()["items"]
    assert listed["created_at"].endswith("Z")
    assert abs(datetime.fromisoformat(listed["created_at"]) - now()) < timedelta(minutes=1)


def test_operations_are_listed_newest_first(api: Client, database: Database, acme: Principal) -> None:
    made = []
    for number in range(3):
        with database.tenant_session(acme.tenant_id) as session:
            started = OperationService(session).start(acme.tenant_id, "test", f"tests/{number}", [], "test")
            made.append(str(started.id))
    assert [each["id"] for each in read_all(api, f"{API}/operations?limit=2")] == made[::-1]
    assert [each["id"] for each in read_all(api, f"{API}/operations?subject=tests/1")] == [made[1]]


def test_figures_go_by_route_and_never_by_tenant(
    api: Client, anyone: Client, database: Database, acme: Principal
) -> None:
    api.get(f"{API}/environments/{uuid4()}")
    api.get(f"{API}/nowhere/{uuid4()}")
    with database.tenant_session(acme.tenant_id) as session:
        data = TokenRevoked(token_id=uuid4(), name="x")
        outbox.append(session, data, tenant_id=acme.tenant_id, subject="tokens/x", actor="test")
    answer = anyone.get("/metrics", headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert any(
        'route="/api/v1/environments/{environment_id}"' in each.replace(":uuid", "") and 'status="404"' in each
        for each in lines
    )
    assert any('route="unmatched"' in each for each in lines)
    assert float(next(each for each in lines if each.startswith("slipway_outbox_backlog ")).split()[1]) >= 1
    assert str(acme.tenant_id) not in answer.text
    assert "acme" not in answer.text
