"""Who is hit if a version is yanked: answered by API, page and command before it is, and to each tenant its own."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.models import AssetVersionRead
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.db import Database
from catalog.environments.models import Environment
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.policy_bundles import ALLOW
from workers import installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
SHA = "9fceb02d0ae598e95dc970b74767f19372d61af8"
REPOSITORY = "https://git.example.com/acme/web"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings under which nobody waits for a plan: the worker has its turn in between."""
    return settings.model_copy(update={"upload_wait_seconds": 0.0})


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """Return what lets a worker do everything that is due."""
    app = App(settings, registry([installation.WORKER]))
    yield lambda: drain(app)
    app.close()


def run_environment(database: Database, who: Principal, name: str) -> UUID:
    """Let an environment of a tenant run ``acme/rules``."""
    row = Environment(
        tenant_id=who.tenant_id,
        repository=REPOSITORY,
        pull_request=42,
        name=name,
        hostname=f"{name}.preview.localhost",
        blueprint="acme/rules",
        blueprint_version="1.0.0",
        head_sha=SHA,
        seen_sha=SHA,
        requested_by=who.actor,
        ttl_seconds=3600,
        expires_at=now() + timedelta(hours=1),
        hard_expires_at=now() + timedelta(days=1),
    )
    with database.tenant_session(who.tenant_id) as session:
        session.add(row)
        session.flush()
        service = AssetService(session)
        version = service.resolve(who.tenant_id, parse_reference("acme/rules"))
        service.use(who.tenant_id, f"environments/{row.id}", name, [version])
        return row.id


def install(client: Client, work: Callable[[], list[str]], service: str, owner: str) -> str:
    """Bind ``acme/rules`` for a service."""
    target = {"level": "advisory", "applies_to": {"kind": "service", "name": service}}
    body = {"asset": "acme/rules", "target": target, "owner": owner, "name": f"rules-{service}"}
    made = client.post("/api/v1/installs", json=body)
    assert made.status_code == 202, made.text
    work()
    found: str = made.json()["install"]["id"]
    return found


def test_who_is_hit_is_told_before_the_button_and_to_each_tenant_its_own(  # noqa: PLR0917  # each is a fixture
    api: Client,
    browser: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    database: Database,
    acme: Principal,
    rival: Principal,
) -> None:
    publish_policy(acme, "rules", ALLOW)
    assert api.put("/api/v1/assets/acme/rules/sharing", json={"visibility": "public"}).status_code == 200
    stranger = client_of(rival)
    service = {"service": "web", "version": "1.0.0", "commit": SHA, "repository": REPOSITORY, "owner": "team-web"}
    assert api.post("/api/v1/releases", json=service).status_code == 201
    shop = install(api, work, "shop", "team-shop")
    cart = install(api, work, "cart", "team-shop")
    web = run_environment(database, acme, "web-pr-42")
    install(stranger, work, "secret-service", "secret-team")
    run_environment(database, rival, "secret-pr-42")

    found = api.get("/api/v1/assets/acme/rules/used-by?version=1.0.0").json()
    assert (found["installs"], found["environments"], found["other_tenants"]) == (2, 1, 0)
    assert (found["owners"], found["services"]) == (["team-shop", "team-web"], ["cart", "shop", "web"])
    assert {each["subject"]: (each["label"], each["service"], each["owner"]) for each in found["uses"]} == {
        f"installs/{shop}": ("rules-shop", "shop", "team-shop"),
        f"installs/{cart}": ("rules-cart", "cart", "team-shop"),
        f"environments/{web}": ("web-pr-42", "web", "team-web"),
    }
    page = browser.get("/assets/acme/rules/versions/1.0.0/yank").text
    assert "2 installs and 1 environment in your tenant, for cart, shop, web; owned by team-shop, team-web." in page
    assert page.index(f'href="/installs/{shop}"') < page.index("Yank it")
    tab = browser.get("/assets/acme/rules?tab=used-by").text
    for each in (page, tab):
        assert "secret-" not in each
        assert f'href="/environments/{web}"' in each

    own = stranger.get("/api/v1/assets/acme/rules/used-by?version=1.0.0").json()
    assert (own["installs"], own["environments"], own["owners"]) == (1, 1, ["secret-team"])
    reader = client_of(acme, ["assets:read"]).get("/api/v1/assets/acme/rules/used-by").json()
    assert (reader["installs"], reader["owners"], reader["services"]) == (2, [], [])

    moved = api.post("/api/v1/assets/acme/rules/versions/1.0.0/yank", json={"reason": "It lets too much pass."})
    assert moved.status_code == 200, moved.text
    assert (
        AssetVersionRead.model_validate(moved.json()).affected
        == AssetVersionRead.model_validate({**moved.json(), "affected": found}).affected
    )
    hit = api.get("/api/v1/installs?vulnerable=true").json()["items"]
    assert {each["id"] for each in hit} == {shop, cart}


def test_filters_go_on_past_what_is_looked_at_at_once(
    api: Client,
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    acme: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catalog.installs.service.reading.LOOKED_AT_ONCE", 2)
    publish_policy(acme, "rules", ALLOW)
    made = [install(api, work, f"s{number}", "") for number in range(2)]
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    fresh = [install(api, work, f"n{number}", "") for number in range(3)]
    old = api.get("/api/v1/installs?outdated=true").json()["items"]
    assert [each["id"] for each in old] == list(reversed(made))
    new = api.get("/api/v1/installs?outdated=false").json()["items"]
    assert [each["id"] for each in new] == list(reversed(fresh))
    first = api.get("/api/v1/installs?outdated=true&limit=1").json()
    assert [each["id"] for each in first["items"]] == made[1:]
    rest = api.get(f"/api/v1/installs?outdated=true&limit=1&cursor={first['next_cursor']}").json()
    assert [each["id"] for each in rest["items"]] == made[:1]


def test_one_request_looks_at_so_many_and_the_next_goes_on(
    api: Client,
    browser: Client,
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    acme: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catalog.installs.service.reading.LOOKED_AT_ONCE", 1)
    monkeypatch.setattr("catalog.installs.service.reading.LOOKED_AT_MOST", 2)
    publish_policy(acme, "rules", ALLOW)
    old = install(api, work, "old", "")
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    fresh = [install(api, work, f"n{number}", "") for number in range(3)]
    address, pages = "/api/v1/installs?outdated=true", []
    while address:
        answer = api.get(address)
        pages.append([each["id"] for each in answer.json()["items"]])
        address = answer.links["next"]["url"] if "next" in answer.links else ""
    assert pages == [[], [old], []]
    shown = browser.get("/installs?show=outdated").text
    assert "Nothing so far" in shown
    (following,) = re.findall(r'href="(/installs\?show=outdated&amp;cursor=[^"]+)"', shown)
    assert f'href="/installs/{old}"' in browser.get(html.unescape(following)).text
    # What needs no such look is read in one go.
    assert len(api.get("/api/v1/installs?limit=4").json()["items"]) == len([old, *fresh])
