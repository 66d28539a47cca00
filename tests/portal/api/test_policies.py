"""Policies over HTTP: asked as the contract says, bound, overridden, replayed, and standing at every gate."""

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient

from catalog.clock import now
from catalog.db import Database
from catalog.gates.inputs import input_schema
from catalog.gates.service import PolicyDesk
from catalog.policies import decision_log
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
Publish = Callable[..., str]
OWNED = """
deny contains {
    "rule": "owner",
    "level": "mandatory",
    "message": "Nobody owns it.",
    "path": "/release/owner",
    "remediation": "Name an owner.",
} if {
    input.release
    not _owned
}

_owned if input.release.owner != ""
"""
NOTHING_PUBLISHED = 'deny contains {"rule": "frozen", "message": "Nothing is published now."} if input.asset'
LOOPING = "deny contains x if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); x := a + b }"
RELEASE: dict[str, Any] = {
    "service": "web",
    "version": "1.4.0",
    "repository": "https://git.example.com/acme/web",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "artifacts": [{"name": "web", "type": "oci-image", "digest": "sha256:" + "9f" * 32}],
}


@pytest.fixture
def guard(publish_policy: Publish, acme: Principal) -> str:
    """A bundle that wants every release to have an owner; its digest."""
    return publish_policy(acme, "guard", OWNED)


@pytest.fixture
def ann(client_of: NewClient, acme: Principal, database: Database) -> Client:
    """A program that acts for Ann, a member who may do everything."""
    with database.tenant_session(acme.tenant_id) as session:
        member = TenantService(session).add_member(acme.tenant_id, "Ann Approver", "a@example.com", Role.ADMIN)
        identifier = member.id
    return client_of(replace(acme, member_id=identifier))


def bind(client: Client, **asked: Any) -> Any:
    answer = client.post("/api/v1/policies/bindings", json={"bundle": "acme/guard", **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/policies/evaluate", "/api/v1/policies/evaluate"])
def test_the_promised_answer(api: Client, guard: str, path: str) -> None:
    answer = api.post(path, json={"bundle": "acme/guard", "input": {"release": {"owner": ""}}})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["allowed"] is False
    assert said["level"] == "mandatory"
    assert said["bundles"] == [{"asset": "acme/guard", "version": "1.0.0", "digest": guard}]
    assert said["violations"] == [
        {
            "rule": "owner",
            "level": "mandatory",
            "message": "Nobody owns it.",
            "path": "/release/owner",
            "remediation": "Name an owner.",
            "bundle": "acme/guard",
        }
    ]
    kept = api.get(f"/api/v1/policies/evaluations/{said['evaluation']}").json()
    assert kept["input"] == {"release": {"owner": ""}}


def test_what_has_no_answer_is_never_200(api: Client, publish_policy: Publish, acme: Principal) -> None:
    publish_policy(acme, "looping", LOOPING)
    answer = api.post("/api/v1/policies/evaluate", json={"bundle": "acme/looping", "input": {}})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:slipway:problem:policy_not_evaluated"
    assert "out_of_fuel" in answer.json()["errors"][0]["detail"]


NO_QUESTIONS: list[dict[str, Any]] = [
    {},
    {"bundle": "acme/guard"},
    {"input": {}},
    {"release": str(uuid4())},
    {"environment": str(uuid4())},
    {"bundle": "acme/nothing", "input": {}},
    {"bundle": "nonsense", "input": {}},
    {"bundle": "acme/guard", "input": {}, "release": str(uuid4())},
]


def test_questions_that_are_none(api: Client, guard: str) -> None:
    assert guard
    for asked in NO_QUESTIONS:
        answer = api.post("/api/v1/policies/evaluate", json=asked)
        assert answer.status_code == 422, (asked, answer.text)
        assert answer.json()["errors"]


def test_an_asset_that_is_no_bundle_cannot_be_asked(api: Client, archive: bytes) -> None:
    published = api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201
    answer = api.post("/api/v1/policies/evaluate", json={"bundle": "acme/preview", "input": {}})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:slipway:problem:bundle_not_compiled"


def test_a_release_passes_its_gate_or_stays_out(api: Client, guard: str) -> None:
    assert guard
    bind(api)
    refused = api.post("/api/v1/releases", json=RELEASE)
    assert refused.status_code == 403
    problem = refused.json()
    assert problem["type"] == "urn:slipway:problem:policy_refused"
    assert [each["rule"] for each in problem["violations"]] == ["owner"]
    assert problem["violations"][0]["remediation"] == "Name an owner."
    assert api.get("/api/v1/releases").json()["items"] == []
    kept = api.get(f"/api/v1/policies/evaluations/{problem['evaluation']}").json()
    assert (kept["point"], kept["about"], kept["allowed"]) == ("release", "releases/web@1.4.0", False)
    Draft202012Validator(input_schema()).validate(kept["input"])
    made = api.post("/api/v1/releases", json={**RELEASE, "owner": "Storefront"})
    assert made.status_code == 201, made.text
    assert made.json()["verdict"]["bundles"] == 1
    about_it = api.post("/policies/evaluate", json={"release": made.json()["id"]}).json()
    assert about_it["allowed"] is True


OTHER_RELEASES: list[dict[str, Any]] = [
    {"version": "1.5.0"},
    {"artifacts": [{"name": "web", "type": "oci-image", "digest": "sha256:" + "0f" * 32}]},
    {"artifacts": []},
    {"commit": "0fceb02d0ae598e95dc970b74767f19372d61af8"},
    {"repository": "https://git.example.com/acme/other"},
]


def overriding(refused: Any) -> dict[str, Any]:
    """Return what to ask for to let through what was refused, for two hours."""
    until = (now() + timedelta(hours=2)).isoformat()
    return {"evaluation": refused.json()["evaluation"], "reason": "incident 12", "expires_at": until}


def test_an_override_lets_just_what_was_refused_through(api: Client, ann: Client, guard: str) -> None:
    assert guard
    bind(api, level="mandatory-with-override")
    refused = api.post("/api/v1/releases", json=RELEASE)
    assert refused.json()["type"] == "urn:slipway:problem:override_needed"
    override = ann.post("/api/v1/policies/overrides", json=overriding(refused))
    assert override.status_code == 201, override.text
    assert override.json()["rules"] == [{"rule": "owner", "bundle": "acme/guard"}]
    assert override.json()["covers"] == {
        "digests": ["sha256:" + "9f" * 32],
        "release_commit": f"{RELEASE['repository']}@{RELEASE['commit']}",
    }
    for other in OTHER_RELEASES:
        answer = api.post("/api/v1/releases", json={**RELEASE, **other})
        assert answer.json()["type"] == "urn:slipway:problem:override_needed", other
    assert api.post("/api/v1/releases", json=RELEASE).status_code == 201
    assert api.get("/api/v1/policies/overrides").json()["items"][0]["person"] == "Ann Approver"


def test_a_token_that_belongs_to_nobody_overrides_nothing(api: Client, guard: str) -> None:
    assert guard
    bind(api, level="mandatory-with-override")
    refused = api.post("/api/v1/releases", json=RELEASE)
    answer = api.post("/api/v1/policies/overrides", json=overriding(refused))
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "urn:slipway:problem:person_needed"
    assert api.get("/api/v1/policies/overrides").json()["items"] == []


def test_what_no_gate_refused_cannot_be_overridden(api: Client, ann: Client, guard: str) -> None:
    assert guard
    released = api.post("/api/v1/releases", json=RELEASE).json()
    bind(api, level="mandatory-with-override")
    asked = api.post("/policies/evaluate", json={"release": released["id"]})
    assert asked.json()["level"] == "mandatory-with-override"
    answer = ann.post("/api/v1/policies/overrides", json=overriding(asked))
    assert answer.status_code == 409, answer.text
    assert "no gate refused it" in answer.json()["detail"]


def test_publishing_passes_its_gate(
    api: Client, publish_policy: Publish, acme: Principal, archive: bytes, browser: Client, settings: Settings
) -> None:
    publish_policy(acme, "guard", NOTHING_PUBLISHED)
    bind(api, points=["publish"])
    files = {"archive": ("a.tar.gz", archive, "application/gzip")}
    refused = api.post("/api/v1/assets", files=files)
    assert refused.status_code == 403, refused.text
    assert api.get("/api/v1/assets/acme/preview").status_code == 404
    page = browser.post("/uploads", files=files)
    assert page.status_code == 403
    assert not open_blobs(settings).has(hashlib.sha256(archive).hexdigest()), "a refused archive is not kept"
    assert "Nothing is published now." in page.text


def test_a_waiver_counts_and_ends(api: Client, guard: str) -> None:
    assert guard
    bind(api)
    asked = {
        "rule": "owner",
        "scope": {"kind": "service", "name": "web"},
        "reason": "moving teams",
        "owner": "ann",
        "expires_at": (now() + timedelta(days=2)).isoformat(),
    }
    waiver = api.post("/api/v1/policies/waivers", json=asked)
    assert waiver.status_code == 201, waiver.text
    assert api.post("/api/v1/releases", json=RELEASE).status_code == 201
    assert api.delete(f"/api/v1/policies/waivers/{waiver.json()['id']}").status_code == 200
    assert api.post("/api/v1/releases", json={**RELEASE, "version": "2.0.0"}).status_code == 403


def test_the_effective_set_is_shown(api: Client, publish_policy: Publish, acme: Principal, guard: str) -> None:
    publish_policy(acme, "other", OWNED.replace("owner", "team"))
    bind(api, scope={"kind": "service", "name": "web"})
    told = bind(api, bundle="acme/other", level="advisory")
    assert [each["root"] for each in told["overlaps"]] == ["guard"]
    for_web = api.get("/api/v1/policies/effective?service=web").json()
    assert [(each["binding"]["asset"], each["mode"]) for each in for_web["bundles"]] == [
        ("acme/guard", "enforced"),
        ("acme/other", "enforced"),
    ]
    assert for_web["bundles"][0]["digest"] == guard
    assert len(api.get("/api/v1/policies/effective?service=billing").json()["bundles"]) == 1


def test_a_decision_is_replayed(api: Client, guard: str) -> None:
    assert guard
    said = api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {}}}).json()
    replayed = api.post(f"/api/v1/policies/evaluations/{said['evaluation']}/replay")
    assert replayed.status_code == 200, replayed.text
    assert replayed.json()["equal"] is True


def test_a_replay_asks_the_kind_of_engine_that_decided(
    api: Client, database: Database, settings: Settings, acme: Principal, guard: str
) -> None:
    assert guard
    said = api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {}}}).json()
    identifier = UUID(said["evaluation"])
    # Nothing answers there; what this process decided is not asked of it.
    moved = settings.model_copy(update={"opa_url": "http://127.0.0.1:1"})
    with database.tenant_session(acme.tenant_id) as session:
        replayed = PolicyDesk(session, moved).replay(acme, identifier)
        assert (replayed.engine, replayed.equal, replayed.verdict_equal) == ("wasm", True, True)
    with database.tenant_session(acme.tenant_id) as session:
        PolicyDesk(session, settings).policies.evaluation(acme.tenant_id, identifier).engine = "opa-server"
    answer = api.post(f"/api/v1/policies/evaluations/{identifier}/replay")
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "urn:slipway:problem:policy_engine_missing"


def test_the_input_has_a_schema(api: Client) -> None:
    schema = api.get("/api/v1/schemas/policy-input").json()
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["plan"]["properties"]["resources"]


LOG: list[dict[str, Any]] = [
    {
        "decision_id": "4ca636c1-55e4-417a-b1d8-4aceb67960d1",
        "labels": {"id": "agent"},
        "bundles": {"authz": {"revision": "1.0.0"}},
        "path": "guard/deny",
        "input": {"user": "ann", "password": "hunter2"},
        "result": [],
        "timestamp": "2026-11-25T12:00:00.123456789Z",
    },
    {"no": "decision"},
]


def test_decision_logs_of_agents_are_kept_once(api: Client, client_of: NewClient, rival: Principal) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    body = gzip.compress(json.dumps(LOG).encode())
    first = api.post("/t/acme/logs", content=body, headers=headers)
    assert first.status_code == 200, first.text
    assert first.json() == {"received": 1}
    assert api.post("/t/acme/logs", content=body, headers=headers).json() == {"received": 0}
    (kept,) = api.get("/api/v1/policies/decisions").json()["items"]
    assert kept["decision_id"] == LOG[0]["decision_id"]
    assert "hunter2" not in api.get("/api/v1/policies/decisions").text
    other = client_of(rival)
    assert other.post("/t/acme/logs", content=body, headers=headers).status_code == 404
    assert other.get("/api/v1/policies/decisions").json()["items"] == []


def test_the_decision_log_is_handed_out(api: Client, client_of: NewClient, rival: Principal, guard: str) -> None:
    assert guard
    asked = [
        api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {"owner": owner}}}).json()
        for owner in ("", "ann", "bob")
    ]
    path: str | None = "/api/v1/policies/decision-log?limit=2"
    lines: list[dict[str, Any]] = []
    while path:
        page = api.get(path, headers={"Accept-Encoding": "gzip"})
        assert (page.status_code, page.headers["content-encoding"]) == (200, "gzip")
        assert page.headers["content-type"].startswith("application/x-ndjson")
        lines += [json.loads(line) for line in page.text.splitlines()]
        path = page.links["next"]["url"] if "next" in page.links else None
    assert lines[0]["path"] == "slipway/gates/publish"  # of the bundle itself
    assert [each["decision_id"] for each in lines[1:]] == [each["evaluation"] for each in asked]
    del lines[0]
    assert lines[0]["result"]["allowed"] is False
    assert lines[0]["input"] == {"release": {"owner": ""}}
    assert lines[0]["bundles"] == {"acme/guard": {"revision": "1.0.0"}}
    later = {"since": lines[1]["timestamp"], "until": lines[2]["timestamp"]}
    between = api.get("/api/v1/policies/decision-log", params=later, headers={"Accept-Encoding": "identity"})
    assert between.status_code == 200, between.text
    assert "content-encoding" not in between.headers
    assert [json.loads(line)["decision_id"] for line in between.text.splitlines()] == [asked[1]["evaluation"]]
    assert client_of(rival).get("/api/v1/policies/decision-log").text == ""
    for unusable in ("yesterday", "2026-11-25T10:00:00"):
        assert api.get(f"/api/v1/policies/decision-log?since={unusable}").status_code == 422


def test_what_agents_sent_is_handed_out_as_it_came(api: Client) -> None:
    api.post("/t/acme/logs", json=LOG)
    (line,) = api.get("/api/v1/policies/decision-log?agents=true").text.splitlines()
    sent = {**LOG[0], "input": {**LOG[0]["input"], "password": "[secret]"}}
    assert json.loads(line) == {**sent, "result": []}
    assert api.get("/api/v1/policies/decision-log").text == ""


def test_a_page_of_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch, api: Client, guard: str) -> None:
    assert guard
    monkeypatch.setattr(decision_log, "LARGEST", 1500)
    for owner in ("x" * 1000, "y" * 2000, "z" * 1000):
        api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {"owner": owner}}})
    first = api.get("/api/v1/policies/decision-log")
    assert len(first.text.splitlines()) == 1
    assert "next" in first.links


BOMB = gzip.compress(b"[" + b" " * 40_000_000 + b"]")


def test_logs_that_are_none(api: Client) -> None:
    for body in (b"not gzip", gzip.compress(b"{}"), gzip.compress(b"[1]"), BOMB, BOMB[:100]):
        answer = api.post("/t/acme/logs", content=body, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 422, answer.text


SCOPED = [
    ("POST", "/policies/evaluate", "policies:read"),
    ("GET", "/policies/bindings", "policies:read"),
    ("POST", "/policies/bindings", "policies:write"),
    ("POST", "/policies/waivers", "policies:write"),
    ("POST", "/policies/overrides", "approvals:write"),
    ("POST", "/policies/impact", "policies:write"),
    ("GET", "/policies/decision-log", "policies:read"),
]


def test_scopes(client_of: NewClient, acme: Principal) -> None:
    others = client_of(acme, ["assets:read", "releases:write", "environments:write"])
    for method, path, scope in SCOPED:
        assert others.request(method, f"/api/v1{path}").status_code == 403, path
        assert client_of(acme, [scope]).request(method, f"/api/v1{path}").status_code in {200, 400, 422}, path


def test_another_tenants_policies_do_not_exist(api: Client, client_of: NewClient, rival: Principal, guard: str) -> None:
    assert guard
    bound = bind(api)
    said = api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {}}}).json()
    other = client_of(rival)
    for path in ("bindings", "waivers", "overrides", "evaluations", "impact"):
        assert other.get(f"/api/v1/policies/{path}").json()["items"] == []
    assert other.get(f"/api/v1/policies/evaluations/{said['evaluation']}").status_code == 404
    assert other.delete(f"/api/v1/policies/bindings/{bound['id']}").status_code == 404
    hidden = other.post("/policies/evaluate", json={"bundle": "acme/guard", "input": {}})
    missing = other.post("/policies/evaluate", json={"bundle": "acme/nothin", "input": {}})
    assert hidden.status_code == missing.status_code == 422
    assert other.post("/api/v1/releases", json=RELEASE).status_code == 201
