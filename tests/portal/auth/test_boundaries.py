"""Who may call what: scopes, forged requests, host names, and the headers that every answer carries."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, AREAS, LEVELS, Principal
from portal.app import create_app
from portal.auth.guards import lets_anyone_signed_in, scope_of
from portal.edge import host_name

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
NEW_TOKEN = {"name": "x", "scopes": ["assets:read"]}
ORIGIN = "http://127.0.0.1:8000"


PUBLIC = {"/health/live", "/health/ready", "/metrics", "/api/docs", "/api/openapi.json", "/api", "/api/{path:str}"}
PUBLIC |= {"/api/v1/publishers/audience", "/api/v1/publishers/token"}  # who shows an identity has no token yet
PUBLIC |= {"/hooks/github", "/hooks/azure-devops"}  # who sends hooks has their secret, and no token


def test_every_route_for_programs_says_what_it_asks_for(portal: Litestar) -> None:
    open_routes = []
    for route in portal.routes:
        for handler in getattr(route, "route_handlers", []):
            if handler.resolve_include_in_schema() is False or route.path in PUBLIC:
                continue
            guards = handler.resolve_guards()
            if not any(scope_of(each) or lets_anyone_signed_in(each) for each in guards):
                open_routes.append(route.path)
    assert open_routes == []
    assert len([route for route in portal.routes if route.path.startswith("/api/v1")]) > 20


SCOPED = [
    ("GET", "/assets", "assets:read"),
    ("GET", "/schemas/asset", "assets:read"),
    ("POST", "/assets", "assets:write"),
    ("POST", "/environments/ephemeral", "environments:write"),
    ("GET", "/environments", "environments:read"),
    ("GET", "/operations", "operations:read"),
    ("GET", "/tokens", "tenants:read"),
    ("POST", "/tokens", "tenants:admin"),
    ("GET", "/events", "events:read"),
    ("GET", "/dead-letters", "events:read"),
    ("POST", "/dead-letters/1/replay", "events:write"),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
def test_a_scope_opens_its_routes_and_no_others(
    client_of: NewClient, acme: Principal, method: str, path: str, scope: str
) -> None:
    area, _, level = scope.partition(":")
    stronger = {f"{area}:{each}" for each in LEVELS[LEVELS.index(level) :]}
    all_but = client_of(acme, sorted(ALL_SCOPES - stronger)).request(method, f"/api/v1{path}")
    assert all_but.status_code == 403
    assert scope in all_but.json()["detail"]
    for each in sorted(stronger):
        assert client_of(acme, [each]).request(method, f"/api/v1{path}").status_code not in {401, 403}
    assert area in AREAS


def test_a_token_cannot_make_a_stronger_one(client_of: NewClient, acme: Principal) -> None:
    client = client_of(acme, ["tenants:admin"])
    answer = client.post("/api/v1/tokens", json=NEW_TOKEN)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/scopes/0"


def test_a_revoked_token_stops_at_once(api: Client) -> None:
    made = api.post("/api/v1/tokens", json=NEW_TOKEN).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert api.get("/api/v1/assets", headers=headers).status_code == 200
    assert api.delete(f"/api/v1/tokens/{made['id']}").status_code == 200
    assert api.get("/api/v1/assets", headers=headers).status_code == 401


def test_a_bad_token_is_not_saved_by_a_good_cookie(browser: Client) -> None:
    assert browser.get("/api/v1/tokens/self").status_code == 200
    assert browser.get("/api/v1/tokens/self", headers={"Authorization": "Bearer slw_no"}).status_code == 401


FORGED: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": ORIGIN},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Origin": "http://pr-42-hello.preview.localhost:8080"},
    {"Origin": "http://pr-42-hello.preview.localhost:8000"},
    {"Origin": "http://127.0.0.1:34567"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "https://127.0.0.1:8000"},
    {"Origin": "http://127.0.0.1:8000.evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {},
]


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_browser_is_not_made_to_act_by_its_neighbours(browser: Client, method: str, headers: dict[str, str]) -> None:
    del browser.headers["Sec-Fetch-Site"]
    path = "/api/v1/tokens" if method == "POST" else "/api/v1/tokens/0d7c4b7e-9a43-4d56-9d0f-0f6c3d3e8a11"
    body: dict[str, Any] = {"json": NEW_TOKEN} if method == "POST" else {}
    answer = browser.request(method, path, headers=headers, **body)
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": ORIGIN}],
)
def test_its_own_pages_may_act(browser: Client, headers: dict[str, str]) -> None:
    del browser.headers["Sec-Fetch-Site"]
    assert browser.post("/api/v1/tokens", json=NEW_TOKEN, headers=headers).status_code == 201


def test_a_program_with_a_token_is_no_browser(api: Client) -> None:
    assert api.post("/api/v1/tokens", json=NEW_TOKEN).status_code == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_not_sign_somebody_out(browser: Client, site: str) -> None:
    assert browser.post("/sign-out", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get("/api/v1/tokens/self").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "10.0.0.1",
        "",
    ],
)
def test_a_rebound_name_gets_nothing(api: Client, host: str) -> None:
    answer = api.get("/api/v1/tokens", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_name_of_a_preview_leads_to_that_preview_alone(api: Client) -> None:
    answer = api.get("/api/v1/tokens", headers={"Host": "pr-1.preview.localhost:8000"})
    assert answer.status_code == 404
    assert "items" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_its_own_names_are_served(api: Client, host: str) -> None:
    assert api.get("/api/v1/tokens", headers={"Host": host}).status_code == 200


def test_further_names_are_served_where_the_settings_say_so(settings: Settings) -> None:
    named = settings.model_copy(update={"allowed_hosts": "slipway.internal, ship.example.com:8443"})
    with TestClient(create_app(named), base_url="http://127.0.0.1:8000") as client:
        for host, status in (("slipway.internal", 200), ("ship.example.com", 200), ("other.example.com", 421)):
            assert client.get("/sign-in", headers={"Host": host}).status_code == status


def test_host_names_are_read_as_browsers_send_them() -> None:
    assert host_name("Example.com:80") == "example.com"
    assert host_name("[::1]:8000") == "::1"
    assert host_name("::1") == "::1"


@pytest.mark.parametrize(
    "path", ["/sign-in", "/nowhere", "/api/v1/tokens", "/health/live", "/api/openapi.json", "/metrics"]
)
def test_every_answer_is_guarded(anyone: Client, path: str) -> None:
    headers = anyone.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["permissions-policy"]
    assert "server" not in headers
    assert "public" not in headers["cache-control"]


def test_front_end_files_are_kept_for_ever_by_their_content(anyone: Client, portal: Litestar) -> None:
    del portal
    address = anyone.get("/sign-in").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = anyone.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in anyone.get("/static/manifest.json").headers["cache-control"]
    assert anyone.get("/static/../app.py").status_code == 404
    assert anyone.get("/static/%2e%2e/app.py").status_code == 404
