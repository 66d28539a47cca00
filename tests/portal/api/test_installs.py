"""Installs over HTTP: planned and applied by digest, refused as problems, and the same on pages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService
from workers import installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
ALLOW = "deny contains v if { false; v := {} }"
ASKED = {"asset": "acme/rules", "target": {"level": "advisory"}}
CANARY = Path(__file__).parents[3] / "blueprints" / "strategies" / "canary"
STRICT = {"max_error_rate": 0.01, "max_response_seconds": 0.1, "token": "not the real one"}


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


def test_plan_apply_and_read(
    api: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    acme: Principal,
    rival: Principal,
) -> None:
    publish_policy(acme, "rules", ALLOW)
    asked = api.post("/api/v1/installs/plan", json=ASKED)
    assert asked.status_code == 202, asked.text
    assert asked.headers["location"].startswith("/api/v1/operations/")
    work()
    plan = api.get(f"/api/v1/installs/plans/{asked.json()['id']}").json()
    assert plan["state"] == "ready"
    assert plan["document"]["changes"]["binding"]["bundle"] == "acme/rules==1.0.0"
    other = api.post("/api/v1/installs", json={"plan": plan["id"], "digest": "sha256:" + "0" * 64})
    assert (other.status_code, other.json()["type"]) == (409, "urn:slipway:problem:plan_moved")
    applied = api.post("/api/v1/installs", json={"plan": plan["id"], "digest": plan["digest"]})
    assert applied.status_code == 202, applied.text
    work()
    install = api.get(f"/api/v1/installs/{applied.json()['install']['id']}").json()
    assert (install["state"], install["applied_revision"]) == ("applied", 1)
    path = f"/api/v1/installs/{install['id']}"
    (revision,) = api.get(f"{path}/revisions").json()["items"]
    assert api.get(f"{path}/revisions/1/files").json()["content_digest"] == revision["content_digest"]
    uses = api.get("/api/v1/assets/acme/rules/used-by").json()["uses"]
    assert [each["subject"] for each in uses] == [f"installs/{install['id']}"]
    assert api.get("/api/v1/installs?outdated=true").json()["items"] == []
    assert api.post(f"{path}/upgrade", json={}).json()["type"] == "urn:slipway:problem:upgrade_refused"
    for hidden in (path, f"{path}/revisions", f"{path}/revisions/1/files", f"/api/v1/installs/plans/{plan['id']}"):
        assert client_of(rival).get(hidden).status_code == 404
    assert client_of(rival).get("/api/v1/installs").json()["items"] == []


def test_in_one_go(
    api: Client, publish_policy: Callable[..., str], work: Callable[[], list[str]], acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    made = api.post("/api/v1/installs", json=ASKED)
    assert made.status_code == 202, made.text
    work()
    operation = api.get(made.headers["location"]).json()
    assert operation["state"] == "succeeded", operation
    assert api.get(f"/api/v1/installs/{made.json()['install']['id']}").json()["state"] == "applied"
    again = api.post("/api/v1/installs", json=ASKED)
    assert (again.status_code, again.json()["type"]) == (409, "urn:slipway:problem:install_exists")
    wrong = api.post("/api/v1/installs/plan", json={**ASKED, "target": {"level": "loud"}})
    assert [each["pointer"] for each in wrong.json()["errors"]] == ["/target/level"]


def test_an_install_keeps_to_what_its_tenant_sees_and_may_choose(
    api: Client,
    browser: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    rival: Principal,
) -> None:
    theirs = client_of(rival)
    for name, version in (("rules", "1.0.0"), ("rules", "2.0.0"), ("newer", "1.0.0")):
        publish_policy(rival, name, ALLOW, version=version)
        shared = theirs.put(f"/api/v1/assets/acme/{name}/sharing", json={"visibility": "public"})
        assert shared.status_code == 200, shared.text
    api.put("/api/v1/catalog/acme/rules", json={"allowed": "<2"})
    made = api.post("/api/v1/installs", json=ASKED)
    assert made.status_code == 202, made.text
    work()
    path = f"/installs/{made.json()['install']['id']}"
    standing = api.get(f"/api/v1{path}").json()["standing"]
    assert (standing["version"], standing["newest"], standing["outdated"]) == ("1.0.0", "1.0.0", False)
    api.put("/api/v1/catalog/acme/rules", json={"allowed": ">=1"})
    standing = api.get(f"/api/v1{path}").json()["standing"]
    assert (standing["newest"], standing["outdated"]) == ("2.0.0", True)

    said = {"reason": "Old.", "replacement": "acme/newer"}
    assert theirs.post("/api/v1/assets/acme/rules/versions/1.0.0/deprecate", json=said).status_code == 200
    assert api.get(f"/api/v1{path}").json()["standing"]["replacement"] == "acme/newer"
    assert "Use acme/newer instead." in browser.get(path).text
    theirs.put("/api/v1/assets/acme/newer/sharing", json={"visibility": "private"})
    standing = api.get(f"/api/v1{path}").json()["standing"]
    assert (standing["state"], standing["reason"], standing["replacement"]) == ("deprecated", "Old.", None)
    assert "acme/newer" not in browser.get(path).text


def test_the_same_on_pages(
    browser: Client, publish_policy: Callable[..., str], work: Callable[[], list[str]], acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    assert "What a violation does" in browser.get("/installs/new?asset=acme/rules").text
    form = {"asset": "acme/rules", "version": "1.0.0", "level": "advisory", "scope": "tenant", "name": "", "owner": ""}
    sent = browser.post("/installs/plan", data={**form, "name": "Not a name"}, follow_redirects=False)
    assert sent.status_code == 422
    asked = browser.post("/installs/plan", data=form, follow_redirects=False)
    assert asked.status_code == 303, asked.text
    where = asked.headers["location"]
    assert "Working it out" in browser.get(where).text
    work()
    shown = browser.get(where).text
    digest = shown.partition('name="digest" value="')[2].partition('"')[0]
    assert digest.startswith("sha256:")
    applied = browser.post(f"{where}/apply", data={"digest": digest}, follow_redirects=False)
    assert applied.status_code == 303, applied.text
    work()
    page = browser.get(applied.headers["location"]).text
    assert "Applied" in page
    assert "rules-tenant" in browser.get("/installs").text
    gone = browser.post(f"{applied.headers['location']}/uninstall", follow_redirects=False)
    assert gone.headers["location"].startswith("/installs/plans/")
    assert "No install" in browser.get("/installs?show=outdated").text


def test_labels_are_changed_and_found(
    api: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    acme: Principal,
    rival: Principal,
) -> None:
    publish_policy(acme, "rules", ALLOW)
    made = api.post("/api/v1/installs", json={**ASKED, "labels": {"tier": "low"}}).json()["install"]["id"]
    work()

    def listed(*labels: str) -> list[str]:
        found = api.get("/api/v1/installs", params={"label": list(labels)}).json()["items"]
        return [each["id"] for each in found]

    path = f"/api/v1/installs/{made}/labels"
    before = api.get(f"/api/v1/installs/{made}").json()
    assert listed("tier=low") == [made]
    changed = api.put(path, json={"labels": {"tier": "high", "team": "web"}})
    assert (changed.status_code, changed.json()["labels"]) == (200, {"tier": "high", "team": "web"})
    assert changed.json()["applied_revision"] == before["applied_revision"]
    assert (listed("tier=low"), listed("tier=high"), listed("tier=high", "team=x")) == ([], [made], [])
    told = [each["type"] for each in api.get("/api/v1/events?limit=200").json()["items"]]
    assert api.put(path, json={"labels": {"tier": "high", "team": "web"}}).status_code == 200
    assert told == [each["type"] for each in api.get("/api/v1/events?limit=200").json()["items"]]
    assert api.put(path, json={"labels": {"no such": "x"}}).status_code == 422
    assert api.get("/api/v1/installs?label=tier").status_code == 422
    assert client_of(rival).put(path, json={"labels": {}}).status_code == 404
    rule = {"name": "high", "labels": {"tier": "high"}, "need": {"mode": "any"}}
    assert api.post("/api/v1/installs/approval-rules", json=rule).status_code == 201
    writer = client_of(acme, ["installs:read", "installs:write"])
    refused = writer.put(path, json={"labels": {"team": "web"}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (403, "/labels/tier")
    assert writer.put(path, json={"labels": {"tier": "high", "team": "shop"}}).status_code == 200
    assert api.put(path, json={"labels": {"team": "web"}}).status_code == 200


def test_a_plan_that_takes_an_approval(
    api: Client,
    client_of: Callable[..., Client],
    publish_policy: Callable[..., str],
    work: Callable[[], list[str]],
    acme: Principal,
    rival: Principal,
    database: Database,
) -> None:
    publish_policy(acme, "rules", ALLOW)
    rules = "/api/v1/installs/approval-rules"
    asked = {"name": "bundles", "kinds": ["policy-bundle"], "need": {"mode": "any"}}
    assert api.post(rules, json=asked).status_code == 201
    assert api.post(rules, json=asked).status_code == 409
    assert api.post(rules, json={"name": "x", "need": {"chosen_by": "members"}}).status_code == 422
    assert [each["name"] for each in api.get(rules).json()["items"]] == ["bundles"]
    assert client_of(rival).get(rules).json()["items"] == []
    assert client_of(rival).delete(f"{rules}/bundles").status_code == 404
    made = api.post("/api/v1/installs/plan", json=ASKED).json()
    work()
    plan = api.get(f"/api/v1/installs/plans/{made['id']}").json()
    body = {"plan": plan["id"], "digest": plan["digest"]}
    nobody = api.post("/api/v1/installs", json=body)
    assert (nobody.status_code, nobody.json()["type"]) == (409, "urn:slipway:problem:no_approvers")
    with database.tenant_session(acme.tenant_id) as session:
        bob = TenantService(session).add_member(acme.tenant_id, "Bob", "bob@example.com", Role.APPROVER)
    waiting = api.post("/api/v1/installs", json=body)
    assert waiting.status_code == 202, waiting.text
    assert (waiting.json()["operation"], waiting.json()["install"]) == (None, None)
    (approval,) = waiting.json()["approvals"]
    assert waiting.headers["location"] == f"/api/v1/installs/plans/{plan['id']}"
    page = api.get(f"/installs/plans/{plan['id']}").text
    assert "It waits for approval" in page
    assert f"/approvals/{approval}" in page
    assert "Apply this plan" not in page
    as_bob = Principal(acme.tenant_id, "acme", f"member:{bob.id}", "Bob", ROLE_SCOPES[Role.APPROVER], bob.id)
    approved = client_of(as_bob, sorted(as_bob.scopes)).post(f"/api/v1/approvals/{approval}/approve", json={})
    assert approved.status_code in {200, 201}, approved.text
    work()
    install = api.get("/api/v1/installs").json()["items"][0]
    assert (install["state"], install["asset"]) == ("applied", "acme/rules")
    (revision,) = api.get(f"/api/v1/installs/{install['id']}/revisions").json()["items"]
    assert revision["approvals"][0]["approval_id"] == approval
    assert api.delete(f"{rules}/bundles").status_code == 204


def test_an_upgrade_starts_from_a_preset_and_leaves_what_cannot_change(
    api: Client, browser: Client, work: Callable[[], list[str]]
) -> None:
    files = {str(each.relative_to(CANARY)): each.read_bytes() for each in CANARY.rglob("*") if each.is_file()}
    manifest, schema = yaml.safe_load(files["asset.yaml"]), json.loads(files["inputs.schema.json"])
    manifest["metadata"]["namespace"] = "acme"
    manifest["inputs"]["immutable"] = ["/max_response_seconds"]
    schema["properties"]["token"] = {"type": "string", "writeOnly": True}
    files |= {"inputs.schema.json": json.dumps(schema).encode(), "asset.yaml": yaml.safe_dump(manifest).encode()}
    files["examples/strict/inputs.json"] = json.dumps(STRICT).encode()
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    answer = api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert answer.status_code == 201, answer.text
    asked = {"asset": "acme/canary", "target": {"service": "web"}, "inputs": {"max_error_rate": 0.05}}
    install = api.post("/api/v1/installs", json=asked).json()["install"]
    work()

    address = f"/installs/{install['id']}/upgrade"
    plain = browser.get(address).text
    assert plain.index("stay as they are") < plain.index('name="inputs/max_error_rate"'), "nothing is new"
    assert f'href="{address}?version=1.0.0&amp;example=strict"' in plain
    chosen = browser.get(f"{address}?example=strict").text
    assert 'aria-current="true">strict' in chosen
    front, _, stays = chosen.partition("stay as they are")
    assert 'value="0.01"' in front
    assert 'name="inputs/max_response_seconds"' in stays
    assert "not the real one" not in chosen
    sent = {"version": "1.0.0", "example": "strict", "inputs/max_error_rate": "2"}
    refused = browser.post(address, data=sent)
    assert refused.status_code == 422
    assert 'aria-current="true">strict' in refused.text
    planned = browser.post(address, data={**sent, "inputs/max_error_rate": "0.01"}, follow_redirects=False)
    assert planned.status_code == 303, planned.text
    work()
    plan = api.get(f"/api/v1{planned.headers['location']}").json()
    assert (plan["state"], plan["document"]["inputs"]["max_error_rate"]) == ("ready", 0.01)
