"""Numbers, characters and shapes that nothing behind the API can hold are the caller's fault, never Slipway's."""

import base64
import json
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.db import Database
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService
from catalog.tenancy import Principal

Client = TestClient[Litestar]
API = "/api/v1"
LARGEST = 2**63 - 1
JSON = {"Content-Type": "application/json"}


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps([str(each) for each in parts]).encode()).decode().rstrip("=")


TOO_LARGE = [
    f"{API}/events?after={LARGEST + 1}",
    f"{API}/events?cursor={cursor(LARGEST + 1)}",
    f"{API}/events?cursor={cursor(-1)}",
    f"{API}/dead-letters?cursor={cursor(LARGEST + 1)}",
    f"{API}/dead-letters?cursor={cursor(-LARGEST)}",
]
WITH_NUL = [f"{API}/events?subject=a%00b", f"{API}/events?type=a%00b", f"{API}/operations?subject=a%00b"]


@pytest.mark.parametrize("address", TOO_LARGE + WITH_NUL)
def test_what_cannot_be_looked_up_is_refused(api: Client, address: str) -> None:
    answer = api.get(address)

    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:slipway:problem:invalid_input"


def test_the_largest_number_is_a_number(api: Client) -> None:
    assert api.get(f"{API}/events?after={LARGEST}").json()["items"] == []
    assert api.get(f"{API}/dead-letters?cursor={cursor(LARGEST)}").json()["items"] == []
    assert api.post(f"{API}/dead-letters/{LARGEST}/replay").status_code == 404
    assert api.post(f"{API}/dead-letters/{LARGEST + 1}/replay").status_code == 422


@pytest.mark.parametrize("path", ["/static/a%00b", "/%00", f"{API}/assets/a%00/b", "/sign-in/%00"])
def test_a_path_with_nul_leads_nowhere(api: Client, path: str) -> None:
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "n" * 201])
def test_a_token_has_a_name_that_can_be_read(api: Client, name: str) -> None:
    answer = api.post(f"{API}/tokens", json={"name": name, "scopes": ["assets:read"]})

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/name"]


@pytest.mark.parametrize("repository", ["/tmp/\0x", "~nobody-of-that-name/x", "/" + "a" * 900])
def test_a_repository_that_cannot_be_is_the_fields_fault(api: Client, repository: str) -> None:
    asked: dict[str, Any] = {"repository": repository, "pull_request": 1, "blueprint": "acme/web"}
    answer = api.post(f"{API}/environments/ephemeral", json=asked)

    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/repository"]
    assert api.post("/hooks/git", json={"repository": repository}).status_code < 500


def test_a_body_nested_too_deeply_is_refused(api: Client) -> None:
    nested = "[" * 100_000 + "]" * 100_000
    body = f'{{"repository": "/x", "pull_request": 1, "blueprint": "a/b", "inputs": {{"a": {nested}}}}}'
    answer = api.post(f"{API}/environments/ephemeral", content=body, headers=JSON)

    assert answer.status_code == 422, answer.text


def test_a_stream_goes_on_after_a_line_that_will_never_be(api: Client, database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        service = OperationService(session)
        operation = service.start(acme.tenant_id, "test", "tests/1", [], acme.actor)
        service.finish(acme.tenant_id, operation.id, OperationState.CANCELLED)

    answer = api.get(f"{API}/operations/{operation.id}/events", headers={"Last-Event-ID": str(LARGEST + 1)})

    assert answer.status_code == 200
    assert "event: end" in answer.text
