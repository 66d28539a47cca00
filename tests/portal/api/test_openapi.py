"""The API describes itself completely, and its documentation is a page of its own making."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

Client = TestClient[Litestar]
OUTSIDE = ("/api", "/static", "/sign-in", "/sign-out")


@pytest.fixture
def schema(anyone: Client) -> dict[str, Any]:
    """Return the document as anyone gets it."""
    answer = anyone.get("/api/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, each)
        for path, methods in schema["paths"].items()
        for method, each in methods.items()
        if "responses" in each
    ]


def test_it_is_openapi_3_1_and_valid(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    errors = [str(each.message) for each in OpenAPIV31SpecValidator(schema).iter_errors()]
    assert errors == []


def test_every_route_for_programs_is_in_it(schema: dict[str, Any], portal: Litestar) -> None:
    documented = {(path, method) for path, method, _ in operations(schema)}
    missing = []
    for route in portal.routes:
        for handler in getattr(route, "route_handlers", []):
            if "OPTIONS" in handler.http_methods:
                continue
            plain = "/".join(
                "{" + part[1:-1].partition(":")[0] + "}" if part.startswith("{") else part
                for part in route.path.split("/")
            )
            is_page = not plain.startswith(("/api/v1", "/hooks", "/health", "/metrics", "/environments/ephemeral"))
            missing += [
                (plain, method)
                for method in handler.http_methods
                if not is_page and (plain, method.lower()) not in documented
            ]
    assert missing == []
    assert not [path for path, _, _ in operations(schema) if path.startswith(OUTSIDE) and "/v1/" not in path]


def test_every_operation_says_what_it_is(schema: dict[str, Any]) -> None:
    identifiers = [each["operationId"] for _, _, each in operations(schema)]
    assert len(identifiers) == len(set(identifiers))
    for path, method, each in operations(schema):
        assert each.get("summary"), (method, path)
        assert each.get("description"), (method, path)
        assert each.get("tags"), (method, path)


def test_every_error_is_a_problem_document_with_an_example(schema: dict[str, Any]) -> None:
    for path, method, each in operations(schema):
        for status, response in each["responses"].items():
            # Clients of the upload door print the reason as text.
            if int(status) >= 400 and (path, status) != ("/t/{tenant}/legacy", "400"):
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
                media = response["content"]["application/problem+json"]
                assert media["schema"]["$ref"].endswith("/ProblemDetails"), (method, path, status)
                assert media["examples"], (method, path, status)


def test_every_operation_tells_how_it_fails(schema: dict[str, Any]) -> None:
    for path, method, each in operations(schema):
        missing = expected_errors(path, each) - set(each["responses"])
        assert not missing, (method, path, missing)


def expected_errors(path: str, operation: dict[str, Any]) -> set[str]:
    if path == "/health/live":
        return set()
    wanted = {"400", "500", "503"}
    if path.startswith(("/api", "/hooks", "/environments")) and operation.get("security") != [{}]:
        wanted |= {"401"} if path.endswith("/tokens/self") else {"401", "403"}
    if "{" in path and operation["operationId"] != "set_secret":  # which makes what is not there
        wanted |= {"404"}
    if "requestBody" in operation and not path.endswith("/legacy"):  # its clients know 400 alone
        wanted |= {"413", "415", "422"}
    return wanted


def test_it_names_how_to_authenticate(schema: dict[str, Any]) -> None:
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {"token": []} in schema["security"]


def test_bodies_have_examples(schema: dict[str, Any]) -> None:
    body = schema["paths"]["/api/v1/environments/ephemeral"]["post"]["requestBody"]
    (example,) = body["content"]["application/json"]["schema"]["examples"]
    assert example["pull_request"] == 42


def test_the_documentation_is_a_page_with_nothing_from_elsewhere(anyone: Client, schema: dict[str, Any]) -> None:
    answer = anyone.get("/api/docs", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    for _, _, each in operations(schema):
        assert f'id="{each["operationId"]}"' in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text
    assert "<style" not in answer.text
    assert " style=" not in answer.text
