"""Comparing versions over HTTP, on the page, and what the upload door answers."""

import json
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.tenancy import Principal

Client = TestClient[Litestar]
ASSETS = "/api/v1/assets"


def pack(version: str, **inputs: Any) -> bytes:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
    manifest = files["asset.yaml"].content.decode().replace("version: 0.1.0", f"version: {version}")
    files["asset.yaml"] = PackageFile(manifest.encode())
    schema = json.loads(files["inputs.schema.json"].content)
    schema["properties"].update(inputs)
    files["inputs.schema.json"] = PackageFile(json.dumps(schema).encode())
    return build_archive(files).data


def publish(client: Client, data: bytes) -> httpx.Response:
    return client.post(ASSETS, files={"archive": ("a.tar.gz", data, "application/gzip")})


@pytest.fixture
def two(api: Client) -> Client:
    """Publish 1.0.0, and 1.1.0 with one input more."""
    for version, inputs in (("1.0.0", {}), ("1.1.0", {"size": {"type": "integer", "default": 1}})):
        answer = publish(api, pack(version, **inputs))
        assert answer.status_code == 201, answer.text
    return api


def test_two_versions_are_compared(two: Client) -> None:
    found = two.get(f"{ASSETS}/acme/preview/versions/1.0.0/diff/1.1.0").json()
    assert (found["before"], found["after"]) == ("1.0.0", "1.1.0")
    assert found["bump"] == {"needed": "minor", "made": "minor", "honest": "1.1.0", "refused": False}
    assert [(each["pointer"], each["what"], each["bump"]) for each in found["inputs"]] == [("/size", "added", "minor")]
    assert found["outputs"] == []
    assert {each["path"]: each["change"] for each in found["files"]}["inputs.schema.json"] == "changed"
    assert found["manifest"] == []


def test_the_other_way_round_it_breaks(two: Client) -> None:
    found = two.get(f"{ASSETS}/acme/preview/versions/1.1.0/diff/1.0.0").json()
    assert found["bump"]["needed"] == "major"
    assert found["inputs"][0]["message"] == "It was removed, so whoever sets it is refused."


def test_a_version_that_is_missing_or_another_tenants_is_not_found(
    two: Client, client_of: Any, rival: Principal
) -> None:
    path = f"{ASSETS}/acme/preview/versions/1.0.0/diff"
    assert two.get(f"{path}/9.0.0").status_code == 404
    hidden = client_of(rival).get(f"{path}/1.1.0")
    assert hidden.status_code == 404
    assert "no asset acme/preview" in hidden.json()["detail"]


def test_a_version_that_breaks_its_promise_is_refused_at_the_door(two: Client, browser: Client) -> None:
    broken = pack("1.2.0")
    answer = publish(two, broken)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:slipway:problem:incompatible_version"
    assert [each["pointer"] for each in problem["errors"]] == ["/inputs/size"]
    assert problem["findings"][0]["fix"] == "Publish as 2.0.0, or take it back."
    page = browser.post(
        "/uploads", files={"archive": ("a.tar.gz", broken, "application/gzip")}, data={"visibility": ""}
    )
    assert page.status_code == 422
    assert "Publish as 2.0.0" in page.text


@pytest.mark.usefixtures("two")
def test_the_page_compares_with_the_version_before(browser: Client) -> None:
    page = browser.get("/assets/acme/preview/compare")
    assert page.status_code == 200
    assert "Compatible" in page.text
    assert "/size" in page.text
    back = browser.get("/assets/acme/preview/compare?from=1.1.0&to=1.0.0")
    assert "It was removed" in back.text
    assert browser.get("/assets/acme/preview/compare?to=1.0.0").status_code == 404
    assert browser.get("/assets/acme/preview/compare?from=nonsense").status_code == 404
    published = browser.post(
        "/uploads",
        files={"archive": ("a.tar.gz", pack("1.1.1", size={"type": "integer", "default": 1}), "application/gzip")},
        data={"visibility": ""},
    )
    assert "What changed since 1.1.0" in published.text
