"""Workers killed by SIGKILL while they tell: what was sent and not written down is sent again under the same id."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.db import Database
from catalog.notifications.models import NotificationState
from catalog.settings import Settings
from tests.workers.lives import Lives, forked

Office = Any
Receiver = Any
Mailbox = Any
MESSAGE_ID = re.compile(r"^Message-ID: (\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def parent() -> Iterator["subprocess.Popen[str]"]:
    """What workers that tell are forked from."""
    with forked("workers.notifications") as process:
        yield process


@pytest.fixture
def killed(parent: "subprocess.Popen[str]", settings: Settings, database: Database) -> Lives:
    """Lives of workers that tell."""
    return Lives(parent, settings, database)


def test_a_webhook_that_was_sent_and_not_recorded(office: Office, receiver: Receiver, killed: Lives) -> None:
    made = office.subscribe(target=receiver.url)
    office.happen()
    assert killed.live(after="catalog.providers.websites:post")
    (told,) = office.told(made)
    assert (told.state, told.attempts, len(receiver.got)) == (NotificationState.PENDING, 0, 1)
    assert not killed.live()
    (told,) = office.told(made)
    assert (told.state, told.attempts) == (NotificationState.DELIVERED, 1)
    assert receiver.ids == [str(told.id)] * 2, "a receiver can tell that it is the same"
    assert receiver.got[0][1] == receiver.got[1][1]
    assert not killed.live()
    assert len(receiver.got) == 2


def test_a_webhook_whose_receiver_has_not_answered_yet(office: Office, receiver: Receiver, killed: Lives) -> None:
    made = office.subscribe(target=receiver.url)
    office.happen()
    receiver.on_post = lambda: os.kill(killed.pid, signal.SIGKILL)
    assert killed.live()
    receiver.on_post = lambda: None
    assert not killed.live()
    (told,) = office.told(made)
    assert (told.state, told.attempts, receiver.ids) == (NotificationState.DELIVERED, 1, [str(told.id)] * 2)


def test_mail_that_was_taken_and_not_recorded(office: Office, mailbox: Mailbox, killed: Lives) -> None:
    made = office.subscribe(channel="mail", target="team@example.com")
    office.happen()
    assert killed.live(after="catalog.providers.mail:send")
    assert not killed.live()
    (told,) = office.told(made)
    assert (told.state, told.attempts) == (NotificationState.DELIVERED, 1)
    found = [MESSAGE_ID.findall(each) for each in mailbox[0].texts]
    assert found == [[f"<{told.id}@localhost>"]] * 2, "a mailbox can tell that it is the same"


def test_killed_before_any_commit_everybody_is_told_once(office: Office, receiver: Receiver, killed: Lives) -> None:
    made = [office.subscribe(target=receiver.url), office.subscribe(channel="mail", target="team@example.com")]
    digest = office.subscribe(channel="mail", target="all@example.com", digest_minutes=15)
    ann = office.person("Ann")
    office.subscribe(ann, channel="inbox")
    office.happen()
    assert killed.settle() > 4
    office.sql("UPDATE notifications SET created_at = created_at - interval '16 minutes' WHERE state = 'held'")
    assert killed.settle(periodic=True) > 1
    for each in made:
        (told,) = office.told(each)
        assert (told.state, told.attempts) == (NotificationState.DELIVERED, 1)
    assert sorted(each.state for each in office.told(digest)) == ["delivered", "digested"]
    assert len(office.call("inbox", ann)) == 1
    assert len(set(receiver.ids)) == 1
