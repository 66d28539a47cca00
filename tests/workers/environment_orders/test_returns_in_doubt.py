"""What comes back when something changed meanwhile, went wrong or cannot be read, and what is said of it."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog.assets.models import ChangeVersionState
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments.models import Phase
from catalog.environments.service import EnvironmentWatches, EphemeralEnvironmentService
from catalog.errors import UnavailableError
from catalog.providers.scm import PullRequest, PullRequestState, RepositoryNotFoundError
from catalog.scm.service import ScmService
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway
from tests.workers.environment_orders.test_returns import ListedOnce, closed_and_opened, decision
from workers.environment_watch import watch_pull_requests
from workers.pull_request_listings import BEGUN_AT_ONCE
from workers.scm_watch import look


def changes(one: One, verb: str) -> None:
    """Let the publisher of the blueprint's version do something with it."""
    namespace, _, name = one.row.blueprint.partition("/")
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        move = getattr(AssetService(session), verb)
        move(one.slipway.principal, namespace, name, one.row.blueprint_version, ChangeVersionState(reason="A flaw."))


def ended_before(one: One, span: timedelta) -> None:
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text("UPDATE environments SET destroyed_at = destroyed_at - :span"), {"span": span})


@pytest.mark.parametrize("verb", ["quarantine", "revoke"])
def test_nothing_is_started_from_what_was_forbidden_while_it_was_removed(slipway: Slipway, verb: str) -> None:
    one = One(slipway).request().work()
    one.close()
    one.reopen()
    assert one.looked_for().row.wanted_again
    changes(one, verb)
    row = one.work_all().row
    assert (row.phase, row.wanted_again, row.comes_back, one.runs) == (Phase.DESTROYED, False, True, [])
    assert slipway.open_operations(one.id) == []
    assert one.looked_for().condition["Returned"] == "TriedAgain"
    if verb == "quarantine":
        changes(one, "restore")
        one.time_passes(timedelta(minutes=2))
        assert one.looked_for().work().runs == [one.head]


@pytest.mark.parametrize("verb", ["deprecate", "yank"])
def test_what_still_may_be_started_is_as_it_was(slipway: Slipway, verb: str) -> None:
    one = One(slipway).request().work()
    one.close()
    one.reopen()
    one.looked_for()
    changes(one, verb)
    assert one.work_all().runs == [one.head]


def test_the_time_of_what_was_wanted_during_its_removal_counts_from_when_it_begins(slipway: Slipway) -> None:
    one = One(slipway).request(ttl="PT8H").work()
    most = one.row.hard_expires_at - one.row.lived_since
    one.close()
    one.reopen()
    one.looked_for()
    one.work(fails=True)
    assert (one.row.phase, one.row.wanted_again) == (Phase.DESTROY_FAILED, True)
    one.time_passes(timedelta(hours=9))
    one.work_all()
    row = one.row
    assert (row.phase, one.runs) == (Phase.READY, [one.head])
    assert now() - row.lived_since < timedelta(minutes=5)
    assert timedelta(0) <= row.expires_at - row.lived_since - timedelta(hours=8) < timedelta(minutes=5)
    assert row.hard_expires_at - row.lived_since == most


def test_what_is_said_of_one_that_is_gone_is_true(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request().work())
    assert "It comes back with its pull request within 30 days. " in one.signs.comment
    ended_before(one, timedelta(days=31))
    assert ("comes back" in one.signs.comment, decision(one)[0]) == (False, "requested")
    ended_before(one, -timedelta(days=31))
    one.outside.pulls[one.number] = (PullRequestState.CLOSED, one.head)
    assert decision(one)[0] == "returned"
    one.ask("destroy")
    assert ("comes back" in one.signs.comment, decision(one)[0]) == (False, "requested")


def test_one_that_is_destroyed_by_hand_while_it_is_tried_again_says_that_no_more(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = closed_and_opened(One(slipway).request().work())
    shown = list[object]()
    monkeypatch.setattr("catalog.environments.service.returns.signs_due_now", shown.append)
    monkeypatch.setattr("catalog.environments.service.wishes.blueprint_of", raising(UnavailableError("No answer.")))
    for _ in range(5):
        one.looked_for()
        one.time_passes(timedelta(minutes=2))
    assert (one.condition["Returned"], len(shown)) == ("TriedAgain", 1), "told at the pull request once"
    one.ask("destroy")
    assert (one.condition, one.row.retry_at) == ({}, None)


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def test_a_repository_that_cannot_be_read_brings_nothing_back_and_fills_no_log(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = closed_and_opened(One(slipway).request().work())
    caplog.set_level(logging.WARNING)
    with monkeypatch.context() as patched:
        patched.setattr(ScmService, "open", raising(RepositoryNotFoundError("It was moved.")))
        for _ in range(3):
            watch_pull_requests(slipway.context())
    assert (caplog.records, one.row.phase, one.row.comes_back) == ([], Phase.DESTROYED, True)
    watch_pull_requests(slipway.context())
    assert one.row.phase is Phase.QUEUED


def test_those_that_always_fail_keep_none_behind_them(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [closed_and_opened(One(slipway).request().work()) for _ in range(BEGUN_AT_ONCE + 1)]
    request, tried = EphemeralEnvironmentService.request, list[int]()

    def fail(self: EphemeralEnvironmentService, principal: Any, asked: Any, **more: Any) -> Any:
        tried.append(asked.pull_request)
        if asked.pull_request != many[-1].number:
            raise RuntimeError("A bug.")
        return request(self, principal, asked, **more)

    monkeypatch.setattr(EphemeralEnvironmentService, "request", fail)
    for _ in range(3):
        watch_pull_requests(slipway.context())
    assert (many[-1].row.phase, len(tried)) == (Phase.QUEUED, len(many))
    many[0].time_passes(timedelta(minutes=2))
    watch_pull_requests(slipway.context())
    assert tried[len(many) :] == [many[0].number]


def test_a_listing_that_a_newer_one_has_overtaken_brings_nothing_back(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = closed_and_opened(One(slipway).request().work())
    monkeypatch.setattr("workers.scm_watch.ScmService", ListedOnce)
    ListedOnce.pulls = [PullRequest(one.number, PullRequestState.OPEN, one.head, "feature", base="main")]
    monkeypatch.setattr("workers.scm_watch.conditions_of", lambda _: [])
    with monkeypatch.context() as patched:
        patched.setattr(ListedOnce, "listed_at", lambda *_: now())
        look(slipway.context(), one.tenant_id, one.id)
    assert one.row.incarnation == 1
    look(slipway.context(), one.tenant_id, one.id)
    assert one.row.incarnation == 2


def test_a_branch_that_was_named_is_no_pull_request_that_is_opened_again(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request(branch="feature-x").work())
    watch_pull_requests(slipway.context())
    assert (one.row.phase, one.row.comes_back, decision(one)[0]) == (Phase.DESTROYED, False, "requested")


def test_a_repository_that_is_connected_again_is_followed_where_something_may_come_back(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = closed_and_opened(One(slipway).request().work())
    address, noted = "https://github.com/acme/shop", list[str]()
    with slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text("UPDATE environments SET repository = :address"), {"address": address})
    monkeypatch.setattr(ScmService, "is_connected", lambda *_: True)
    monkeypatch.setattr(ScmService, "note", lambda _self, _tenant, found: noted.append(found))
    with slipway.database.tenant_session(one.tenant_id) as session:
        EnvironmentWatches(session, slipway.settings).connections_changed(one.tenant_id)
    assert noted == [address]


def test_two_tenants_of_one_repository_have_nothing_of_each_other(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.close()
    one.work_all()
    first = slipway.principal
    slipway.act_for("other")
    slipway.number = one.number - 1
    other = One(slipway).request().work()
    slipway.principal = first
    watch_pull_requests(slipway.context())
    assert (one.row.phase, one.row.incarnation, other.id != one.id) == (Phase.QUEUED, 2, True)
    slipway.principal = slipway.act_for("other")
    assert (other.row.phase, other.row.incarnation) == (Phase.READY, 1)
