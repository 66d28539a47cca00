"""Resolving over HTTP: a lock with reasons, a refusal with causes, and constraints in any spelling."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton

Client = TestClient[Litestar]
API = "/api/v1"


def publish(client: Client, name: str, version: str, needs: str = "") -> None:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", name).items()}
    manifest = files["asset.yaml"].content.decode().replace("version: 0.1.0", f"version: {version}")
    if needs:
        manifest += f"\ndependencies:\n  - {{{needs}}}\n"
    files["asset.yaml"] = PackageFile(manifest.encode())
    archive = build_archive(files).data
    answer = client.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert answer.status_code == 201, answer.text


@pytest.fixture
def shop(api: Client) -> Client:
    """Publish acme/shop, whose newest version needs acme/net below 2."""
    publish(api, "net", "1.0.0")
    publish(api, "net", "2.0.0")
    publish(api, "shop", "1.0.0", 'asset: acme/net, kind: deployment-blueprint, version: "<2", alias: net')
    return api


def resolve(client: Client, *requirements: str, **more: Any) -> Any:
    return client.post(f"{API}/assets/resolve", json={"requirements": [*requirements], **more})


def test_requirements_become_a_lock(shop: Client) -> None:
    answer = resolve(shop, "acme/shop ^1.0")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["requirements"] == [{"given": "acme/shop ^1.0", "asset": "acme/shop", "constraint": ">=1.0,<2"}]
    assert [(each["asset"], each["version"], each["kind"]) for each in found["lock"]] == [
        ("acme/net", "1.0.0", "deployment-blueprint"),
        ("acme/shop", "1.0.0", "deployment-blueprint"),
    ]
    (why,) = found["lock"][0]["why"]
    assert (why["by"], why["version"], why["constraint"], why["alias"]) == ("acme/shop", "1.0.0", "<2", "net")
    assert found["lock"][0]["digest"].startswith("sha256:")
    again = resolve(shop, "acme/shop", lock=found["lock"])
    assert again.json()["lock"][0]["version"] == "1.0.0"


def test_a_refusal_explains_itself(shop: Client) -> None:
    answer = resolve(shop, "acme/shop", "acme/net>=2")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:slipway:problem:unresolvable"
    assert "acme/shop 1.0.0 needs acme/net <2" in problem["detail"]
    assert "you ask for acme/net >=2" in problem["detail"]
    assert {each["pointer"] for each in problem["errors"]} == {"/requirements/0", "/requirements/1"}
    assert {(each["by"], each["asset"]) for each in problem["causes"]} == {
        ("acme/shop", "acme/net"),
        (None, "acme/net"),
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"requirements": []}, "/requirements"),
        ({"requirements": ["nonsense"]}, "/requirements/0"),
        ({"requirements": ["acme/net", "acme/shop ^1 || ^2"]}, "/requirements/1"),
        ({"requirements": ["acme/net"], "lock": [{"asset": "acme/net", "version": "1"}]}, "/lock/0/version"),
        ({"requirements": ["acme/net"], "unknown": 1}, "/unknown"),
    ],
)
def test_bad_input_names_its_field(shop: Client, body: dict[str, Any], pointer: str) -> None:
    answer = shop.post(f"{API}/assets/resolve", json=body)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_a_constraint_is_translated(api: Client) -> None:
    answer = api.get(f"{API}/assets/constraint", params={"text": "~> 1.2"})
    assert answer.json() == {"text": "~> 1.2", "canonical": "~=1.2", "spelling": "terraform"}
    refused = api.get(f"{API}/assets/constraint", params={"text": "^1 || ^2"})
    assert refused.status_code == 422
    assert "one range" in refused.json()["detail"]


def test_a_manifest_says_what_to_write_for_another_spelling(api: Client) -> None:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
    more = b'\ndependencies:\n  - {asset: acme/net, kind: deployment-blueprint, version: "^1.2"}\n'
    files["asset.yaml"] = PackageFile(files["asset.yaml"].content + more)
    archive = build_archive(files).data
    answer = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert answer.status_code == 422
    assert "Write >=1.2,<2, which means the same." in answer.text


def test_the_page_shows_the_resolved_tree_or_why_there_is_none(shop: Client, browser: Client) -> None:
    publish(shop, "app", "1.0.0", 'asset: acme/shop, kind: deployment-blueprint, version: "~=1.0"')
    page = browser.get("/assets/acme/app?tab=dependencies")
    assert page.status_code == 200
    assert "What it resolves to" in page.text
    assert "/assets/acme/net?version=1.0.0" in page.text
    assert "acme/shop 1.0.0 needs &lt;2" in page.text
    moved = shop.post(f"{API}/assets/acme/net/versions/1.0.0/revoke", json={"reason": "It leaks."})
    assert moved.status_code == 200
    refused = browser.get("/assets/acme/app?tab=dependencies")
    assert "Its dependencies cannot be resolved" in refused.text
    assert "1.0.0 is revoked (It leaks)" in refused.text
