"""Environments that ended with their pull requests come back with them, as they were; what a person ended does not."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog.clock import now
from catalog.environments.models import Phase
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService
from catalog.errors import InvalidInputError, UnavailableError
from catalog.gating import Level, PolicyRefusedError, Verdict, Violation
from catalog.providers.scm import PullRequest, PullRequestState, RepositoryNotFoundError
from catalog.scm.service import ScmService
from tests.workers.environment_orders.one import SHOP, One
from tests.workers.environment_orders.slipway import Slipway
from workers.environment_watch import watch_pull_requests
from workers.scm_watch import look


def closed_and_opened(one: One) -> One:
    one.close()
    one.work_all()
    one.reopen()
    return one


def decision(one: One) -> tuple[str, str]:
    found = one.slipway.do(lambda service: service.explain(one.slipway.principal, SHOP, one.number)).decision
    return (found.rule, found.act.value)


def test_the_poll_brings_it_back_with_version_inputs_and_time(slipway: Slipway) -> None:
    one = One(slipway).request(ttl="PT7H").work()
    with slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text('UPDATE environments SET inputs = inputs || \'{"greeting": "Moin"}\''))
    version = one.row.blueprint_version
    one.close()
    one.work_all()
    assert decision(one) == ("returned", "keep")
    watch_pull_requests(slipway.context())
    assert one.row.phase is Phase.DESTROYED
    one.reopen()
    assert decision(one) == ("commit", "move")
    watch_pull_requests(slipway.context())
    row = one.work_all().row
    assert (row.incarnation, row.ttl_seconds, row.blueprint_version) == (2, 7 * 3600, version)
    assert (row.inputs["greeting"], one.runs, row.comes_back) == ("Moin", [one.head], False)


def test_a_listing_of_a_server_brings_it_back(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    one = closed_and_opened(One(slipway).request().work())
    monkeypatch.setattr("workers.scm_watch.ScmService", ListedOnce)
    ListedOnce.pulls = [PullRequest(one.number, PullRequestState.OPEN, one.head, "feature", base="main")]
    monkeypatch.setattr("workers.scm_watch.conditions_of", lambda _: [])
    look(slipway.context(), one.tenant_id, one.id)
    assert one.work().runs == [one.head]


class ListedOnce:
    """A double of what is known of a server's repository: one listing, that is the newest."""

    address = SHOP
    pulls: list[PullRequest]
    asked_at: object = None

    def __init__(self, *_: object) -> None:
        pass

    def repository(self, *_: object) -> "ListedOnce":
        return self

    def pull_requests(self) -> list[PullRequest]:
        return self.pulls

    def listed(self, *given: object) -> bool:
        ListedOnce.asked_at = given[-1]
        return True

    def listed_at(self, *_: object) -> object:
        return self.asked_at


@pytest.mark.parametrize("end", ["by hand", "by hand while it goes", "by hand once it is gone", "expired", "merged"])
def test_what_ended_otherwise_stays_gone(slipway: Slipway, end: str) -> None:
    one = One(slipway).request().work()
    if end == "expired":
        one.time_passes(timedelta(days=400))
    elif end == "merged":
        pull = PullRequest(one.number, PullRequestState.CLOSED, one.head, "feature", base="main", is_merged=True)
        slipway.do(lambda service: service.follow_listed(one.tenant_id, one.id, [pull]))
    elif end == "by hand":
        one.ask("destroy")
        one.close()
    else:
        one.close()
        one.work_all() if end.endswith("gone") else None
        one.ask("destroy")
    one.work_all()
    one.reopen()
    watch_pull_requests(slipway.context())
    assert one.row.phase is Phase.DESTROYED
    assert decision(one)[0] == "requested"


def test_after_a_month_somebody_has_to_ask(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request().work())
    with slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text("UPDATE environments SET destroyed_at = destroyed_at - interval '31 days'"))
    watch_pull_requests(slipway.context())
    assert (one.row.phase, decision(one)) == (Phase.DESTROYED, ("requested", "keep"))


def test_a_wish_that_waited_long_for_the_end_has_its_whole_life(slipway: Slipway) -> None:
    one = One(slipway).request(ttl="PT8H").work()
    one.close()
    one.reopen()
    assert one.looked_for().row.wanted_again
    one.time_passes(timedelta(hours=9))
    row = one.work_all().row
    assert (row.phase, one.runs) == (Phase.READY, [one.head])
    assert now() + timedelta(hours=7) < row.expires_at <= row.hard_expires_at


def test_a_repository_that_is_gone_brings_nothing_back_and_says_nothing(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = closed_and_opened(One(slipway).request().work())

    def gone(*_: object) -> None:
        raise RepositoryNotFoundError("There is no such repository.")

    monkeypatch.setattr(ScmService, "open", gone)
    watch_pull_requests(slipway.context())
    assert (one.row.phase, caplog.records) == (Phase.DESTROYED, [])


def test_a_forks_commit_waits_for_an_approval_again(slipway: Slipway) -> None:
    one = One(slipway, is_fork=True, author="mallory").request().work()
    assert one.row.approved_sha == one.head
    closed_and_opened(one)
    assert decision(one) == ("fork", "hold")
    assert one.looked_for().row.phase is Phase.PENDING_APPROVAL
    held = one.row
    assert (held.waiting_sha, held.approved_sha) == (one.head, None)
    assert one.work_all().runs == []
    one.ask("approve", one.head)
    assert one.work().runs == [one.head]


def test_a_fork_that_comes_back_while_it_is_removed_waits_for_the_end_and_an_approval(slipway: Slipway) -> None:
    one = One(slipway, is_fork=True, author="mallory").request().work()
    one.close()
    one.reopen()
    assert (one.looked_for().row.phase, one.row.wanted_again) == (Phase.DESTROYING, False)
    assert one.work().looked_for().row.phase is Phase.PENDING_APPROVAL


def test_a_draft_waits_until_it_is_ready(slipway: Slipway) -> None:
    one = One(slipway).request(slipway.blueprint(follow={"drafts": False})).work()
    one.becomes(watch=False, is_draft=True)
    closed_and_opened(one)
    assert (one.looked_for().row.phase, decision(one)) == (Phase.DESTROYED, ("draft", "keep"))
    one.becomes(watch=False, is_draft=False)
    assert one.looked_for().work().runs == [one.head]


def test_a_draft_that_is_only_built_waits_in_its_new_life(slipway: Slipway) -> None:
    one = One(slipway).request(slipway.blueprint(follow={"drafts": "build_only"})).work()
    one.becomes(watch=False, is_draft=True)
    closed_and_opened(one).looked_for()
    assert (one.row.phase, one.row.waiting_sha) == (Phase.PENDING_APPROVAL, one.head)
    assert (one.told("build_requested"), one.told("approval_needed")) == (1, 0)
    one.becomes(is_draft=False)
    assert one.work().runs == [one.head]


def test_policies_that_refuse_are_said_and_asked_again(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request().work())
    violations = (Violation(rule="late", level=Level.MANDATORY, message="Not on Fridays."),)

    def refuse(*_: Any, **__: Any) -> None:
        raise PolicyRefusedError(Verdict(allowed=False, violations=violations), lambda _session: None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EphemeralEnvironmentService, "_ask_policies", refuse)
        one.looked_for()
        one.looked_for()
    assert (one.row.phase, one.condition["Allowed"], one.told("refused")) == (Phase.REJECTED, "PolicyRefused", 1)
    slipway.do(lambda service: service.ask_again(one.tenant_id, one.id))
    assert one.work().runs == [one.head]


def fails(one: One, error: Exception, times: int) -> list[int]:
    """Let what would bring it back fail so often, each time that it is tried again; return how often it was tried."""
    tried: list[int] = []

    def raises(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise error

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("catalog.environments.service.wishes.blueprint_of", raises)
        for _ in range(times):
            for _ in range(3):
                one.looked_for()
            one.time_passes(timedelta(hours=1))
    return tried


def test_what_cannot_come_back_is_tried_a_few_times_and_told(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request().work())
    tried = fails(one, InvalidInputError("That blueprint is gone."), 8)
    assert (len(tried), one.row.phase, one.condition["Returned"]) == (4, Phase.DESTROYED, "GivenUp")
    assert "That blueprint is gone" in one.signs.comment
    assert one.looked_for().row.phase is Phase.DESTROYED
    assert one.request().condition == {}, "asking is what helps"


def test_what_may_pass_is_tried_again(slipway: Slipway) -> None:
    one = closed_and_opened(One(slipway).request().work())
    assert "comes back with its pull request" in one.signs.comment
    assert len(fails(one, UnavailableError("The server does not answer."), 8)) == 8
    assert (one.condition["Returned"], decision(one)) == ("TriedAgain", ("returned", "keep"))
    assert one.looked_for().work().runs == [one.head]
    assert "Returned" not in one.condition


def test_one_that_cannot_come_back_keeps_no_other(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (closed_and_opened(One(slipway).request().work()) for _ in range(2))
    request = EphemeralEnvironmentService.request

    def fail(self: EphemeralEnvironmentService, principal: Any, asked: Any, **more: Any) -> Any:
        if asked.pull_request == first.number:
            raise RuntimeError("A bug.")
        return request(self, principal, asked, **more)

    monkeypatch.setattr(EphemeralEnvironmentService, "request", fail)
    monkeypatch.setattr("workers.pull_request_listings.BEGUN_AT_ONCE", 1)
    for _ in range(2):
        watch_pull_requests(slipway.context())
    assert [each.row.phase for each in (first, second)] == [Phase.DESTROYED, Phase.QUEUED]


def test_an_automation_brings_back_what_began_by_itself_until_it_is_ended(slipway: Slipway) -> None:
    slipway.automate()
    one = One(slipway)
    watch_pull_requests(slipway.context())
    one.id = next(each.id for each in slipway.do(lambda service: service.page(one.tenant_id)))
    one.work()
    with slipway.database.tenant_session(one.tenant_id) as session:
        automation = EnvironmentAutomation(session, slipway.settings)
        automation.end(slipway.principal, automation.all(one.tenant_id)[0].id)
    closed_and_opened(one)
    watch_pull_requests(slipway.context())
    assert one.row.phase is Phase.DESTROYED
