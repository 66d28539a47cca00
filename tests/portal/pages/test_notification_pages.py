"""Notifications over HTTP: webhooks by the API's contract, and the pages on which people subscribe."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
HOOK = {"url": "https://hooks.example.com/x", "topics": ["environment.*"]}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"master_key": SecretStr("a key for tests")})


def test_a_webhook_is_made_and_its_secret_shown_once(
    api: Client, client_of: Callable[..., Client], acme: Principal, rival: Principal
) -> None:
    assert client_of(acme, ["events:read"]).post("/api/v1/webhooks", json=HOOK).status_code == 403
    made = api.post("/api/v1/webhooks", json=HOOK)
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    path = f"/api/v1/notifications/subscriptions/{made.json()['id']}"
    assert secret.startswith("whsec_")
    assert secret not in api.get(path).text + api.get("/api/v1/notifications/subscriptions").text
    rotated = api.post(f"{path}/rotate").json()
    assert rotated["secret"] not in {secret, ""}
    assert rotated["old_secret_until"]
    assert api.post(f"{path}/test").status_code == 202
    (told,) = api.get("/api/v1/notifications").json()["items"]
    assert (told["state"], told["topic"]) == ("pending", "notification.test")
    assert api.post(f"/api/v1/notifications/{told['id']}/replay").status_code == 409
    assert api.post(f"{path}/pause").json()["state"] == "paused"
    assert api.post(f"{path}/test").status_code == 409
    assert client_of(rival).get(path).status_code == 404
    assert client_of(rival).get(f"/api/v1/notifications/{told['id']}").status_code == 404
    assert api.delete(path).status_code == 204
    assert api.get("/api/v1/notifications/subscriptions").json()["items"] == []
    assert api.get("/api/v1/notifications/inbox").json() == {"items": [], "next_cursor": None, "unread": 0}


@pytest.mark.parametrize(
    "changes", [{"url": "http://10.0.0.1/"}, {"url": "x y"}, {"topics": ["nothing.known"]}, {"topics": []}]
)
def test_what_cannot_be_subscribed_is_refused(api: Client, changes: dict[str, Any]) -> None:
    assert api.post("/api/v1/webhooks", json={**HOOK, **changes}).status_code in {400, 422}


def test_a_person_subscribes_on_the_page(browser: Client) -> None:
    assert "Nothing happened yet" in browser.get("/notifications").text
    form = {"name": "Chat", "channel": "webhook", "target": "ftp://x", "topics": "approval.*", "severity": "info"}
    refused = browser.post("/notifications/subscriptions", data=form)
    assert refused.status_code == 422
    assert "ftp://x" in refused.text
    made = browser.post("/notifications/subscriptions", data={**form, "target": "https://hooks.example.com/x"})
    assert made.status_code == 201
    assert "whsec_" in made.text
    listed = browser.get("/notifications/subscriptions").text
    assert "hooks.example.com" in listed
    assert "whsec_" not in listed
    own = {"name": "Mine", "channel": "inbox", "topics": "environment.*", "severity": "info"}
    followed = browser.post("/notifications/subscriptions", data=own, follow_redirects=False)
    assert followed.status_code == 303
    path = followed.headers["location"]
    for verb, status in (("test", 303), ("pause", 303), ("test", 409), ("resume", 303), ("rotate", 409), ("no", 422)):
        assert browser.post(f"{path}/{verb}", follow_redirects=False).status_code == status, verb
    assert "This is a test" in browser.get("/notifications").text
    assert browser.post("/notifications/inbox/read", follow_redirects=False).status_code == 303
    assert "Mark all as read" not in browser.get("/notifications").text
    assert browser.post(f"{path}/remove", follow_redirects=False).status_code == 303
    assert browser.get(path).status_code == 404
