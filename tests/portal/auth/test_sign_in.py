"""Signing in with a link, staying signed in, and signing out."""

from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenants import bootstrap
from portal.app import create_app
from portal.auth.cookies import cookie_name
from portal.problems import safe_next

PAGE = {"Accept": "text/html"}


@pytest.fixture
def here(served: Settings) -> Iterator[httpx.Client]:
    """Return a browser on the machine that runs the portal."""
    with httpx.Client(base_url=served.base_url, headers=PAGE, timeout=60) as client:
        yield client


def link_path(database: Database) -> str:
    return bootstrap.sign_in_link(database, "", "acme")


def test_a_link_signs_in_at_once_on_this_machine(here: httpx.Client, database: Database, served: Settings) -> None:
    answer = here.get(link_path(database) + "?next=/environments")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/environments"
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(cookie_name(served)))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert here.get("/api/v1/tokens/self").json()["tenant"] == "acme"


def test_a_link_works_once(here: httpx.Client, database: Database, served: Settings) -> None:
    path = link_path(database)
    assert here.get(path).status_code == 303
    again = here.get(path)
    assert again.status_code == 410
    assert "slipway sign-in-link" in again.text
    assert cookie_name(served) not in again.headers.get("set-cookie", "")


def test_a_prefetch_does_not_use_the_link_up(here: httpx.Client, database: Database) -> None:
    path = link_path(database)
    looked = here.get(path, headers={"Sec-Purpose": "prefetch"})
    assert looked.status_code == 200
    assert "set-cookie" not in looked.headers
    assert here.get(path).status_code == 303


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_page_of_somebody_else_does_not_sign_a_browser_in(here: httpx.Client, database: Database, site: str) -> None:
    path = link_path(database)
    answer = here.get(path, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert here.get(path, headers={"Sec-Fetch-Site": "none"}).status_code == 303


def test_from_elsewhere_a_link_asks_first(anyone: TestClient[Litestar], database: Database) -> None:
    path = link_path(database)
    looked = anyone.get(path, headers=PAGE)
    assert looked.status_code == 200
    assert "set-cookie" not in looked.headers
    assert f'action="{path}?next=%2F"' in looked.text
    done = anyone.post(path, headers={**PAGE, "Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert done.status_code == 303


def test_another_site_cannot_sign_a_browser_in(anyone: TestClient[Litestar], database: Database) -> None:
    path = link_path(database)
    refused = anyone.post(path, headers={**PAGE, "Sec-Fetch-Site": "cross-site"}, follow_redirects=False)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


def test_an_old_link_does_not_work(here: httpx.Client, database: Database, served: Settings) -> None:
    path = link_path(database)
    tenant = bootstrap.ensure_tenant(database, "acme")
    with Database(served).tenant_session(tenant.id) as session:
        session.connection().execute(text("UPDATE sign_in_links SET expires_at = now() - interval '1 second'"))
    assert here.get(path).status_code == 410


def test_signing_out_ends_the_session_everywhere(here: httpx.Client, database: Database) -> None:
    here.get(link_path(database))
    stolen = dict(here.cookies)
    answer = here.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    assert here.get("/api/v1/tokens/self").status_code == 401
    assert httpx.get(f"{here.base_url}/api/v1/tokens/self", cookies=stolen, timeout=60).status_code == 401


def test_over_tls_the_cookie_is_bound_to_the_host(settings: Settings, database: Database) -> None:
    secure = settings.model_copy(update={"base_url": "https://slipway.example.com"})
    path = link_path(database)
    with TestClient(create_app(secure), base_url="https://slipway.example.com") as client:
        answer = client.post(path, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    cookie = next(each for each in answer.headers.get_list("set-cookie") if "session" in each)
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_page_that_needs_someone_leads_to_sign_in_and_back(anyone: TestClient[Litestar]) -> None:
    answer = anyone.get("/api/v1/tokens", headers=PAGE, follow_redirects=False)
    assert answer.status_code == 401, "the API never redirects"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/environments?state=ready", "/environments?state=ready"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_no_redirect_leads_elsewhere(target: str | None, expected: str) -> None:
    assert safe_next(target) == expected


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/%5Cevil.example", "/%09/evil.example"])
def test_a_link_with_a_foreign_next_leads_home(here: httpx.Client, database: Database, target: str) -> None:
    assert here.get(link_path(database) + f"?next={target}").headers["location"] == "/"
