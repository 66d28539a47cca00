"""Ten thousand versions of one asset: every list is a page of them, and the asset's page opens as fast as any."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.assets.models import AssetVersion
from catalog.db import Database
from catalog.tenancy import Principal

Client = TestClient[Litestar]
MANY = 10_000
VERSIONS = "/api/v1/assets/acme/preview/versions"


@pytest.fixture
def crowded(api: Client, archive: bytes, database: Database, acme: Principal) -> Client:
    """Publish a version through the door, and let the database repeat it as 1.1.0 to 1.10000.0."""
    published = api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    given = {"id": "gen_random_uuid()", "version": "'1.' || n || '.0'", "semver": "'1.' || n || '.0'"}
    given |= {"major": "1", "minor": "n", "patch": "0", "blob_digest": "md5(n::text) || md5('x' || n::text)"}
    columns = [each.name for each in AssetVersion.__table__.columns if each.computed is None]  # type: ignore[attr-defined]
    chosen = ", ".join(given.get(name, f"v.{name}") for name in columns)
    statement = f"INSERT INTO asset_versions ({', '.join(columns)}) SELECT {chosen} "  # names of columns
    statement += "FROM asset_versions AS v, generate_series(1, :count) AS n"
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().execute(text(statement), {"count": MANY})
        session.connection().execute(text("UPDATE assets SET latest_version = :v"), {"v": f"1.{MANY}.0"})
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().execute(text("ANALYZE asset_versions"))
    return api


def test_every_version_is_reached_page_by_page(crowded: Client, browser: Client) -> None:
    first = crowded.get(VERSIONS).json()
    assert [each["version"] for each in first["items"][:2]] == ["1.10000.0", "1.9999.0"]
    assert len(first["items"]) == 100
    following = crowded.get(VERSIONS, params={"cursor": first["next_cursor"], "limit": 200})
    assert following.json()["items"][0]["version"] == "1.9900.0"
    assert 'rel="next"' in following.headers["link"]
    seen, cursor = 0, None
    while True:
        page = crowded.get(VERSIONS, params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        seen += len(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (seen, page["items"][-1]["version"]) == (MANY + 1, "0.1.0")
    for bad in ("nonsense", "WyJ4Il0", ""):
        assert crowded.get(VERSIONS, params={"cursor": bad}).status_code == 422

    shown = browser.get("/assets/acme/preview").text
    assert f"All {MANY + 1} versions" in shown
    assert shown.count('<span class="mono">1.') < 30
    listed = browser.get("/assets/acme/preview?tab=versions&first=9950").text
    assert "1.50.0" in listed
    assert "1.51.0" not in listed
    assert "All 10001 versions" in listed
    compared = browser.get("/assets/acme/preview/compare?from=1.3.0&to=1.4.0").text
    assert '<option value="1.4.0" selected' in compared.replace("selected=", "selected ")
    tags = crowded.get("/v2/acme/preview/tags/list?n=3").json()["tags"]
    assert tags == ["0.1.0", "1.1.0", "1.10.0"]


def test_no_page_grows_with_the_versions(crowded: Client, browser: Client) -> None:
    for client, path in (
        (crowded, VERSIONS),
        (browser, "/assets/acme/preview"),
        (browser, "/assets/acme/preview?tab=versions"),
    ):
        assert client.get(path).status_code == 200
        assert len(client.get(path).content) < 200_000, path
    assert len(crowded.get("/v2/acme/preview/tags/list").json()["tags"]) == MANY + 2
