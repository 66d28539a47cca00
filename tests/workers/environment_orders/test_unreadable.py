"""What cannot be looked at: it is told of, nothing follows from it, and nothing else is kept waiting by it."""

import json
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.clock import now
from catalog.environments.models import Environment, Phase, RequestEnvironment, ScmHook
from catalog.environments.service import EnvironmentSweeps, EphemeralEnvironmentService
from catalog.errors import InvalidInputError
from catalog.providers.scm import PullRequestState, open_repository
from catalog.scm.service import ScmService
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway
from workers import environment_gates, environment_sweep, scm_watch
from workers.environment_room import admit_waiting
from workers.environment_watch import expire_due, watch_pull_requests

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def real(
    slipway: Slipway, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> tuple[One, Path]:
    """An environment of a pull request of a Git repository."""
    root = tmp_path_factory.mktemp("repositories")
    place = root / "shop"
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch", "main")
    git(place, "commit", "--quiet", "--allow-empty", "--message", "first")
    git(place, "branch", "pr-1")
    settings = slipway.settings.model_copy(update={"local_repository_roots": (root,)})
    slipway.settings = settings
    monkeypatch.setattr(ScmService, "open", lambda _self, _tenant, address: open_repository(address, settings))
    one = One(slipway)
    asked = RequestEnvironment(repository=str(place), pull_request=1, blueprint=slipway.blueprint())
    one.id = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    one.work()
    assert one.row.phase is Phase.READY
    return one, place


def phase(one: One) -> Phase:
    return Phase(one.row.phase)


def hook(one: One, action: str) -> None:
    said = ScmHook.model_validate({"repository": one.row.repository, "action": action, "pull_request": 1})
    one.slipway.do(lambda service: service.on_hook(one.slipway.principal, said))


def hide(place: Path, hidden: Path) -> None:
    place.rename(hidden)


def unmount(place: Path, hidden: Path) -> None:
    place.rename(hidden)
    place.mkdir()


def lose_objects(place: Path, hidden: Path) -> None:
    (place / ".git" / "objects").rename(hidden)
    (place / ".git" / "objects").mkdir()


@pytest.mark.parametrize("happens", [hide, unmount, lose_objects])
def test_a_repository_that_cannot_be_read_closes_nothing(
    real: tuple[One, Path], tmp_path: Path, happens: Callable[[Path, Path], None]
) -> None:
    one, place = real
    happens(place, tmp_path / "hidden")
    for _ in range(3):
        watch_pull_requests(one.slipway.context())
        hook(one, "push")
    hook(one, "closed")
    assert (one.row.phase, one.row.absences) == (Phase.READY, 0)
    assert one.condition["Watched"] == ("NoAnswer" if happens is lose_objects else "NoRepository")

    if happens is lose_objects:
        place = place / ".git" / "objects"
    if place.exists():
        place.rmdir()
    (tmp_path / "hidden").rename(place)
    watch_pull_requests(one.slipway.context())
    assert "Watched" not in one.condition


def test_one_that_is_gone_is_removed_once_the_clock_did_not_find_it_twice(real: tuple[One, Path]) -> None:
    one, place = real
    git(place, "branch", "--delete", "--force", "pr-1")
    for _ in range(3):
        hook(one, "push")
    assert (phase(one), one.row.absences) == (Phase.READY, 0), "hooks come in the middle of the same push"
    watch_pull_requests(one.slipway.context())
    hook(one, "push")
    assert phase(one) is Phase.READY
    watch_pull_requests(one.slipway.context())
    assert phase(one) is Phase.DESTROYING


def break_for(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, broken: set[UUID]) -> None:
    """Let a method fail in a way that nobody foresaw where one of its arguments is one of ``broken``."""
    as_ever = getattr(owner, method)

    def fails(self: Any, *arguments: Any, **named: Any) -> Any:
        if broken & {each for each in arguments if isinstance(each, UUID)}:
            raise RuntimeError("Nobody foresaw this.")
        return as_ever(self, *arguments, **named)

    monkeypatch.setattr(owner, method, fails)


NAMES = ("acme", "beta")


@pytest.fixture
def two(slipway: Slipway) -> list[One]:
    """The environments of two tenants, of which the first comes first."""
    made = []
    for name in NAMES:
        slipway.act_for(name)
        made.append(One(slipway).request().work())
        assert made[-1].row.phase is Phase.READY
    return sorted(made, key=lambda each: each.tenant_id)


def row_of(one: One) -> Environment:
    act_for(one)
    return one.row


def act_for(one: One) -> None:
    assert any(one.slipway.act_for(name).tenant_id == one.tenant_id for name in NAMES)


def test_the_poll_goes_on_to_the_next_tenant(two: list[One], monkeypatch: pytest.MonkeyPatch) -> None:
    slipway = two[0].slipway
    for one in two:
        act_for(one)
        one.push(watch=False)
    with monkeypatch.context() as patched:
        break_for(patched, EphemeralEnvironmentService, "changed", {two[0].tenant_id})
        watch_pull_requests(slipway.context())
    assert [row_of(one).phase for one in two] == [Phase.READY, Phase.UPDATING]


@pytest.mark.parametrize("method", ["keep_time", "next_commit"])
def test_the_clock_goes_on_and_comes_back_later(two: list[One], monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    slipway = two[0].slipway
    columns = ", ".join(f"{name} = {name} - :span" for name in ("expires_at", "hard_expires_at", "due_at"))
    for one in two:
        with slipway.database.tenant_session(one.tenant_id) as session:
            session.execute(text(f"UPDATE environments SET {columns}"), {"span": timedelta(days=400)})  # noqa: S608
    with monkeypatch.context() as patched:
        break_for(patched, EphemeralEnvironmentService, method, {two[0].id})
        expire_due(slipway.context())
    expected = [Phase.READY if method == "keep_time" else Phase.DESTROYING, Phase.DESTROYING]
    assert [row_of(one).phase for one in two] == expected
    with slipway.database.system_session() as session:
        due = EphemeralEnvironmentService.due(session, now() + timedelta(seconds=1), 10)
    assert two[0].id not in {each.environment_id for each in due}, "it lets the others have their turn"


def test_room_is_given_away_in_the_next_tenant(two: list[One], monkeypatch: pytest.MonkeyPatch) -> None:
    slipway = two[0].slipway
    waiting = []
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 1})
    for one in two:
        act_for(one)
        waiting.append(One(slipway).request())
        assert row_of(waiting[-1]).waits_since is not None
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 10})
    with monkeypatch.context() as patched:
        break_for(patched, EphemeralEnvironmentService, "admit_waiting", {two[0].tenant_id})
        admit_waiting(slipway.context())
    assert [row_of(one).waits_since is None for one in waiting] == [False, True]


def test_the_sweep_goes_on_to_the_next_tenant(two: list[One], monkeypatch: pytest.MonkeyPatch) -> None:
    slipway = two[0].slipway
    for one in two:
        slipway.outside.clear(one.id)
        with slipway.database.tenant_session(one.tenant_id) as session:
            session.execute(text("UPDATE environments SET last_deploy_at = now() - interval '1 hour'"))
    with monkeypatch.context() as patched:
        break_for(patched, EnvironmentSweeps, "make_missing", {two[0].id})
        environment_sweep.sweep(slipway.context())
    assert ["Missing" in {each["type"] for each in row_of(one).conditions} for one in two] == [False, True]


def test_a_listing_that_fails_as_nobody_foresaw_keeps_no_other_from_being_listed(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[UUID] = []
    ids = [UUID(int=1), UUID(int=2)]
    due = [type("Due", (), {"tenant_id": slipway.principal.tenant_id, "repository_id": each})() for each in ids]
    monkeypatch.setattr(ScmService, "due", staticmethod(lambda *_: due))

    def look(_context: object, _tenant_id: UUID, repository_id: UUID) -> None:
        looked_at.append(repository_id)
        if repository_id == ids[0]:
            raise RuntimeError("Nobody foresaw this.")

    monkeypatch.setattr(scm_watch, "look", look)
    scm_watch.poll_due(slipway.context())
    assert looked_at == ids


def test_hours_that_cannot_be_read_keep_the_clock_from_nothing(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    with slipway.database.tenant_session(one.tenant_id) as session:
        session.execute(text("""UPDATE environments SET spec = spec || CAST('{"active"\\: {"days"\\: 7}}' AS jsonb)"""))
    one.time_passes(timedelta(days=400))
    assert one.row.phase is Phase.DESTROYING


def test_a_pull_request_that_closes_is_still_taken_at_the_word_of_a_readable_repository(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    slipway.outside.pulls[one.number] = (PullRequestState.CLOSED, one.head)
    said = ScmHook.model_validate({"repository": "/srv/shop", "action": "closed", "pull_request": one.number})
    slipway.do(lambda service: service.on_hook(slipway.principal, said))
    assert one.row.phase is Phase.DESTROYING


def test_a_server_that_only_its_tenant_knows_keeps_no_local_repository_from_being_looked_at(slipway: Slipway) -> None:
    elsewhere, one = One(slipway).request().work(), One(slipway).request().work()
    with slipway.database.tenant_session(one.tenant_id) as session:
        statement = "UPDATE environments SET repository = 'https://git.example.com/acme/shop' WHERE id = :id"
        session.execute(text(statement), {"id": elsewhere.id})
    one.push(watch=False)
    watch_pull_requests(slipway.context())
    assert (one.row.phase, elsewhere.row.phase) == (Phase.UPDATING, Phase.READY)
    elsewhere.ask("destroy")
    assert elsewhere.row.phase is Phase.DESTROYING


@pytest.mark.parametrize("problem", [InvalidInputError("It takes a connection."), RuntimeError("Nobody foresaw this.")])
def test_what_cannot_be_asked_about_again_keeps_no_other_from_it(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    elsewhere, one = One(slipway).request().work(), One(slipway).request().work()
    refused = [{"type": "Allowed", "status": False, "reason": "PolicyRefused", "message": "No.", "at": str(now())}]
    statement = "UPDATE environments SET conditions = CAST(:refused AS jsonb) WHERE id IN (:elsewhere, :one)"
    with slipway.database.tenant_session(one.tenant_id) as session:
        given = {"refused": json.dumps(refused), "elsewhere": elsewhere.id, "one": one.id}
        session.execute(text(statement), given)
    one.push(watch=False)
    as_ever = EphemeralEnvironmentService.follow

    def follow(self: EphemeralEnvironmentService, environment: Environment, *arguments: Any, **named: Any) -> None:
        if environment.id == elsewhere.id:
            raise problem
        as_ever(self, environment, *arguments, **named)

    monkeypatch.setattr(EphemeralEnvironmentService, "follow", follow)
    # What nobody foresaw is tried again as every job is; what people have to set right first is not.
    with pytest.raises(RuntimeError) if isinstance(problem, RuntimeError) else nullcontext():
        environment_gates.ask_again(slipway.context(slipway.events(one.id)[0]))
    assert (one.row.phase, elsewhere.row.phase) == (Phase.UPDATING, Phase.READY)
