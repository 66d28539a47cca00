"""Mail through a real server, digests against floods, and what comes to a person's inbox."""

import json
from typing import Any

from catalog.approvals.models import Ask
from catalog.approvals.service import ApprovalService
from catalog.notifications.models import NotificationState
from catalog.tenancy import Role

Office = Any
Mailbox = Any


def test_mail_arrives_with_a_link_and_an_id(office: Office, mailbox: Mailbox) -> None:
    ann = office.person("Ann")
    made = office.subscribe(ann, channel="mail")
    assert made.target == "ann@example.com"
    office.happen()
    office.drain()
    (text,) = mailbox[0].texts
    assert "Subject: An access token was revoked" in text
    assert "/tenants/tokens" in text
    (told,) = office.told(made)
    assert (told.state, f"<{told.id}@localhost>" in text) == (NotificationState.DELIVERED, True)
    assert mailbox[0].got[0].rcpt_tos == ["ann@example.com"]


def test_a_mail_server_that_is_down_is_tried_again(office: Office, mailbox: Mailbox) -> None:
    made = office.subscribe(channel="mail", target="team@example.com")
    mailbox[1].stop()
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert (told.state, told.attempts) == (NotificationState.PENDING, 1)
    assert "does not answer" in told.problem


def test_a_refused_recipient_is_not_tried_again(office: Office, mailbox: Mailbox) -> None:
    made = office.subscribe(channel="mail", target="nobody@example.com")
    mailbox[0].refuse = "550 No such user"
    office.happen()
    office.drain()
    (told,) = office.told(made)
    assert (told.state, told.attempts, "550" in told.problem) == (NotificationState.DEAD, 1, True)


def test_a_digest_is_one_mail(office: Office, mailbox: Mailbox) -> None:
    made = office.subscribe(channel="mail", target="team@example.com", digest_minutes=15)
    for _ in range(3):
        office.happen()
    office.drain(periodic=True)
    assert mailbox[0].texts == []
    office.sql("UPDATE notifications SET created_at = created_at - interval '16 minutes'")
    office.call("gather", office.acme.tenant_id, made.id)
    assert not office.call("gather", office.acme.tenant_id, made.id)
    office.drain()
    (text,) = mailbox[0].texts
    assert "Subject: 3 things happened" in text
    assert text.count("An access token was revoked") == 3
    states = sorted(each.state for each in office.told(made))
    assert states == ["delivered", "digested", "digested", "digested"]


def test_a_flood_is_held_back_by_itself(office: Office, mailbox: Mailbox, monkeypatch: Any) -> None:
    monkeypatch.setattr("catalog.notifications.rules.FLOOD_PER_HOUR", 2)
    made = office.subscribe(channel="mail", target="team@example.com")
    for _ in range(5):
        office.happen()
    office.drain()
    assert len(mailbox[0].texts) == 2
    assert sorted(each.state for each in office.told(made)) == ["delivered", "delivered", "held", "held", "held"]


def test_who_is_asked_to_approve_is_told_without_a_subscription(office: Office) -> None:
    bob, cid, dev = office.person("Bob", Role.APPROVER), office.person("Cid"), office.person("Dev", Role.DEVELOPER)
    office.subscribe(cid, channel="inbox", topics=["approval.*"])
    office.subscribe(dev, channel="inbox", topics=["approval.*"])
    with office.database.tenant_session(office.acme.tenant_id) as session:
        asked = Ask(kind="test", subject="tests/1", title="Deploy\u00a0web", plan_digest="9f" * 32)
        approval = ApprovalService(session).ask(office.acme, asked)
    office.drain()
    for person in (bob, cid):
        (told,) = office.call("inbox", person)
        assert (told.title, told.link) == ("Approval wanted: Deploy web", f"/approvals/{approval.id}")
    assert office.call("inbox", dev) == []
    assert office.call("unread", bob) == 1
    assert office.call("mark_read", bob) == 1
    assert office.call("unread", bob) == 0


def test_an_approval_is_asked_for_by_mail_and_webhook(office: Office, mailbox: Mailbox, receiver: Any) -> None:
    bob, dev = office.person("Bob", Role.APPROVER), office.person("Dev", Role.DEVELOPER)
    for each in (bob, dev):
        office.subscribe(each, channel="mail", topics=["approval.requested"])
    office.subscribe(target=receiver.url, topics=["approval.requested"])
    with office.database.tenant_session(office.acme.tenant_id) as session:
        asked = Ask(kind="test", subject="tests/1", title="Deploy web", plan_digest="9f" * 32)
        approval = ApprovalService(session).ask(office.acme, asked)
    office.drain()
    (text,) = mailbox[0].texts
    assert mailbox[0].got[0].rcpt_tos == ["bob@example.com"], "who cannot approve is not asked"
    assert "Subject: Approval wanted: Deploy web" in text
    assert f"/approvals/{approval.id}" in text
    ((_, body),) = receiver.got
    event = json.loads(body)
    assert (event["type"], event["data"]["approval_id"]) == ("dev.slipway.approval.requested.v1", str(approval.id))


def test_who_has_left_is_told_nothing(office: Office, mailbox: Mailbox) -> None:
    ann = office.person("Ann")
    made = office.subscribe(ann, channel="mail")
    office.call("test", ann, made.id)
    office.sql("UPDATE members SET removed_at = now()")
    office.happen()
    office.drain()
    assert mailbox[0].texts == []
    assert [each.state for each in office.told(made)] == [NotificationState.DEAD]
