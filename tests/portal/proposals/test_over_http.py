"""Proposals and agents over the API and on the pages: read, decided, limited, stopped, and kept apart by tenant."""

from collections.abc import Callable
from uuid import UUID

from litestar import Litestar
from litestar.testing import TestClient

from catalog.tenancy import Principal

Client = TestClient[Litestar]
Propose = Callable[..., UUID]
NewClient = Callable[..., Client]


def test_a_proposal_is_read_and_approved(api: Client, acme: Principal, propose: Propose) -> None:
    first, second = propose(acme), propose(acme)
    listed = api.get("/api/v1/proposals?limit=1").json()
    assert [each["id"] for each in listed["items"]] == [str(second)]
    rest = api.get("/api/v1/proposals", params={"limit": 1, "cursor": listed["next_cursor"]}).json()
    assert [each["id"] for each in rest["items"]] == [str(first)]
    found = api.get(f"/api/v1/proposals/{first}").json()
    assert found["evidence"][0] == {"title": "The door", "detail": "", "href": "/environments", "is_fault": True}
    assert (found["state"], found["blocks"]) == ("proposed", [])
    approved = api.post(f"/api/v1/proposals/{first}/approve", json={"comment": "Go on."})
    assert (approved.status_code, approved.json()["state"], approved.json()["comment"]) == (200, "approved", "Go on.")
    assert api.post(f"/api/v1/proposals/{first}/approve", json={}).json()["comment"] == "Go on."
    listed = api.get("/api/v1/proposals?state=proposed&agent=tidy").json()
    assert [each["id"] for each in listed["items"]] == [str(second)]


def test_rejecting_needs_a_reason_and_lets_through(api: Client, acme: Principal, propose: Propose) -> None:
    identifier = propose(acme, applied=True)
    assert api.get(f"/api/v1/proposals/{identifier}").json()["blocks"][0]["lifted_at"] is None
    silent = api.post(f"/api/v1/proposals/{identifier}/reject", json={})
    assert (silent.status_code, silent.json()["errors"][0]["pointer"]) == (422, "/comment")
    done = api.post(f"/api/v1/proposals/{identifier}/reject", json={"comment": "There is a window."}).json()
    assert (done["state"], done["blocks"][0]["reason"]) == ("rejected", "There is a window.")
    late = api.post(f"/api/v1/proposals/{identifier}/approve", json={})
    assert (late.status_code, late.json()["type"]) == (409, "urn:slipway:problem:proposal_decided")


def test_an_agent_is_limited_stopped_and_started(api: Client) -> None:
    (agent,) = api.get("/api/v1/agents").json()["items"]
    assert (agent["name"], agent["autonomy"], agent["chosen"]) == ("tidy", "act", None)
    limited = api.post("/api/v1/agents/tidy/limit", json={"autonomy": "propose", "reason": "New here."}).json()
    assert (limited["autonomy"], limited["reason"]) == ("propose", "New here.")
    assert api.post("/api/v1/agents/tidy/limit", json={"autonomy": "everything"}).status_code == 422
    stopped = api.post("/api/v1/agents/stop", json={"reason": "Fire."}).json()
    assert (stopped["is_stopped"], stopped["items"][0]["autonomy"]) == (True, "off")
    api.post("/api/v1/agents/start", json={})
    assert api.post("/api/v1/agents/tidy/stop", json={}).json()["autonomy"] == "off"
    assert api.post("/api/v1/agents/tidy/start", json={}).json()["autonomy"] == "propose"
    assert api.post("/api/v1/agents/limit", json={"autonomy": "observe"}).json()["bound"] == "observe"
    assert api.get("/api/v1/agents/tidy").json()["autonomy"] == "observe"
    assert api.get("/api/v1/agents/tidy/runs").json() == {"items": [], "next_cursor": None}
    assert api.get("/api/v1/agents/nobody").status_code == 404


def test_scopes_and_tenants(
    api: Client, client_of: NewClient, acme: Principal, rival: Principal, propose: Propose
) -> None:
    identifier = propose(acme)
    reader = client_of(acme, ["proposals:read"])
    assert reader.get(f"/api/v1/proposals/{identifier}").status_code == 200
    assert reader.post(f"/api/v1/proposals/{identifier}/approve", json={}).status_code == 403
    approver = client_of(acme, ["proposals:write"])
    assert approver.post("/api/v1/agents/stop", json={}).status_code == 403
    assert client_of(acme, ["releases:read"]).get("/api/v1/proposals").status_code == 403
    api.post("/api/v1/agents/stop", json={})
    other = client_of(rival)
    assert other.get(f"/api/v1/proposals/{identifier}").status_code == 404
    assert other.post(f"/api/v1/proposals/{identifier}/approve", json={}).status_code == 404
    assert other.get("/api/v1/proposals").json()["items"] == []
    assert other.get("/api/v1/agents").json()["is_stopped"] is False


def test_the_pages_as_a_person_walks_them(browser: Client, acme: Principal, propose: Propose) -> None:
    identifier = propose(acme)
    assert "The attic lacks a key" in browser.get("/proposals").text
    page = browser.get(f"/proposals/{identifier}").text
    assert "slipway verify attic" in page
    address = f"/proposals/{identifier}/decide"
    silent = browser.post(address, data={"decision": "reject", "comment": " "})
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    done = browser.post(address, data={"decision": "approve", "comment": "Go on."}, follow_redirects=False)
    assert done.status_code == 303
    assert "Go on." in browser.get(f"/proposals/{identifier}").text
    assert "The attic lacks a key" in browser.get("/proposals?group=standing").text
    browser.post(address, data={"decision": "reject", "comment": "There is a window."})
    late = browser.post(address, data={"decision": "approve", "comment": "and yet"})
    assert (late.status_code, "and yet" in late.text) == (409, False)  # what has ended has no form any more
    assert "There is a window." in browser.get("/proposals?group=ended").text


def test_the_pages_of_agents(browser: Client) -> None:
    assert "Keeps things tidy." in browser.get("/agents").text
    browser.post("/agents", data={"change": "stop", "reason": "Fire in the attic."})
    assert "Fire in the attic." in browser.get("/agents").text
    assert "All agents are stopped" in browser.get("/agents/tidy").text
    browser.post("/agents", data={"change": "start"})
    browser.post("/agents/tidy", data={"change": "limit", "autonomy": "observe", "reason": "New here."})
    page = browser.get("/agents/tidy").text
    assert ("New here." in page, "Observe" in page, "It has not run yet" in page) == (True, True, True)
    browser.post("/agents/tidy", data={"change": "stop"})
    assert "This agent is stopped" in browser.get("/agents/tidy").text
    assert browser.get("/agents/nobody").status_code == 404
