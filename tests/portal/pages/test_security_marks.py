"""What a signed statement says of a version's vulnerabilities is seen where the version is offered, and by whom."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.attestations.sboms import queries
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.catalog.attestations.conftest import Outsider

Client = TestClient[Litestar]
VEX = "https://openvex.dev/ns/v0.2.0"
SHOP = "/api/v1/assets/rival/shop"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a key for tests")})


def publish(client: Client, name: str, version: str) -> str:
    """Publish a version for everybody; return the digest of its archive."""
    files = skeleton("deployment-blueprint", "rival", name)
    files = {**files, "asset.yaml": files["asset.yaml"].replace(b"version: 0.1.0", f"version: {version}".encode())}
    data = build_archive({path: PackageFile(each) for path, each in files.items()}).data
    form = {"archive": ("a.tar.gz", io.BytesIO(data), "application/gzip")}
    sent = client.post("/api/v1/assets", files=form, data={"visibility": "public"})
    assert sent.status_code == 201, sent.text
    found: str = client.get(f"/api/v1/assets/rival/{name}/versions/{version}").json()["blob_digest"]
    return found


def says(client: Client, outsider: Outsider, digest: str, status: str, *names: str, day: int = 1) -> None:
    """Send what a signer says of vulnerabilities of an archive."""
    statements = [{"vulnerability": {"name": each}, "status": status, "products": [{"@id": "x:y"}]} for each in names]
    head = {"@context": VEX, "@id": "https://example.com/vex/1", "author": "Ann", "version": 1}
    predicate = {**head, "timestamp": f"2026-11-{day:02}T10:00:00Z", "statements": statements}
    bundle = outsider.bundle(digest, predicateType=VEX, predicate=predicate)
    sent = client.post("/api/v1/attestations", content=bundle, headers={"Content-Type": "application/json"})
    assert sent.status_code == 201, sent.text


def signer(client: Client) -> Outsider:
    """Return somebody whose key a tenant has imported."""
    outsider = Outsider(ec.generate_private_key(ec.SECP256R1()))
    body: dict[str, Any] = {"name": "outsider", "public_key": outsider.public}
    made = client.post("/api/v1/attestations/keys/import", json=body)
    assert made.status_code == 201, made.text
    return outsider


def test_a_vulnerable_version_is_marked_wherever_it_stands_for_its_asset(
    browser: Client, api: Client, client_of: Callable[..., Client], rival: Principal
) -> None:
    theirs = client_of(rival)
    old, new = publish(theirs, "shop", "1.0.0"), publish(theirs, "shop", "2.0.0")
    publish(theirs, "store", "1.0.0")
    lists = ("/assets", "/assets/rival")
    assert not any("Affected by" in browser.get(each).text for each in lists)

    publisher = signer(theirs)
    says(theirs, publisher, new, "affected", "CVE-2026-1")
    for each in lists:
        page = browser.get(each).text
        assert page.count("Affected by CVE-2026-1") == 1, each
        assert page.index("rival/shop") < page.index("Affected by CVE-2026-1"), each
    assert "Version 2.0.0 is affected by CVE-2026-1" in browser.get("/assets/rival/shop").text
    assert "is affected by" not in browser.get("/assets/rival/shop?version=1.0.0").text

    # The mark is of the version that is shown: another one, where the tenant's own catalog keeps to it.
    says(theirs, publisher, old, "affected", "CVE-2026-2", "CVE-2026-3")
    api.put("/api/v1/catalog/rival/shop", json={"allowed": "<2"})
    for each in lists:
        page = browser.get(each).text
        assert "Affected by 2 vulnerabilities" in page, each
        assert 'title="CVE-2026-2, CVE-2026-3"' in page, each
        assert "CVE-2026-1" not in page, each
    theirs.post(f"{SHOP}/versions/1.0.0/deprecate", json={"reason": "Old."})
    assert "Deprecated" in browser.get("/assets?q=shop").text
    assert api.get("/api/v1/assets?q=shop").json()["items"][0]["latest_state"] == "deprecated"

    api.delete("/api/v1/catalog/rival/shop")
    says(theirs, publisher, new, "fixed", "CVE-2026-1", day=2)
    assert not any("Affected by" in browser.get(each).text for each in lists)
    assert "is affected by" not in browser.get("/assets/rival/shop").text


def test_what_a_stranger_says_of_a_version_marks_it_for_nobody_else(
    browser: Client, api: Client, client_of: Callable[..., Client], rival: Principal
) -> None:
    theirs = client_of(rival)
    digest = publish(theirs, "shop", "1.0.0")
    says(api, signer(api), digest, "affected", "CVE-2026-9")
    assert "Affected by CVE-2026-9" in browser.get("/assets").text, "one hears oneself"
    elsewhere = theirs.get("/assets/rival/shop", headers={"Accept": "text/html"})
    assert elsewhere.status_code in {200, 303}
    assert "CVE-2026-9" not in elsewhere.text


def test_a_flood_of_statements_about_one_version_silences_no_other(
    browser: Client, client_of: Callable[..., Client], rival: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_HEARD", 2)
    theirs = client_of(rival)
    flooded, other = publish(theirs, "shop", "1.0.0"), publish(theirs, "store", "1.0.0")
    publisher = signer(theirs)
    for day in range(1, 5):
        says(theirs, publisher, flooded, "affected", f"CVE-2026-{day}", day=day)
    says(theirs, publisher, other, "affected", "CVE-2026-9", day=1)
    page = browser.get("/assets").text
    assert "Affected by CVE-2026-9" in page
    assert 'title="CVE-2026-3, CVE-2026-4"' in page, "the newest count"


def test_names_of_vulnerabilities_are_bounded_and_hide_nothing(
    browser: Client, client_of: Callable[..., Client], rival: Principal
) -> None:
    theirs = client_of(rival)
    digest = publish(theirs, "shop", "1.0.0")
    says(theirs, signer(theirs), digest, "affected", "A\u202eB", *(f"CVE-{each:03}" for each in range(30)))
    page = browser.get("/assets/rival/shop").text
    assert "CVE-018 and 11 more" in page
    assert "\u202e" not in page + browser.get("/assets").text
