"""What readers of another tenant get of a version that they may see: nothing that names what they may not."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import Visibility
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
SHOP = "/api/v1/assets/rival/shop/versions/0.1.0"


def pack(name: str) -> bytes:
    files = skeleton("deployment-blueprint", "rival", name)
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


def send(client: Client, name: str, **form: str) -> None:
    sent = client.post("/api/v1/assets", files={"archive": ("a.tar.gz", pack(name), "application/gzip")}, data=form)
    assert sent.status_code == 201, sent.text


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a key, by which exports are signed."""
    return settings.model_copy(update={"master_key": SecretStr("a key for tests")})


@pytest.fixture
def owner(client_of: NewClient, rival: Principal) -> Client:
    """A program of the tenant that publishes; readers are acme's."""
    return client_of(rival)


def test_the_comments_of_a_review_stay_with_the_publisher(owner: Client, browser: Client) -> None:
    send(owner, "shop", draft="true", visibility="public")
    for verb in ("submit", "withdraw", "publish"):
        moved = owner.post(f"{SHOP}/{verb}", json={"comment": f"Zeppelin wants it: {verb}."})
        assert moved.status_code == 200, moved.text
    owner.post(f"{SHOP}/yank", json={"reason": "It leaks."})
    page = browser.get("/assets/rival/shop?tab=versions")
    assert page.status_code == 200
    assert "It leaks." in page.text
    assert "Zeppelin" not in page.text
    assert "In review" not in page.text


def test_what_the_checks_noted_and_who_published_are_the_owners_alone(
    owner: Client, api: Client, browser: Client
) -> None:
    send(owner, "shop-front")
    send(owner, "shopfront", visibility="public")
    path = "/api/v1/assets/rival/shopfront/versions/0.1.0"
    own, others = owner.get(path).json(), api.get(path).json()
    assert "rival/shop-front" in own["warnings"][0]["message"]
    assert own["published_by"] == "test", "the name of the token"
    assert others["warnings"] == []
    assert others["published_by"] == "an access token"
    page = browser.get("/assets/rival/shopfront?tab=security").text
    assert "an access token" in page
    assert "shop-front" not in page


@pytest.mark.parametrize(
    ("origin", "told", "by"),
    [
        ({"repository": "/home/ada/secret/shop", "commit": "a" * 40}, "shop", "its publisher"),
        ({"repository": "file:///home/ada/secret/shop"}, "shop", "its publisher"),
        ({"repository": "https://ada:hush@git.example.com/a/shop.git"}, "https://git.example.com/a/shop.git", ""),
        ({"repository": "https://git.example.com/a/shop.git"}, "https://git.example.com/a/shop.git", ""),
        ({"repository": "acme/shop", "issuer": "https://issuer.example.com"}, "acme/shop", "a CI job"),
    ],
)
def test_a_repository_is_told_without_its_folder_and_without_who_signs_in(  # noqa: PLR0917  # fixtures
    origin: dict[str, str],
    told: str,
    by: str,
    database: Database,
    settings: Settings,
    owner: Client,
    api: Client,
    rival: Principal,
) -> None:
    with database.tenant_session(rival.tenant_id) as session:
        uploads = UploadService(session, open_blobs(settings))
        uploads.receive(replace(rival, origin=origin), io.BytesIO(pack("shop")), Visibility.PUBLIC)
    assert owner.get(SHOP).json()["published_from"] == origin
    others = api.get(SHOP).json()
    assert others["published_from"] == {**origin, "repository": told}
    assert by in others["published_by"]


def test_a_file_is_shown_as_text_to_those_who_may_see_the_version(owner: Client, browser: Client) -> None:
    hostile = b"# Shop\n\n<script>alert(1)</script>\n"
    for version, more in (("0.1.0", b""), ("0.1.1", b"<img src=x onerror=alert(1)>\n")):
        files = {
            **skeleton("deployment-blueprint", "rival", "shop"),
            "README.md": hostile + more,
            "docs/x.bin": b"\0",
        }
        files["asset.yaml"] = files["asset.yaml"].replace(b"version: 0.1.0", f"version: {version}".encode())
        data = build_archive({path: PackageFile(content) for path, content in files.items()}).data
        form = {"archive": ("a.tar.gz", data, "application/gzip")}
        assert owner.post("/api/v1/assets", files=form, data={"visibility": "public"}).status_code == 201
    page = "/assets/rival/shop/file?path=README.md&version=0.1.1"
    assert page.replace("?path=README.md&version=0.1.1", "") in browser.get("/assets/rival/shop?tab=files").text
    whole = browser.get(page)
    assert (whole.status_code, whole.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in whole.text
    assert "<script>alert" not in whole.text
    assert "path=README.md" in browser.get("/assets/rival/shop/compare?from=0.1.0&to=0.1.1").text
    changed = browser.get(f"{page}&from=0.1.0").text
    assert '<span class="diff-add">+ &lt;img src=x onerror=alert(1)&gt;</span>' in changed
    assert "<img src=x" not in changed
    assert "It is not text." in browser.get(page.replace("README.md", "docs/x.bin")).text
    for wrong in (page.replace("README.md", "../secret"), page.replace("0.1.1", "9.9.9")):
        assert browser.get(wrong).status_code == 404
    owner.put("/api/v1/assets/rival/shop/sharing", json={"visibility": "private"})
    assert browser.get(page).status_code == 404


def test_a_replacement_that_is_shared_no_more_is_named_to_nobody_else(
    owner: Client, api: Client, browser: Client
) -> None:
    for name in ("shop", "store"):
        send(owner, name, visibility="public")
    said = {"reason": "Old.", "replacement": "rival/store>=0.1"}
    assert owner.post(f"{SHOP}/deprecate", json=said).status_code == 200
    reads = {
        SHOP: api,
        "/api/v1/assets/rival/shop/versions": api,
        "/api/v1/assets/rival/shop/log": api,
        "/assets/rival/shop": browser,
        "/assets/rival/shop?tab=versions": browser,
        "/t/acme/feeds/assets/rival/shop": api,
        "/t/acme/feeds/changes": api,
        "/t/acme/bundles/rival/shop": api,
        "/v2/rival/shop/manifests/0.1.0": api,
    }

    def naming() -> set[str]:
        answers = {path: reader.get(path) for path, reader in reads.items()}
        for path in ("/api/v1/assets/resolve", "/api/v1/transfers/export"):
            answers[path] = api.post(path, json={"requirements": ["rival/shop"]})
            assert answers[path].status_code == 200, answers[path].text
        return {path for path, answer in answers.items() if b"rival/store" in answer.content}

    assert api.get(SHOP).json()["replacement"] == said["replacement"]
    assert naming() == {
        *(SHOP, "/api/v1/assets/rival/shop/versions", "/assets/rival/shop", "/assets/rival/shop?tab=versions"),
        *("/api/v1/assets/resolve", "/api/v1/transfers/export"),
    }
    for shared in ({"visibility": "shared", "tenants": ["third"]}, {"visibility": "private"}):
        assert owner.put("/api/v1/assets/rival/store/sharing", json=shared).status_code == 200
        assert naming() == set()
        found = api.get(SHOP).json()
        assert (found["state_reason"], found["replacement"]) == ("Old.", None)
        assert "Old." in browser.get("/assets/rival/shop").text
        assert owner.get(SHOP).json()["replacement"] == said["replacement"]
    owner.put("/api/v1/assets/rival/store/sharing", json={"visibility": "shared", "tenants": ["acme"]})
    assert api.get(SHOP).json()["replacement"] == said["replacement"]
