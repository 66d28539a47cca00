"""What follows from listings of pull requests: nothing of one tenant, repository or pull request keeps another."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from catalog.assets.blueprint_spec import Follow
from catalog.clock import now
from catalog.environments.automations import AutomateEnvironments
from catalog.environments.models import Phase, RequestEnvironment
from catalog.environments.service import EnvironmentAutomation, EnvironmentBuilds, EphemeralEnvironmentService
from catalog.environments.service import automation as automations
from catalog.errors import InvalidInputError
from catalog.providers.scm import PullRequest, PullRequestState, RateLimitedError
from catalog.scm.models import ScmConnection, ScmRepository
from catalog.scm.service import ScmService
from tests.workers.environment_orders.doubles import Repository
from tests.workers.environment_orders.slipway import Slipway
from workers import pull_request_listings, scm_watch
from workers.environment_watch import watch_pull_requests

SHOP, OTHER = "/srv/shop", "/srv/other"


def opens(slipway: Slipway, *numbers: int, **about: Any) -> None:
    for number in numbers:
        slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")
        slipway.outside.branches[number] = f"feature-{number}"
        slipway.outside.about[number] = {"base": "main", **about}


def request(slipway: Slipway, asked: RequestEnvironment) -> None:
    slipway.do(lambda service: service.request(slipway.principal, asked))


def automate(slipway: Slipway, repository: str = SHOP) -> None:
    asked = AutomateEnvironments(repository=repository, blueprint="acme/preview")
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        EnvironmentAutomation(session, slipway.settings).automate(slipway.principal, asked)


def attempts(slipway: Slipway) -> dict[int, str]:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        found = EnvironmentAutomation(session, slipway.settings).all(slipway.principal.tenant_id)
    return {each.pull_request: each.problem for row in found for each in row.attempts}


def made(slipway: Slipway) -> dict[int, Phase]:
    found = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    return {each.pull_request: each.phase for each in found}


def says(monkeypatch: pytest.MonkeyPatch, **follow: Any) -> None:
    """Let the blueprint say this of what follows its pull requests."""
    monkeypatch.setattr(EnvironmentAutomation, "_follow", lambda *_: Follow(**follow))


def spoil(slipway: Slipway, blueprint: str) -> None:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE environment_automations SET blueprint = :blueprint"), {"blueprint": blueprint})


@pytest.fixture
def followed(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> Slipway:
    """Follow two repositories, of which the first one comes first."""
    tenant_id = slipway.principal.tenant_id
    connection = ScmConnection(
        tenant_id=tenant_id,
        name="one",
        provider="github",
        base_url="https://scm.example.com",
        sealed_credentials="",
        sealed_hook_secrets="",
        hook_key="key",
        created_by="ann",
    )
    rows = [
        ScmRepository(
            tenant_id=tenant_id,
            connection_id=connection.id,
            address=address,
            poll_at=now() - timedelta(minutes=minutes),
        )
        for address, minutes in ((SHOP, 9), (OTHER, 5))
    ]
    with slipway.database.tenant_session(tenant_id) as session:
        session.add(connection)
        session.flush()
        session.add_all(rows)
    addresses = {each.id: each.address for each in rows}
    opened = lambda _self, _tenant, found: Repository(slipway.outside, addresses[found])  # noqa: E731  # a double
    monkeypatch.setattr(ScmService, "repository", opened)
    monkeypatch.setattr(scm_watch, "conditions_of", lambda _: [])
    return slipway


def polled(slipway: Slipway) -> list[tuple[str, bool, bool]]:
    """Return of each repository whether it was listed, and whether it is still due."""
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        statement = text(
            "SELECT address, polled_at IS NOT NULL, poll_at <= now() FROM scm_repositories ORDER BY 1 DESC"
        )
        return [(address, listed, due) for address, listed, due in session.execute(statement)]


def test_a_blueprint_that_is_gone_stops_no_listing_and_is_told(
    followed: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automations, "TRY_AGAIN", timedelta(0))
    opens(followed, 1)
    automate(followed)
    spoil(followed, "acme/gone")
    scm_watch.poll_due(followed.context())
    assert polled(followed) == [(SHOP, True, False), (OTHER, True, False)]
    assert "acme/gone" in attempts(followed)[1]
    spoil(followed, "acme/preview")
    watch_pull_requests(followed.context())
    assert (made(followed), attempts(followed)) == ({1: Phase.QUEUED}, {1: ""})


def test_a_database_error_in_one_repository_keeps_no_other_and_puts_it_off(
    followed: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = pull_request_listings.begin_listed

    def fail(context: Any, tenant_id: Any, repository: str, opened: Sequence[PullRequest]) -> None:
        if repository == SHOP:
            raise OperationalError("SELECT 1", {}, Exception("deadlock detected"))
        begin(context, tenant_id, repository, opened)

    monkeypatch.setattr(scm_watch, "begin_listed", fail)
    scm_watch.poll_due(followed.context())
    assert polled(followed) == [(SHOP, True, False), (OTHER, True, False)]


def test_one_pull_request_that_fails_takes_nothing_from_the_others(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(slipway, 1, 2, 3)
    automate(slipway)
    as_ever = EphemeralEnvironmentService.request

    def fail(self: EphemeralEnvironmentService, principal: Any, asked: RequestEnvironment, **more: Any) -> Any:
        if asked.pull_request == 2:
            raise OperationalError("SELECT 1", {}, Exception("deadlock detected"))
        return as_ever(self, principal, asked, **more)

    monkeypatch.setattr(EphemeralEnvironmentService, "request", fail)
    watch_pull_requests(slipway.context())
    assert sorted(made(slipway)) == [1, 3]


def test_a_listing_that_is_not_the_newest_any_more_moves_nothing(followed: Slipway) -> None:
    opens(followed, 1)
    asked = RequestEnvironment(repository=SHOP, pull_request=1, blueprint="acme/preview")
    environment_id = followed.do(lambda service: service.request(followed.principal, asked).id)
    old = [PullRequest(1, PullRequestState.OPEN, "f" * 40, "feature-1", base="main")]
    tenant_id = followed.principal.tenant_id
    followed.do(lambda service: service.follow_listed(tenant_id, environment_id, old, lambda: False))
    assert followed.do(lambda service: service.get(tenant_id, environment_id).head_sha) == f"{1:040x}"
    followed.do(lambda service: service.follow_listed(tenant_id, environment_id, old))
    assert followed.do(lambda service: service.get(tenant_id, environment_id).head_sha) == "f" * 40


def test_so_many_begin_at_once_and_the_others_at_the_next_look(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_request_listings, "BEGUN_AT_ONCE", 2)
    opens(slipway, 1, 2, 3)
    automate(slipway)
    watch_pull_requests(slipway.context())
    assert sorted(made(slipway)) == [1, 2]
    watch_pull_requests(slipway.context())
    assert sorted(made(slipway)) == [1, 2, 3]


def test_what_passes_by_itself_is_tried_again(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automations, "TRY_AGAIN", timedelta(0))
    says(monkeypatch, paths=("*.py",))
    opens(slipway, 1, 2)
    automate(slipway)

    def limited(*_: object) -> None:
        raise RateLimitedError("Too many requests.", 30.0)

    with monkeypatch.context() as patched:
        patched.setattr(Repository, "changed_paths", limited)
        watch_pull_requests(slipway.context())
    assert (made(slipway), attempts(slipway)) == ({}, {1: "Too many requests."}), "nothing more was asked"
    limits = {"environment_quota": 1, "environment_queue": 0}
    slipway.settings = slipway.settings.model_copy(update=limits)
    watch_pull_requests(slipway.context())
    assert made(slipway) == {1: Phase.QUEUED}
    assert "no longer needed" in attempts(slipway)[2]
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 2})
    watch_pull_requests(slipway.context())
    assert (sorted(made(slipway)), attempts(slipway)) == ([1, 2], {1: "", 2: ""})


def test_a_refusal_that_cannot_be_written_down_is_told(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    opens(slipway, 1, is_fork=True, author="mallory")
    automate(slipway)

    def fail(*_: object, **__: object) -> None:
        raise InvalidInputError("It cannot be set down.")

    monkeypatch.setattr(EphemeralEnvironmentService, "set_down", fail)
    watch_pull_requests(slipway.context())
    assert attempts(slipway) == {1: "It cannot be set down."}


def test_what_paths_leave_out_is_compared_once_for_each_commit(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, paths=("*.md",))
    opens(slipway, 1)
    automate(slipway)
    compared: list[str] = []
    changed_paths = Repository.changed_paths

    def count(self: Repository, base: str, head: str) -> tuple[str, ...]:
        compared.append(head)
        return changed_paths(self, base, head)

    monkeypatch.setattr(Repository, "changed_paths", count)
    for _ in range(3):
        watch_pull_requests(slipway.context())
    assert (made(slipway), compared) == ({}, [f"{1:040x}"])
    assert "*.md" in attempts(slipway)[1]
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "f" * 40)
    slipway.outside.changed = ("README.md",)
    watch_pull_requests(slipway.context())
    assert (made(slipway), compared) == ({1: Phase.QUEUED}, [f"{1:040x}", "f" * 40])


def test_one_reopened_while_its_environment_is_removed_begins_again(slipway: Slipway) -> None:
    opens(slipway, 1)
    automate(slipway)
    watch_pull_requests(slipway.context())
    (first,) = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    slipway.work(first.id)
    slipway.outside.pulls[1] = (PullRequestState.CLOSED, f"{1:040x}")
    slipway.do(lambda service: service.destroy(slipway.principal, first.id))
    watch_pull_requests(slipway.context())
    opens(slipway, 1)
    watch_pull_requests(slipway.context())
    assert (made(slipway)[1], attempts(slipway)) == (Phase.DESTROYING, {})
    while slipway.pending(first.id):
        slipway.work(first.id)
    watch_pull_requests(slipway.context())
    assert made(slipway)[1] is Phase.QUEUED


def test_a_fork_that_is_only_built_is_built_where_it_began_by_itself(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, forks="build_only")
    opens(slipway, 1, is_fork=True, author="mallory")
    automate(slipway)
    watch_pull_requests(slipway.context())
    (held,) = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    assert any("build" in each.type for each in slipway.events(held.id))
    with slipway.database.tenant_session(held.tenant_id) as session:
        plan = EnvironmentBuilds(session, slipway.settings).plan(held.tenant_id, held.id, f"{1:040x}")
    assert plan is not None
    assert plan.head_sha == f"{1:040x}"


def test_a_repository_is_listed_once_for_all_its_environments(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(slipway, 1, 2, 3)
    for number in (1, 2, 3):
        asked = RequestEnvironment(repository=SHOP, pull_request=number, blueprint="acme/preview")
        request(slipway, asked)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        follow = """UPDATE environments SET spec = spec || CAST('{"follow"\\: {"bases"\\: ["main"]}}' AS jsonb)"""
        session.execute(text(follow))
    listings: list[str] = []
    pull_requests = Repository.pull_requests

    def count(self: Repository) -> list[PullRequest]:
        listings.append(self.address)
        return pull_requests(self)

    monkeypatch.setattr(Repository, "pull_requests", count)
    watch_pull_requests(slipway.context())
    assert listings == [SHOP]
