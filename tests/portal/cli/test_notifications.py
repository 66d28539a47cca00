"""``slipway notifications``: subscribe, be told, see what was given up and why, and have it sent once more."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService
from tests.workers.notifications.conftest import Receiver
from workers import notifications
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Work = Callable[[], list[str]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A website that takes webhooks."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    """Settings of a Slipway that may tell the receiver."""
    mine = {"internal_domains": (receiver.host,), "master_key": SecretStr("a key for tests")}
    return settings.model_copy(update=mine)


@pytest.fixture
def work(settings: Settings) -> Iterator[Work]:
    """What lets a worker tell everybody who is to be told."""
    app = App(settings, registry([notifications.WORKER]))
    yield lambda: drain(app)
    app.close()


def test_a_webhook_that_fails_is_seen_and_sent_again(
    slipway: Any, signed_in: dict[str, str], receiver: Receiver, work: Work
) -> None:
    def say(*arguments: str) -> str:
        done = slipway("notifications", *arguments, env=signed_in)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    asked = ("--channel", "webhook", "--target", receiver.url, "--topic", "environment.*")
    made = json.loads(say("subscribe", "Chat", *asked, "--json"))
    assert made["secret"].startswith("whsec_")
    assert made["topics"] == ["environment.*"]
    shown = say("subscriptions")
    assert "Chat" in shown
    assert made["secret"] not in shown

    receiver.status, receiver.body = 410, b"nobody lives here"
    assert "is on its way" in say("test", made["id"])
    work()
    (dead,) = json.loads(say("list", "--state", "dead", "--json"))["items"]
    told = say("show", dead["id"])
    assert "410 after" in told
    assert "nobody lives here" in told
    refused = slipway("notifications", "test", made["id"], env=signed_in)
    assert (refused.returncode, "disabled" in refused.stderr) == (1, True)

    receiver.status = 200
    assert "active" in say("resume", made["id"])
    turned = json.loads(say("rotate", made["id"], "--json"))
    assert turned["secret"].startswith("whsec_")
    assert turned["secret"] != made["secret"], "it is another one, and shown this once"
    assert turned["secret"] not in say("subscriptions", "--json")
    assert "paused" in say("pause", made["id"])
    refused = slipway("notifications", "test", made["id"], env=signed_in)
    assert (refused.returncode, "paused" in refused.stderr) == (1, True), refused.stderr
    assert "active" in say("resume", made["id"])
    assert "is on its way again" in say("replay", dead["id"])
    work()
    assert receiver.ids[-2:] == [dead["id"]] * 2
    assert "delivered" in say("list", "--subscription", made["id"])
    assert "is removed" in say("unsubscribe", made["id"])
    assert slipway("notifications", "show", dead["id"], env=signed_in).returncode == 4


def test_a_person_reads_what_it_was_told(
    slipway: Any,
    signed_in: dict[str, str],
    database: Database,
    acme: Principal,
    new_token: Callable[..., str],
    work: Work,
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        member = TenantService(session).add_member(acme.tenant_id, "Ann", "ann@example.com", Role.ADMIN)
    scopes = ROLE_SCOPES[Role.ADMIN]
    ann = Principal(acme.tenant_id, "acme", f"member:{member.id}", "Ann", scopes, member.id)
    env = {**signed_in, "SLIPWAY_TOKEN": new_token(ann, sorted(scopes))}
    asked = ("subscribe", "Tokens", "--channel", "inbox", "--topic", "token.created")
    assert slipway("notifications", *asked, env=env).returncode == 0
    new_token(acme, ["assets:read"])
    work()
    read = slipway("notifications", "inbox", "--read", env=env)
    assert (read.returncode, "new" in read.stdout) == (0, True), read.stderr
    assert "token" in read.stdout
    new_token(acme, ["assets:write"])
    work()
    first = json.loads(slipway("notifications", "inbox", "--limit", "1", "--json", env=env).stdout)
    (newest,) = first["items"]
    following = ("inbox", "--limit", "1", "--cursor", first["next_cursor"], "--read", "--json")
    (before,) = json.loads(slipway("notifications", *following, env=env).stdout)["items"]
    assert (newest["read_at"], before["read_at"] is None) == (None, False)
    wrong = slipway("notifications", "inbox", "--limit", "0", env=env)
    assert (wrong.returncode, "--limit" in wrong.stderr) == (2, True)
    told = json.loads(slipway("notifications", "inbox", "--json", env=env).stdout)["items"]
    assert told
    assert all(each["read_at"] for each in told)
    wrong = slipway("notifications", "subscribe", "X", "--channel", "inbox", "--topic", "nothing.known", env=env)
    assert (wrong.returncode, "nothing.known" in wrong.stderr) == (1, True)
