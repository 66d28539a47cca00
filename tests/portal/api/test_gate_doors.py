"""Gates at real doors: publishing and sharing, stages that come due, and waivers and overrides that end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.clock import now
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
Publish = Callable[..., str]
API = "/api/v1"
NOT_PUBLIC = 'deny contains {"rule": "inside", "message": "It stays inside."} if input.asset.visibility == "public"'
OWNED = 'deny contains {"rule": "owner", "message": "Nobody owns it."} if input.release.owner == ""'
RELEASE: dict[str, Any] = {
    "service": "web",
    "version": "1.4.0",
    "repository": "https://git.example.com/acme/web",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "artifacts": [{"name": "web", "type": "oci-image", "digest": "sha256:" + "9f" * 32}],
}


@pytest.fixture
def ann(client_of: NewClient, acme: Principal, database: Database) -> Client:
    """A program that acts for Ann, a member who may do everything."""
    with database.tenant_session(acme.tenant_id) as session:
        member = TenantService(session).add_member(acme.tenant_id, "Ann", "a@example.com", Role.ADMIN)
        person = replace(acme, member_id=member.id)
    return client_of(person)


@pytest.fixture
def later(database: Database, acme: Principal) -> Callable[[timedelta], None]:
    """What lets time pass for everything that counts for policies."""

    def pass_time(span: timedelta) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            for table in ("policy_waivers", "policy_overrides"):
                statement = f"UPDATE {table} SET expires_at = expires_at - :span"  # noqa: S608  # names from above
                session.execute(text(statement), {"span": span})
            begun = """
                UPDATE policy_bindings SET stages = (
                    SELECT coalesce(jsonb_agg(
                        stage || jsonb_build_object('starts_at', (stage ->> 'starts_at')::timestamptz - :span)
                    ), '[]') FROM jsonb_array_elements(stages) AS stage
                )
            """
            session.execute(text(begun), {"span": span})

    return pass_time


def bind(client: Client, **asked: Any) -> None:
    answer = client.post(f"{API}/policies/bindings", json={"bundle": "acme/guard", **asked})
    assert answer.status_code == 201, answer.text


def release(client: Client, version: str = "1.4.0") -> Any:
    return client.post(f"{API}/releases", json={**RELEASE, "version": version})


def send(client: Client, archive: bytes, **form: str) -> Any:
    return client.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")}, data=form)


def share(client: Client, visibility: str, *tenants: str) -> Any:
    path = f"{API}/assets/acme/preview/sharing"
    return client.put(path, json={"visibility": visibility, "tenants": list(tenants)})


def test_showing_an_asset_to_more_tenants_passes_the_gate_of_publishing(
    api: Client, publish_policy: Publish, acme: Principal, archive: bytes, client_of: NewClient, rival: Principal
) -> None:
    publish_policy(acme, "guard", NOT_PUBLIC)
    bind(api, points=["publish"])
    assert send(api, archive).status_code == 201
    refused = share(api, "public")
    assert (refused.status_code, [each["rule"] for each in refused.json()["violations"]]) == (403, ["inside"])
    kept = api.get(f"{API}/policies/evaluations/{refused.json()['evaluation']}").json()
    assert (kept["point"], kept["about"]) == ("publish", "assets/acme/preview@0.1.0")
    assert kept["input"]["asset"]["visibility"] == "public"
    assert api.get(f"{API}/assets/acme/preview/sharing").json()["visibility"] == "private"
    assert client_of(rival).get(f"{API}/assets/acme/preview").status_code == 404
    asked = len(api.get(f"{API}/policies/evaluations").json()["items"])
    assert share(api, "shared", "rival").status_code == 200
    assert len(api.get(f"{API}/policies/evaluations").json()["items"]) == asked + 1
    for fewer in (("shared",), ("private",)):
        assert share(api, *fewer).status_code == 200
    assert len(api.get(f"{API}/policies/evaluations").json()["items"]) == asked + 1, "showing it to fewer asks nobody"


def upload(client: Client, archive: bytes) -> Any:
    return send(client, archive, visibility="public")


def draft(client: Client, archive: bytes) -> Any:
    kept = send(client, archive, visibility="public", draft="true")
    assert kept.status_code == 201, kept.text
    return client.post(f"{API}/assets/acme/preview/versions/0.1.0/publish", json={"comment": ""})


@pytest.mark.parametrize("door", [upload, draft])
def test_no_door_to_publishing_goes_round_the_gate(
    api: Client, publish_policy: Publish, acme: Principal, archive: bytes, door: Callable[..., Any]
) -> None:
    publish_policy(acme, "guard", NOT_PUBLIC)
    bind(api, points=["publish"])
    refused = door(api, archive)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:slipway:problem:policy_refused")
    listed = api.get(f"{API}/assets").json()["items"]
    assert [each["name"] for each in listed] == ["guard"]


def test_a_stage_that_comes_due_stops_from_then_on(
    api: Client, publish_policy: Publish, acme: Principal, later: Callable[[timedelta], None]
) -> None:
    publish_policy(acme, "guard", OWNED)
    moment = now()
    stages = [
        {"mode": "shadow", "starts_at": (moment - timedelta(hours=1)).isoformat()},
        {"mode": "enforced", "starts_at": (moment + timedelta(days=2)).isoformat()},
    ]
    bind(api, stages=stages)
    watched = release(api)
    assert watched.status_code == 201, watched.text
    record = api.get(f"{API}/policies/evaluations").json()["items"][0]
    shadow = api.get(f"{API}/policies/evaluations/{record['id']}").json()["shadow"]
    assert [each["rule"] for each in shadow] == ["owner"]
    later(timedelta(days=3))
    assert release(api, "1.5.0").status_code == 403


def test_a_share_of_the_subjects_is_held_to_it_and_always_the_same(
    api: Client, publish_policy: Publish, acme: Principal
) -> None:
    publish_policy(acme, "guard", OWNED)
    begun = (now() - timedelta(hours=1)).isoformat()
    bind(api, stages=[{"mode": "shadow", "starts_at": begun}, {"mode": "enforced", "starts_at": begun, "share": 50}])
    versions = [f"1.{each}.0" for each in range(20)]
    outcomes = {version: release(api, version).status_code for version in versions}
    # Half a million tries would see all twenty on one side once.
    assert set(outcomes.values()) == {201, 403}
    for version in [each for each in versions if outcomes[each] == 403][:3]:
        assert release(api, version).status_code == 403


def test_a_waiver_and_an_override_end_at_the_gate(
    api: Client, ann: Client, publish_policy: Publish, acme: Principal, later: Callable[[timedelta], None]
) -> None:
    publish_policy(acme, "guard", OWNED)
    bind(api, level="mandatory-with-override")
    ends = {"reason": "incident 12", "expires_at": (now() + timedelta(days=2)).isoformat()}
    waiver = {**ends, "rule": "owner", "scope": {"kind": "service", "name": "web"}, "owner": "ann"}
    assert api.post(f"{API}/policies/waivers", json=waiver).status_code == 201
    assert release(api, "1.0.0").status_code == 201
    later(timedelta(days=3))
    refused = release(api, "1.1.0")
    assert refused.status_code == 403
    override = ann.post(f"{API}/policies/overrides", json={**ends, "evaluation": refused.json()["evaluation"]})
    assert override.status_code == 201, override.text
    later(timedelta(days=3))
    assert release(api, "1.1.0").status_code == 403
    later(timedelta(days=-3))
    assert release(api, "1.1.0").status_code == 201


def test_a_compiled_policy_that_was_tampered_with_is_never_asked(
    api: Client, publish_policy: Publish, acme: Principal, settings: Settings
) -> None:
    # One of its own: what this process has read before it does not read again.
    publish_policy(acme, "guard", 'deny contains "It was never read before." if input.release')
    for path in (settings.data_dir / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"\0asm"):
            path.chmod(0o600)
            path.write_bytes(path.read_bytes() + b"\0")
    answer = api.post(f"{API}/policies/evaluate", json={"bundle": "acme/guard", "input": {"release": {"owner": "ann"}}})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:slipway:problem:bundle_not_compiled")
    assert "damaged" in answer.json()["detail"]
