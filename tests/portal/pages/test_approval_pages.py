"""Approvals over HTTP: the API that pipelines use, and the pages on which people decide."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService

Client = TestClient[Litestar]
PLAN = "9f" * 32
ASKED = {"subject": "pipelines/118", "title": "Deploy <b>web</b>", "plan_digest": PLAN, "summary": "One pod more."}


@pytest.fixture
def person(database: Database, acme: Principal) -> Callable[..., Principal]:
    """What makes members: ``person(name, role)``."""

    def make(name: str, role: Role = Role.APPROVER) -> Principal:
        with database.tenant_session(acme.tenant_id) as session:
            member = TenantService(session).add_member(acme.tenant_id, name, f"{name.lower()}@example.com", role)
        return Principal(acme.tenant_id, acme.tenant_name, f"member:{member.id}", name, ROLE_SCOPES[role], member.id)

    return make


def test_a_pipeline_asks_and_people_decide_over_the_api(
    api: Client, client_of: Callable[..., Client], person: Callable[..., Principal], rival: Principal
) -> None:
    assert api.post("/api/v1/approvals", json=ASKED).status_code == 409  # nobody could approve
    bob = person("Bob")
    created = api.post("/api/v1/approvals", json=ASKED)
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    assert api.post("/api/v1/approvals", json=ASKED).status_code == 200
    as_bob = client_of(bob, sorted(bob.scopes))
    waiting = as_bob.get("/api/v1/approvals", params={"waiting_for_me": "true"}).json()["items"]
    assert [each["title"] for each in waiting] == ["Deploy <b>web</b>"]
    refused = api.post(f"{path}/approve", json={})
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (403, "not_your_decision")
    assert as_bob.post(f"{path}/approve", json={"plan_digest": "00" * 32}).status_code == 409
    approved = as_bob.post(f"{path}/approve", json={"comment": "Fine.", "plan_digest": PLAN})
    assert approved.json()["state"] == "granted"
    assert api.get("/api/v1/approvals?state=granted").json()["items"][0]["decisions"][0]["comment"] == "Fine."
    assert api.get("/api/v1/approvals?state=pending").json()["items"] == []
    assert as_bob.post(f"{path}/deny", json={}).status_code == 409
    assert client_of(rival).get(path).status_code == 404
    developer = person("Dev", Role.DEVELOPER)
    assert client_of(developer, ["approvals:read"]).post(f"{path}/approve", json={}).status_code == 403
    assert api.delete(path).json()["state"] == "voided"


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_digest": "9F" * 32},
        {"link": "javascript:alert(1)"},
        {"link": "//evil.example.com"},
        {"link": "/\\evil.example.com"},
        {"title": "two\nlines"},
        {"title": "nul \u0000"},
        {"expires_in_hours": 0},
        {"quorum": 0},
        {"kind": "install-plan"},
    ],
)
def test_what_cannot_be_asked_is_refused(api: Client, changes: dict[str, Any]) -> None:
    assert api.post("/api/v1/approvals", json={**ASKED, **changes}).status_code in {400, 422}


def test_a_person_decides_on_the_page(
    api: Client, browser: Client, person: Callable[..., Principal], settings: Settings
) -> None:
    assert settings
    empty = browser.get("/approvals")
    assert "Nothing waits for you" in empty.text
    created = api.post("/api/v1/approvals", json=ASKED).json()  # Ann, the browser's administrator, may approve
    inbox = browser.get("/approvals").text
    assert "Deploy &lt;b&gt;web&lt;/b&gt;" in inbox
    path = f"/approvals/{created['id']}"
    page = browser.get(path).text
    assert "You decide for Ann." in page
    assert PLAN in page
    moved = browser.post(f"{path}/approve", data={"comment": "My long comment", "plan_digest": "00" * 32})
    assert moved.status_code == 409
    assert "My long comment" in moved.text
    assert "another plan" in moved.text
    done = browser.post(f"{path}/deny", data={"comment": "No.", "plan_digest": PLAN}, follow_redirects=False)
    assert done.status_code == 303
    assert "Denied" in browser.get(path).text
    assert "Deploy" in browser.get("/approvals?show=decided").text
    assert browser.post(f"{path}/approve", data={"plan_digest": PLAN}).status_code == 409
    assert browser.post(f"{path}/shrug", data={}).status_code == 422
    again = api.post("/api/v1/approvals", json=ASKED).json()
    back = browser.post(f"/approvals/{again['id']}/withdraw", follow_redirects=False)
    assert back.status_code == 303
    assert callable(person)


def test_delegations_are_made_and_ended_on_their_page(browser: Client, person: Callable[..., Principal]) -> None:
    person("Bob")
    refused = browser.post("/approvals/delegations", data={"to": "", "until": "soon", "reason": "Away"})
    assert refused.status_code == 422
    assert "Away" in refused.text
    from_today = {"to": "bob@example.com", "until": "2199-01-01", "reason": "Away"}
    assert "at most 92 days" in browser.post("/approvals/delegations", data=from_today).text
    page = browser.get("/approvals/delegations").text
    assert "bob@example.com" in page
    assert "Everybody decides for themselves" in page


def test_an_administrator_makes_and_ends_a_rule_on_its_page(
    browser: Client, api: Client, person: Callable[..., Principal]
) -> None:
    person("Bob")
    page = browser.get("/approvals/rules").text
    assert "No plan takes an approval" in page
    wrong = browser.post("/approvals/rules", data={"name": "No spaces", "labels": "tier"})
    assert wrong.status_code == 422
    assert "A label reads NAME=VALUE" in wrong.text
    asked = {"name": "critical", "action": "upgrade", "labels": "tier=critical", "mode": "quorum", "quorum": "2"}
    many = browser.post("/approvals/rules", data={**asked, "quorum": "many"})
    assert many.status_code == 422
    assert 'value="many"' in many.text  # nothing that was written is lost
    made = browser.post("/approvals/rules", data={**asked, "chosen_by": "role:approver", "expires_in_hours": "4"})
    assert "2 of approvers, within 4 hours" in made.text
    (rule,) = api.get("/api/v1/installs/approval-rules").json()["items"]
    assert (rule["actions"], rule["labels"], rule["need"]["quorum"]) == (["upgrade"], {"tier": "critical"}, 2)
    assert browser.post("/approvals/rules", data={**asked, "chosen_by": "policy"}).status_code == 409
    assert "No plan takes an approval" in browser.post("/approvals/rules/critical/end").text
