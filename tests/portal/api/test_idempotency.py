"""The same request sent again has one effect and one answer."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.db import Database
from catalog.idempotency.models import Attempt, KeptAnswer, KeyedRequest
from catalog.idempotency.service import IdempotencyService
from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
TOKENS = "/api/v1/tokens"
BODY = {"name": "ci", "scopes": ["assets:read"]}
KEY = {"Idempotency-Key": "4b9e9a54-2c39-4f5b-8b7a-1b1f0d3a7f10"}


def names(client: Client) -> list[str]:
    return [each["name"] for each in client.get(TOKENS).json()["items"]]


def test_the_same_request_gets_the_same_answer(api: Client) -> None:
    first = api.post(TOKENS, json=BODY, headers=KEY)
    second = api.post(TOKENS, json=BODY, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert names(api).count("ci") == 1


def test_another_body_is_refused(api: Client) -> None:
    api.post(TOKENS, json=BODY, headers=KEY)
    answer = api.post(TOKENS, json={**BODY, "name": "other"}, headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:slipway:problem:idempotency_key_reused"
    assert "other" not in names(api)


def test_without_a_key_every_request_counts(api: Client) -> None:
    api.post(TOKENS, json=BODY)
    api.post(TOKENS, json=BODY)
    assert names(api).count("ci") == 2


def test_a_refused_request_may_be_put_right_under_its_key(api: Client) -> None:
    assert api.post(TOKENS, json={"name": "", "scopes": []}, headers=KEY).status_code == 422
    assert api.post(TOKENS, json=BODY, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
def test_a_key_that_is_none_is_refused(api: Client, key: str) -> None:
    answer = api.post(TOKENS, json=BODY, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/headers/Idempotency-Key"


def test_keys_of_tenants_tokens_and_routes_are_apart(
    client_of: NewClient, acme: Principal, rival: Principal, api: Client
) -> None:
    first = api.post(TOKENS, json=BODY, headers=KEY)
    for other in (client_of(rival), client_of(acme)):
        answer = other.post(TOKENS, json={**BODY, "name": "theirs"}, headers=KEY)
        assert answer.status_code == 201
        assert answer.json()["token"] != first.json()["token"]
    assert api.post("/hooks/git", json={"repository": "/nowhere"}, headers=KEY).status_code == 202


def test_a_token_without_the_scope_cannot_fish_for_an_answer(
    client_of: NewClient, acme: Principal, api: Client
) -> None:
    api.post(TOKENS, json=BODY, headers=KEY)
    assert client_of(acme, ["assets:read"]).post(TOKENS, json=BODY, headers=KEY).status_code == 403


def test_kept_answers_cannot_be_read_from_the_database(api: Client, database: Database, acme: Principal) -> None:
    secret = api.post(TOKENS, json=BODY, headers=KEY).json()["token"]
    with database.tenant_session(acme.tenant_id) as session:
        row = session.connection().execute(text("SELECT answer, fingerprint FROM idempotency_keys")).one()
    assert secret.encode() not in bytes(row.answer)
    assert len(row.fingerprint) == 64


def test_many_at_once_have_one_effect(served: Settings, new_token: Callable[..., str], acme: Principal) -> None:
    headers = {**KEY, "Authorization": f"Bearer {new_token(acme)}"}
    start = threading.Barrier(8)

    def send(_: int) -> httpx.Response:
        start.wait()
        return httpx.post(served.base_url + TOKENS, json=BODY, headers=headers, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {each.status_code for each in answers} <= {201, 409}
    made = {each.json()["id"] for each in answers if each.status_code == 201}
    assert len(made) == 1
    for each in answers:
        if each.status_code == 409:
            assert each.json()["type"] == "urn:slipway:problem:request_in_flight"
    listed = httpx.get(served.base_url + TOKENS, headers=headers, timeout=60).json()["items"]
    assert [each["name"] for each in listed].count("ci") == 1


def keyed(principal: Principal, fingerprint: str = "a" * 64) -> KeyedRequest:
    return KeyedRequest(principal.tenant_id, principal.actor, "POST /x", "key", fingerprint)


def claim(database: Database, request: KeyedRequest) -> Attempt | KeptAnswer:
    with database.tenant_session(request.tenant_id) as session:
        return IdempotencyService(session).claim(request)


def test_an_attempt_that_fell_silent_is_taken_over_and_cannot_come_back(database: Database, acme: Principal) -> None:
    first = claim(database, keyed(acme))
    assert isinstance(first, Attempt)
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().execute(text("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'"))
    second = claim(database, keyed(acme, "b" * 64))
    assert isinstance(second, Attempt)
    with (
        pytest.raises(Exception, match="carried out again"),
        database.tenant_session(acme.tenant_id) as session,
    ):
        IdempotencyService(session).keep(first, b"late")
    with database.tenant_session(acme.tenant_id) as session:
        IdempotencyService(session).release(first)
        IdempotencyService(session).keep(second, b"answer")
    assert claim(database, keyed(acme, "b" * 64)) == KeptAnswer(b"answer")


def test_answers_are_forgotten_after_a_day(database: Database, acme: Principal) -> None:
    first = claim(database, keyed(acme))
    assert isinstance(first, Attempt)
    with database.tenant_session(acme.tenant_id) as session:
        IdempotencyService(session).keep(first, b"answer")
        connection = session.connection()
        kept = connection.execute(text("SELECT expires_at - created_at FROM idempotency_keys")).scalar_one()
        assert kept.total_seconds() == 24 * 3600
        connection.execute(text("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'"))
    assert isinstance(claim(database, keyed(acme, "c" * 64)), Attempt)


TAKE_THE_KEY_AWAY = """
CREATE FUNCTION take_the_key_away() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM idempotency_keys; RETURN NEW; END $$;
CREATE TRIGGER take_the_key_away AFTER INSERT ON api_tokens
    FOR EACH ROW WHEN (NEW.name = 'ci') EXECUTE FUNCTION take_the_key_away();
"""


def test_the_effects_and_the_answer_stand_or_fall_together(api: Client, settings: Settings) -> None:
    engine = create_engine(settings.owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(TAKE_THE_KEY_AWAY))
    answer = api.post(TOKENS, json=BODY, headers=KEY)
    assert answer.status_code == 409
    assert "ci" not in names(api)


def test_an_upload_is_recognised_though_its_boundary_differs(api: Client, archive: bytes) -> None:
    answers = [
        api.post("/api/v1/assets", files={"archive": (name, archive, "application/gzip")}, headers=KEY)
        for name in ("a.tar.gz", "a.tar.gz", "b.tar.gz")
    ]
    assert [each.status_code for each in answers] == [201, 201, 422], answers[0].text
    boundaries = {each.request.headers["content-type"] for each in answers}
    assert len(boundaries) == 3
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert answers[1].headers["location"] == answers[0].headers["location"]
    assert answers[0].content == answers[1].content


def test_a_broken_form_under_a_key_is_malformed(api: Client) -> None:
    headers = {**KEY, "Content-Type": "multipart/form-data; boundary=x"}
    answer = api.post("/api/v1/assets", content=b"--x\r\nno header here", headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
