"""Webhooks: signed as the standard says, tried again under the same id, and never sent where they must not go."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalog.errors import InvalidInputError, NotFoundError
from catalog.notifications.errors import NotReplayableError
from catalog.notifications.models import NotificationState, SubscriptionState
from catalog.tenancy import Principal, Role

Office = Any
Receiver = Any
_SOON = timedelta(seconds=0.3)


def is_signed(headers: dict[str, str], body: str, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")


def test_an_event_arrives_signed_once_and_as_it_is_public(office: Office, receiver: Receiver, rival: Principal) -> None:
    made = office.subscribe(target=receiver.url)
    office.subscribe(target=receiver.url, topics=["environment.*"])
    office.happen()
    office.happen(rival)
    assert office.drain() == ["notifications.take", "notifications.take", "notifications.deliver"]
    ((headers, body),) = receiver.got
    assert is_signed(headers, body, made.secret)
    event = json.loads(body)
    assert (event["specversion"], event["type"]) == ("1.0", "dev.slipway.token.revoked.v1")
    assert event["tenantid"] == str(office.acme.tenant_id)
    (told,) = office.told(made)
    assert (told.state, str(told.id)) == (NotificationState.DELIVERED, headers["webhook-id"])
    assert (told.tries[0].status, told.tries[0].response) == (200, "ok")
    assert made.secret not in told.model_dump_json()
    with office.database.tenant_session(office.acme.tenant_id) as session:
        kept = session.connection().exec_driver_sql("SELECT secrets FROM notification_subscriptions").scalars()
        assert all(made.secret not in each for each in kept)


def test_a_failing_receiver_is_tried_again_under_the_same_id(
    office: Office, receiver: Receiver, quick_retries: Callable[[], None]
) -> None:
    quick_retries()
    made = office.subscribe(target=receiver.url)
    receiver.status, receiver.body = 500, b"x" * 5_000_000
    office.happen()
    office.drain()
    (dead,) = office.told(made)
    assert (dead.state, dead.attempts, len(dead.tries)) == (NotificationState.DEAD, 12, 12)
    assert len(set(receiver.ids)) == 1
    assert len(dead.tries[0].response) == 2000
    receiver.status = 200
    office.call("replay", office.acme, dead.id)
    office.drain()
    (told,) = office.told(made)
    assert (told.state, told.attempts) == (NotificationState.DELIVERED, 1)
    assert set(receiver.ids) == {str(dead.id)}
    with pytest.raises(NotReplayableError):
        office.call("replay", office.acme, dead.id)


def test_lasting_failure_disables_and_says_so(office: Office, receiver: Receiver) -> None:
    made = office.subscribe(target=receiver.url)
    receiver.status = 503
    office.happen()
    office.drain()
    assert office.call("subscription", office.acme, made.id).failing_since is not None
    office.sql("UPDATE notification_subscriptions SET failing_since = now() - interval '73 hours'")
    office.happen()
    office.drain()
    disabled = office.call("subscription", office.acme, made.id)
    assert (disabled.state, "503" in disabled.reason) == (SubscriptionState.DISABLED, True)
    office.happen()
    seen = len(receiver.got)
    office.drain()
    assert len(receiver.got) == seen
    resumed = office.call("pause", office.acme, made.id, resume=True)
    assert (resumed.state, resumed.failing_since) == (SubscriptionState.ACTIVE, None)


def test_a_receiver_that_is_gone_is_not_asked_again(office: Office, receiver: Receiver) -> None:
    made = office.subscribe(target=receiver.url)
    receiver.status = 410
    office.happen()
    office.drain()
    assert office.call("subscription", office.acme, made.id).state is SubscriptionState.DISABLED
    assert (office.told(made)[0].state, len(receiver.got)) == (NotificationState.DEAD, 1)


def test_redirects_are_not_followed(office: Office, receiver: Receiver) -> None:
    made = office.subscribe(target=receiver.url)
    receiver.status, receiver.headers = 302, {"Location": f"http://{receiver.host}/elsewhere"}
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert (told.state, len(receiver.got)) == (NotificationState.PENDING, 1)
    assert "redirects are not followed" in told.problem


def test_a_receiver_that_hangs_or_drips_is_left(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.providers.websites.LONGEST", 0.5)
    made = office.subscribe(target=receiver.url)
    receiver.drip = 50
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert (told.state, told.tries[0].seconds < 3) == (NotificationState.PENDING, True)
    assert "longer" in told.problem


def test_retry_after_is_kept_to(office: Office, receiver: Receiver) -> None:
    made = office.subscribe(target=receiver.url)
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert 590 < (told.next_attempt_at - told.tries[0].at).total_seconds() < 610


@pytest.mark.parametrize("target", ["https://127.0.0.1:9", "https://localhost", "https://[::1]", "https://10.0.0.1"])
def test_nothing_inside_this_network_is_asked(office: Office, receiver: Receiver, target: str) -> None:
    made = office.subscribe(target=target)
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert (told.state, receiver.got) == (NotificationState.PENDING, [])
    assert "not a public host" in told.problem


@pytest.mark.parametrize(
    "asked",
    [
        {"target": "http://example.com/hook"},
        {"target": "ftp://example.com"},
        {"target": "https://user:secret@example.com"},
        {"target": ""},
        {"target": "https://example.com", "topics": ["nothing.known"]},
        {"target": "https://example.com", "digest_minutes": 5},
        {"channel": "mail", "target": "not-an-address"},
    ],
)
def test_what_cannot_be_subscribed_is_refused_by_field(office: Office, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        office.subscribe(**asked)
    assert refused.value.errors


def test_a_rotated_secret_overlaps_for_a_day(office: Office, receiver: Receiver) -> None:
    made = office.subscribe(target=receiver.url)
    rotated = office.call("rotate", office.acme, made.id)
    office.happen()
    office.drain()
    headers, body = receiver.got[-1]
    assert is_signed(headers, body, made.secret)
    assert is_signed(headers, body, rotated.secret)
    office.sql("UPDATE notification_subscriptions SET old_secret_until = now()")
    office.call("test", office.acme, made.id)
    office.drain()
    headers, body = receiver.got[-1]
    assert not is_signed(headers, body, made.secret)
    assert is_signed(headers, body, rotated.secret)
    assert json.loads(body)["type"] == "dev.slipway.notification.test.v1"


def test_a_worker_that_dies_after_sending_sends_the_same_again(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = office.subscribe(target=receiver.url)
    office.happen()
    with monkeypatch.context() as broken:
        # The answer is lost with the process, as when it is killed between the answer and the record of it.
        broken.setattr(
            "catalog.notifications.service.NotificationService.record", lambda *_: (_ for _ in ()).throw(SystemExit)
        )
        office.drain(patience=_SOON)
    assert office.told(made)[0].state is NotificationState.PENDING
    office.drain()
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
    assert office.told(made)[0].state is NotificationState.DELIVERED


def test_filters_keep_what_is_not_wanted(office: Office, receiver: Receiver) -> None:
    for asked in ({"severity": "critical"}, {"subject": "environments/"}, {"asset": "acme/web"}, {"owner": "ann"}):
        office.subscribe(target=receiver.url, topics=["*"], **asked)
    office.happen()
    assert office.drain() == ["notifications.take"]
    office.subscribe(target=receiver.url, topics=["token.*"], subject="tokens/")
    office.happen()
    office.drain()
    assert len(receiver.got) == 1


def test_only_administrators_and_the_tenant_see_a_webhook(office: Office, receiver: Receiver, rival: Principal) -> None:
    made = office.subscribe(target=receiver.url)
    with pytest.raises(NotFoundError):
        office.call("subscription", rival, made.id, tenant=rival.tenant_id)
    assert office.call("subscriptions", rival, tenant=rival.tenant_id) == []
    own = office.subscribe(office.person("Ann"), channel="inbox")
    eve = office.person("Eve", Role.VIEWER)
    viewer = Principal(eve.tenant_id, "acme", eve.actor, "Eve", frozenset({"events:read"}), eve.member_id)
    with pytest.raises(NotFoundError):
        office.call("subscription", viewer, own.id)
    assert [each.id for each in office.call("subscriptions", viewer)] == [made.id]
