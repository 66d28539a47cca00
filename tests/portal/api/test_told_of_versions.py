"""Whoever runs a version is named before its state changes, and told after it: by the API, in feeds and on pages."""

from collections.abc import Callable, Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.settings import Settings
from catalog.tenancy import Principal
from workers import asset_life, installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
VERSION = "/api/v1/assets/acme/rules/versions/1.0.0"
ALLOW = "deny contains v if { false; v := {} }"
FEED = "/t/acme/feeds/changes?installed=yes"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings under which nobody waits for a plan: the worker has its turn in between."""
    return settings.model_copy(update={"upload_wait_seconds": 0.0})


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """Return what lets workers do everything that is due."""
    app = App(settings, registry([installation.WORKER, asset_life.WORKER]))
    yield lambda: drain(app)
    app.close()


def test_whoever_runs_a_version_is_named_before_and_told_after(
    api: Client,
    browser: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    rival: Principal,
) -> None:
    theirs = client_of(rival)
    publish_policy(rival, "rules", ALLOW)
    theirs.put("/api/v1/assets/acme/rules/sharing", json={"visibility": "public"})
    installs = {}
    for who, client in (("acme", api), ("rival", theirs)):
        made = client.post("/api/v1/installs", json={"asset": "acme/rules", "target": {"level": "advisory"}})
        assert made.status_code == 202, made.text
        installs[who] = made.json()["install"]["id"]
    work()

    # Before: the publisher's own by name, and of others no single one.
    before = theirs.get("/api/v1/assets/acme/rules/used-by").json()
    assert [each["subject"] for each in before["uses"]] == [f"installs/{installs['rival']}"]
    assert before["other_tenants"] == 0
    own = api.get("/api/v1/assets/acme/rules/used-by").json()
    assert [each["subject"] for each in own["uses"]] == [f"installs/{installs['acme']}"]

    steps = {"deprecate": "deprecated", "quarantine": "quarantined", "restore": "deprecated", "revoke": "revoked"}
    for number, (verb, state) in enumerate(steps.items(), 1):
        reason = f"It was time to {verb}."
        moved = theirs.post(f"{VERSION}/{verb}", json={"reason": reason})
        assert moved.status_code == 200, moved.text
        assert moved.json()["affected"]["uses"] == before["uses"]
        while work():
            pass
        told = api.get("/api/v1/events?type=dev.slipway.asset_use.affected.v1").json()["items"]
        assert len(told) == number, "once for each step"
        newest = told[-1]["data"]
        assert (newest["state"], newest["uses"]) == (state, [f"installs/{installs['acme']}"])
        feed = api.get(FEED).text
        assert reason in feed
        standing = api.get(f"/api/v1/installs/{installs['acme']}").json()["standing"]
        assert standing["state"] == state
        assert (f"Version 1.0.0 is {state}" in browser.get(f"/installs/{installs['acme']}").text) is True
    listed = api.get("/api/v1/installs?vulnerable=true").json()["items"]
    assert [each["id"] for each in listed] == [installs["acme"]]
    assert installs["rival"] not in api.get("/api/v1/events").text
    assert "rival" not in api.get(FEED).text
