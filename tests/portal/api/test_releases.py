"""Releases over HTTP: recorded, listed, refused with the field at fault, and kept apart by tenant."""

from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from catalog.tenancy import Principal

Client = TestClient[Litestar]
ASKED: dict[str, Any] = {
    "service": "web",
    "version": "1.4.0",
    "repository": "https://git.example.com/acme/web",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "artifacts": [{"name": "web", "type": "oci-image", "digest": "sha256:" + "9f" * 32}],
}


def test_a_release_is_recorded_and_read(api: Client) -> None:
    made = api.post("/api/v1/releases", json=ASKED)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/api/v1/releases/{made.json()['id']}"
    assert api.post("/api/v1/releases", json=ASKED).status_code == 200
    assert api.get(made.headers["location"]).json() == made.json()
    assert api.get("/api/v1/services").json()["items"][0]["name"] == "web"


def test_lists_go_page_by_page(api: Client) -> None:
    for number in range(3):
        api.post("/api/v1/releases", json={**ASKED, "version": f"1.{number}.0"})
    api.post("/api/v1/releases", json={**ASKED, "service": "billing"})
    first = api.get("/api/v1/releases?service=web&limit=2")
    assert [each["version"] for each in first.json()["items"]] == ["1.2.0", "1.1.0"]
    assert 'rel="next"' in first.headers["link"]
    last = api.get("/api/v1/releases", params={"service": "web", "cursor": first.json()["next_cursor"]}).json()
    assert [each["version"] for each in last["items"]] == ["1.0.0"]


def test_every_field_at_fault_is_named(api: Client) -> None:
    wrong = {"service": "Web", "version": "", "commit": "xyz", "artifacts": [{"name": "a", "type": "x", "digest": "1"}]}
    answer = api.post("/api/v1/releases", json=wrong)
    assert answer.status_code == 422
    pointers = {each["pointer"] for each in answer.json()["errors"]}
    assert pointers == {"/service", "/version", "/commit", "/artifacts/0/digest"}


def test_scopes(client_of: Callable[..., Client], acme: Principal) -> None:
    assert client_of(acme, ["releases:read"]).post("/api/v1/releases", json=ASKED).status_code == 403
    assert client_of(acme, ["environments:write"]).get("/api/v1/releases").status_code == 403


def test_other_tenants_see_nothing(api: Client, client_of: Callable[..., Client], rival: Principal) -> None:
    made = api.post("/api/v1/releases", json=ASKED).json()
    other = client_of(rival)
    assert other.get(f"/api/v1/releases/{made['id']}").status_code == 404
    assert other.get("/api/v1/releases").json()["items"] == []
    assert other.get("/api/v1/services").json()["items"] == []


def test_the_form_records_a_release(browser: Client) -> None:
    form = {
        "service": "web",
        "version": "1.4.0",
        "repository": ASKED["repository"],
        "commit": ASKED["commit"],
        "artifacts": "oci-image web sha256:" + "9f" * 32,
        "labels": "tier=critical",
        "environment": "",
    }
    assert browser.get("/releases/new").status_code == 200
    answer = browser.post("/releases", data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["location"]).text
    assert "web 1.4.0" in page
    assert "tier=critical" in page
    assert "web 1.4.0" in browser.get("/releases").text


def test_the_form_keeps_what_was_typed(browser: Client) -> None:
    form = {"service": "Web!", "version": "1.4.0", "artifacts": "just-a-name", "notes": "Please keep me"}
    answer = browser.post("/releases", data=form)
    assert answer.status_code == 422
    assert "Please keep me" in answer.text
    assert "One per line" in answer.text or "Write one artifact per line" in answer.text
