"""The unit of work of a request: committed before the answer, rolled back on an error, never waiting for itself."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from litestar import Litestar, post
from litestar.testing import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.db import Database
from catalog.errors import ConflictError
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService
from portal.boundary import Caller, OpenSession

Client = TestClient[Litestar]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Make connections scarce: two, and as many more at most as the pool lends."""
    return settings.model_copy(update={"database_pool_size": 2, "request_threads": 2})


def test_an_error_after_a_write_leaves_nothing(
    portal: Litestar, api: Client, database: Database, acme: Principal
) -> None:
    @post("/api/half", sync_to_thread=True)
    def half(session: OpenSession, principal: Caller) -> None:
        TenantService(session).add_member(principal.tenant_id, "Ann", "ann@example.com", Role.VIEWER)
        raise ConflictError("changed my mind")

    portal.register(half)
    assert api.post("/api/half").status_code == 409
    with database.tenant_session(acme.tenant_id) as session:
        assert session.connection().execute(text("SELECT count(*) FROM members")).scalar_one() == 0


def test_a_commit_that_fails_is_no_success(api: Client, settings: Settings) -> None:
    engine = create_engine(settings.owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'not today'; END $$;"
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON api_tokens DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    answer = api.post("/api/v1/tokens", json={"name": "ci", "scopes": ["assets:read"]})
    assert answer.status_code == 500
    assert "not today" not in answer.text
    assert [each["name"] for each in api.get("/api/v1/tokens").json()["items"]] == ["test"]


def test_a_crowd_on_few_connections_is_served_without_waiting_for_itself(
    served: Settings, new_token: Callable[..., str], acme: Principal
) -> None:
    headers = {"Authorization": f"Bearer {new_token(acme)}"}
    limits = httpx.Limits(max_connections=40)
    with httpx.Client(base_url=served.base_url, headers=headers, timeout=25, limits=limits) as client:

        def send(number: int) -> int:
            if number % 3:
                return client.get("/api/v1/tokens").status_code
            key = {"Idempotency-Key": str(number)}
            body = {"name": str(number), "scopes": ["assets:read"]}
            return client.post("/api/v1/tokens", json=body, headers=key).status_code

        began = time.monotonic()
        with ThreadPoolExecutor(40) as pool:
            statuses = list(pool.map(send, range(120)))
        assert set(statuses) == {200, 201}
        assert time.monotonic() - began < 20
        assert client.get("/health/live").status_code == 200
