"""Signatures as the standard's own example has them, and waits that grow, spread and end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from catalog.events.registry import load_events
from catalog.notifications.models import Severity
from catalog.notifications.rules import LONGEST_WAIT, Wanted, matches, wait
from catalog.notifications.signing import SECRET_PREFIX, new_secret, signature_headers
from catalog.notifications.topics import TOPICS, shown


def test_the_signature_is_that_of_the_standards_example() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = signature_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, '{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert new_secret() != new_secret()
    assert new_secret().startswith(SECRET_PREFIX)


@given(attempts=st.integers(1, 100), chance=st.floats(0, 1), asked=st.none() | st.floats(-10, 1e9))
def test_waits_are_bounded_and_spread(attempts: int, chance: float, asked: float | None) -> None:
    found = wait(attempts, chance, asked)
    assert timedelta(seconds=5) <= found <= LONGEST_WAIT
    assert wait(attempts, chance, asked) <= wait(attempts + 1, chance, asked)
    assert wait(attempts, 0.0) * 2 >= wait(attempts, 1.0)


def test_every_topic_is_an_event_and_reads_without_its_data() -> None:
    events = {each.event_name: each for each in load_events().values()}
    for topic, (title, link, _) in TOPICS.items():
        assert topic in events
        known = {name: f"<{name}>" for name in events[topic].model_fields}
        read = shown(topic, known)
        assert "{" not in read.title + read.link
        assert read.title == title.format(**known), topic
        assert read.link == link.format(**known), topic
        assert shown(topic, {}).title


def test_what_is_grave_is_heard_by_who_wants_grave_things_alone() -> None:
    data = {"namespace": "acme", "name": "web", "version": "1.0.0", "state": "revoked", "reason": "x"}
    grave = Wanted(["asset_use.*"], "", "acme/web", "", Severity.CRITICAL, None)
    assert matches(grave, "asset_use.affected", "x", data, shown("asset_use.affected", data))
    mild = {**data, "state": "deprecated"}
    assert not matches(grave, "asset_use.affected", "x", mild, shown("asset_use.affected", mild))
    assert not matches(grave, "token.revoked", "x", data, shown("token.revoked", data))
