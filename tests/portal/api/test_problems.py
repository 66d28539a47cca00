"""Every way in which a request can fail answers with problem details, and with nothing that is not the caller's."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from catalog.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    SlipwayError,
    UnauthorizedError,
    UnavailableError,
)
from catalog.settings import Settings
from portal.app import create_app

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
API = "/api/v1"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:slipway:problem:{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["correlation_id"] == answer.headers["x-request-id"]
    return document


def test_an_unknown_address_is_not_found(anyone: Client) -> None:
    problem(anyone.get("/api/v1/nowhere"), 404, "not_found")
    problem(anyone.get("/nowhere"), 404, "not_found")


def test_a_wrong_method_is_named(anyone: Client) -> None:
    answer = anyone.put("/api/v1/tokens")
    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


def test_a_missing_token_says_how_to_give_one(anyone: Client) -> None:
    answer = anyone.get("/api/v1/tokens")
    assert "Bearer slw_" in problem(answer, 401, "unauthorized")["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer slw_wrong", "Bearer ", "Basic dXNlcjpwYXNz", "slw_wrong", "bearer"])
def test_a_bad_token_is_refused_even_where_none_is_needed(anyone: Client, header: str) -> None:
    problem(anyone.get("/api/v1/tokens", headers={"Authorization": header}), 401, "unauthorized")
    problem(anyone.get("/sign-in", headers={"Authorization": header}), 401, "unauthorized")


def test_a_missing_scope_is_named(client_of: NewClient, acme: Any) -> None:
    answer = client_of(acme, ["environments:read"]).post("/api/v1/tokens", json={"name": "x", "scopes": []})
    assert "tenants:admin" in problem(answer, 403, "forbidden")["detail"]


def test_malformed_json_is_a_bad_request(api: Client) -> None:
    headers = {"Content-Type": "application/json"}
    problem(api.post(f"{API}/tokens", content=b'{"name": ', headers=headers), 400, "malformed")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(api: Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = api.post(f"{API}/tokens", content=b'{"name": "x", "scopes": []}', headers=headers)
    assert "application/json" in problem(answer, 415, "unsupported_media_type")["detail"]


def test_every_field_at_fault_is_named_by_pointer(api: Client) -> None:
    body = {"repository": "", "pull_request": 0, "blueprint": "a/b", "surprise": {"a.b/c": 1}}
    found = problem(api.post(f"{API}/environments/ephemeral", json=body), 422, "invalid_input")
    assert {each["pointer"] for each in found["errors"]} == {"/repository", "/pull_request", "/surprise"}
    assert all(each["detail"] for each in found["errors"])


def test_a_nested_field_has_its_index_in_the_pointer(api: Client) -> None:
    answer = api.post(f"{API}/tokens", json={"name": "x", "scopes": ["assets:read", 7]})
    assert [each["pointer"] for each in problem(answer, 422, "invalid_input")["errors"]] == ["/scopes/1"]


def test_a_missing_body_is_invalid(api: Client) -> None:
    problem(api.post(f"{API}/tokens"), 422, "invalid_input")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/environments?limit=0", "/limit"),
        ("/environments?limit=many", "/limit"),
        ("/environments?phase=nonsense", "/phase"),
        ("/environments?cursor=nonsense", "/cursor"),
        ("/environments?cursor=WyJ4Il0", "/cursor"),
        ("/operations?cursor=eyJhIjoxfQ", "/cursor"),
        ("/tokens?cursor=WyIyMDI2LTAxLTAxIiwgIngiXQ", "/cursor"),
        ("/dead-letters?cursor=WyJ4Il0", "/cursor"),
        ("/events?after=-1", "/after"),
    ],
)
def test_bad_query_parameters_are_named(api: Client, path: str, pointer: str) -> None:
    found = problem(api.get(API + path), 422, "invalid_input")
    assert [each["pointer"] for each in found["errors"]] == [pointer], found


def test_a_body_beyond_the_limit_is_refused(api: Client) -> None:
    body = {"name": "x" * (1024 * 1024), "scopes": []}
    problem(api.post(f"{API}/tokens", json=body), 413, "too_large")
    problem(api.post(f"{API}/tokens", json=body, headers={"Idempotency-Key": "big"}), 413, "too_large")


def test_a_database_that_is_away_is_said_so(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/nothing"})
    with TestClient(create_app(elsewhere), base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        answer = client.get(f"{API}/tokens", headers={"Authorization": "Bearer slw_x"})
        assert "127.0.0.1:1" not in problem(answer, 503, "unavailable")["detail"]
        assert answer.headers["retry-after"]
        problem(client.get("/health/ready"), 503, "unavailable")
        assert client.get("/health/live").status_code == 200


ERRORS: list[tuple[SlipwayError, int, str]] = [
    (NotFoundError("no"), 404, "not_found"),
    (ConflictError("no"), 409, "conflict"),
    (InvalidInputError("no", [FieldError("/a", "b")]), 422, "invalid_input"),
    (UnauthorizedError("no"), 401, "unauthorized"),
    (ForbiddenError("no"), 403, "forbidden"),
    (QuotaExceededError("no"), 429, "quota_exceeded"),
    (UnavailableError("no"), 503, "unavailable"),
]


@pytest.mark.parametrize(("error", "status", "code"), ERRORS)
def test_every_error_of_the_domain_has_its_answer(
    settings: Settings, error: SlipwayError, status: int, code: str
) -> None:
    @get("/api/raise", opt={"anonymous": True}, sync_to_thread=True)
    def raising() -> None:
        raise error

    # An application of its own: the shared one has no such route.
    portal = create_app(settings)
    portal.register(raising)
    with TestClient(portal, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        found = problem(client.get("/api/raise"), status, code)
        assert found["detail"] == "no"
        assert found["errors"] == [{"pointer": each.pointer, "detail": each.detail} for each in error.errors]
        page = client.get("/raise", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")


def test_a_fault_of_ours_tells_nothing_but_where_to_look(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    @get("/api/fault", opt={"anonymous": True}, sync_to_thread=True)
    def fault() -> None:
        raise RuntimeError("the password is hunter2")

    portal = create_app(settings)
    portal.register(fault)
    with TestClient(portal, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        answer = client.get("/api/fault")
    found = problem(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert found["correlation_id"] in found["detail"]
    assert found["correlation_id"] in caplog.text
    assert "hunter2" in caplog.text


def test_people_get_a_page_and_htmx_a_fragment(browser: Client) -> None:
    page = browser.get("/nowhere")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<html" in page.text
    fragment = browser.get("/nowhere", headers={"HX-Request": "true"})
    assert fragment.status_code == 404
    assert "<html" not in fragment.text


def test_an_id_that_is_none_is_not_found(api: Client) -> None:
    problem(api.get(f"{API}/environments/not-an-id"), 404, "not_found")
    problem(api.get(f"{API}/environments/{uuid4()}"), 404, "not_found")
