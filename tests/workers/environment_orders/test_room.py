"""The quota counts what is awake, makes room where the settings say so, and never stands in the way of a removal."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.assets.blueprint_spec import WEEKDAYS
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments.models import Phase, RequestEnvironment, Rest
from catalog.environments.service import DeployPlan, EphemeralEnvironmentService, read, room, signs_of
from catalog.errors import ConflictError, QuotaExceededError
from catalog.gating import PolicyRefusedError, Verdict
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.slipway import Slipway
from workers import ephemeral_env


def ask(slipway: Slipway, number: int, **more: Any) -> UUID:
    slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")
    asked = RequestEnvironment(repository="/srv/shop", pull_request=number, blueprint="acme/preview", **more)
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    slipway.work(made)
    return made


def phase(slipway: Slipway, environment_id: UUID) -> Phase:
    return Phase(slipway.do(lambda service: service.get(slipway.principal.tenant_id, environment_id).phase))


def unused_for(slipway: Slipway, environment_id: UUID, span: timedelta) -> None:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        moved = "last_deploy_at = last_deploy_at - :span, lived_since = lived_since - :span"
        session.execute(
            text(f"UPDATE environments SET {moved} WHERE id = :id"),  # noqa: S608  # names from above
            {"span": span, "id": environment_id},
        )


def act(slipway: Slipway, verb: str, environment_id: UUID, **more: str) -> None:
    slipway.do(lambda service: getattr(service, verb)(slipway.principal, environment_id, **more))
    slipway.work(environment_id)


def admit(slipway: Slipway) -> int:
    admitted: int = slipway.do(lambda service: service.admit_waiting(slipway.principal.tenant_id))
    return admitted


def work_all(slipway: Slipway, *ids: UUID) -> None:
    for each in ids:
        while slipway.pending(each):
            slipway.work(each)


def place(slipway: Slipway, environment_id: UUID) -> tuple[int, int] | None:
    found = slipway.do(lambda service: service.place(service.get(slipway.principal.tenant_id, environment_id)))
    return None if found is None else (found.place, found.length)


def limit(slipway: Slipway, **limits: object) -> None:
    slipway.settings = slipway.settings.model_copy(update=limits)


def test_who_finds_no_room_waits_and_is_let_in_oldest_first(slipway: Slipway) -> None:
    limit(slipway, environment_quota=2)
    first, second = ask(slipway, 1), ask(slipway, 2)
    third, fourth = ask(slipway, 3), ask(slipway, 4)
    assert (phase(slipway, third), slipway.pending(third)) == (Phase.QUEUED, [])
    assert (place(slipway, third), place(slipway, fourth), place(slipway, first)) == ((1, 2), (2, 2), None)
    act(slipway, "sleep", first)
    act(slipway, "wake", first)
    assert (phase(slipway, first), place(slipway, first)) == (Phase.SLEEPING, (3, 3)), "nobody overtakes who waits"
    assert admit(slipway) == 1
    work_all(slipway, third)
    assert (phase(slipway, third), place(slipway, fourth)) == (Phase.READY, (1, 2))
    assert admit(slipway) == 0
    slipway.do(lambda service: service.destroy(slipway.principal, second))
    assert admit(slipway) == 0, "what is being removed has not gone yet"
    work_all(slipway, second)
    assert admit(slipway) == 1
    work_all(slipway, fourth)
    act(slipway, "destroy", third)
    assert admit(slipway) == 1
    work_all(slipway, first)
    assert (phase(slipway, fourth), phase(slipway, first)) == (Phase.READY, Phase.READY)
    assert set(slipway.outside.of(first).values()) == {f"{1:040x}"}
    told = [(each.data["place"], each.data["length"]) for each in slipway.events(fourth) if "waiting" in each.type]
    assert told == [(2, 2), (1, 2)]


def test_who_waits_keeps_its_place_for_a_newer_commit_and_can_be_destroyed(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1)
    first, second, third = ask(slipway, 1), ask(slipway, 2), ask(slipway, 3)
    slipway.outside.pulls[2] = (PullRequestState.OPEN, "f" * 40)
    slipway.do(lambda service: service.watch(slipway.principal.tenant_id, second))
    assert (place(slipway, second), slipway.pending(second)) == ((1, 2), [])
    act(slipway, "destroy", third)
    assert (phase(slipway, third), place(slipway, second)) == (Phase.DESTROYED, (1, 1))
    act(slipway, "destroy", first)
    assert admit(slipway) == 1
    work_all(slipway, second)
    assert list(slipway.outside.of(second).values()) == ["f" * 40]
    assert not [each for each in slipway.events(third) if each.type.endswith("environment.requested.v1")]


def test_a_commit_wakes_a_sleeping_environment_only_where_there_is_room(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1)
    sleeper = ask(slipway, 1)
    act(slipway, "sleep", sleeper)
    other = ask(slipway, 2)
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "f" * 40)
    for _ in range(2):
        slipway.do(lambda service: service.watch(slipway.principal.tenant_id, sleeper))
    assert (phase(slipway, sleeper), place(slipway, sleeper)) == (Phase.SLEEPING, (1, 1))
    assert slipway.pending(sleeper) == []
    act(slipway, "destroy", other)
    assert admit(slipway) == 1
    work_all(slipway, sleeper)
    assert (phase(slipway, sleeper), list(slipway.outside.of(sleeper).values())) == (Phase.READY, ["f" * 40])


def test_who_sleeps_leaves_the_queue_where_somebody_says_so(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1)
    sleeper = ask(slipway, 1)
    act(slipway, "sleep", sleeper)
    ask(slipway, 2)
    act(slipway, "wake", sleeper)
    assert place(slipway, sleeper) == (1, 1)
    act(slipway, "sleep", sleeper)
    assert (phase(slipway, sleeper), place(slipway, sleeper)) == (Phase.SLEEPING, None)


def test_size_counts_as_well_and_what_can_never_fit_is_refused(slipway: Slipway) -> None:
    limit(slipway, environment_quota=10, environment_quota_memory_mb=2500)
    first, second, third = ask(slipway, 1), ask(slipway, 2), ask(slipway, 3)
    assert [phase(slipway, each) for each in (first, second, third)] == [Phase.READY, Phase.READY, Phase.QUEUED]
    condition = slipway.do(lambda service: service.get(slipway.principal.tenant_id, third).conditions)[0]
    assert "1024 MB of memory" in condition["message"]
    limit(slipway, environment_quota_memory_mb=1000)
    with pytest.raises(QuotaExceededError, match="never"):
        ask(slipway, 4)
    limit(slipway, environment_quota_memory_mb=2500, environment_queue=1)
    with pytest.raises(QuotaExceededError):
        ask(slipway, 4)


def test_what_can_never_fit_any_more_is_turned_away_and_blocks_nobody(slipway: Slipway) -> None:
    limit(slipway, environment_quota=10, environment_quota_memory_mb=2500)
    first, second = ask(slipway, 1), ask(slipway, 2)
    large, small = ask(slipway, 3), ask(slipway, 4)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        grown = "UPDATE environments SET size = size || jsonb_build_object('memory_mb', 2400) WHERE id = :id"
        session.execute(text(grown), {"id": large})
    limit(slipway, environment_quota_memory_mb=2300)
    act(slipway, "destroy", first)
    assert admit(slipway) == 1
    work_all(slipway, large, small)
    assert [phase(slipway, each) for each in (second, large, small)] == [Phase.READY, Phase.DESTROYED, Phase.READY]
    (told,) = slipway.do(lambda service: service.get(slipway.principal.tenant_id, large).conditions)
    assert (told["reason"], "2400 MB of memory" in told["message"]) == ("NeverRoom", True)


def test_nobody_makes_room_that_would_not_be_enough_or_is_not_needed(slipway: Slipway) -> None:
    limit(slipway, environment_quota=3, environment_eviction="sleep")
    used, oldest, older = ask(slipway, 1), ask(slipway, 2), ask(slipway, 3)
    for environment_id, hours in ((oldest, 5), (older, 2)):
        unused_for(slipway, environment_id, timedelta(hours=hours))
    limit(slipway, environment_quota=1)
    fourth = ask(slipway, 4)
    assert [phase(slipway, each) for each in (used, oldest, older)] == [Phase.READY] * 3
    assert place(slipway, fourth) == (1, 1)
    limit(slipway, environment_quota=2)
    assert admit(slipway) == 1
    assert [phase(slipway, each) for each in (used, oldest, older)] == [Phase.READY, Phase.SLEEPING, Phase.SLEEPING]


def test_two_at_once_never_get_the_same_room(slipway: Slipway) -> None:
    limit(slipway, environment_quota=3)
    for number in range(1, 7):
        slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")

    def one(number: int) -> UUID:
        asked = RequestEnvironment(repository="/srv/shop", pull_request=number, blueprint="acme/preview")
        made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
        return made

    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(one, range(1, 7)))
    assert sorted(bool(slipway.pending(each)) for each in ids) == [False] * 3 + [True] * 3
    assert sorted(found[0] for each in ids if (found := place(slipway, each))) == [1, 2, 3]


def test_the_one_unused_longest_makes_room_but_never_a_pinned_one(slipway: Slipway) -> None:
    limit(slipway, environment_quota=3, environment_eviction="sleep")
    pinned, oldest, older = ask(slipway, 1), ask(slipway, 2), ask(slipway, 3)
    fourth = ask(slipway, 4)
    assert place(slipway, fourth) == (1, 1)
    act(slipway, "pin", pinned, by="P1D", reason="shown to customers")
    for environment_id, hours in ((pinned, 9), (oldest, 5), (older, 2)):
        unused_for(slipway, environment_id, timedelta(hours=hours))
    assert admit(slipway) == 1
    work_all(slipway, fourth)
    assert [phase(slipway, each) for each in (pinned, oldest, older)] == [Phase.READY, Phase.SLEEPING, Phase.READY]
    assert phase(slipway, fourth) is Phase.READY
    slipway.work(oldest)
    assert slipway.outside.of(oldest) == {}


def test_nothing_that_somebody_just_visited_makes_room(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 2, "environment_eviction": "sleep"})
    visited, unvisited = ask(slipway, 1), ask(slipway, 2)
    unused_for(slipway, visited, timedelta(hours=5))
    unused_for(slipway, unvisited, timedelta(hours=2))
    slipway.outside.visits[host(slipway, visited)] = now()
    slipway.outside.router_answers = False
    third = ask(slipway, 3)
    assert (place(slipway, third), admit(slipway)) == ((1, 1), 0)
    slipway.outside.router_answers = True
    assert admit(slipway) == 1
    assert (phase(slipway, visited), phase(slipway, unvisited)) == (Phase.READY, Phase.SLEEPING)


def test_a_deployment_counts_as_use_after_an_earlier_visit(slipway: Slipway) -> None:
    slipway.settings = slipway.settings.model_copy(update={"environment_quota": 1, "environment_eviction": "sleep"})
    only = ask(slipway, 1)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        statement = text("UPDATE environments SET last_activity_at = :then, sleep_after_seconds = 3600 WHERE id = :id")
        session.execute(statement, {"then": now() - timedelta(hours=5), "id": only})
    found = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, only)))
    assert found.sleeps_at == found.last_deploy_at + timedelta(hours=1)
    ask(slipway, 2)
    assert phase(slipway, only) is Phase.READY


def test_policies_and_quarantine_stand_before_every_waking(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = ask(slipway, 1)
    act(slipway, "sleep", sleeper)

    kept: list[object] = []

    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False), kept.append)

    with monkeypatch.context() as patched:
        patched.setattr(room, "pass_gate", refuse)
        for verb in ("wake", "rebuild"):
            with pytest.raises(PolicyRefusedError):
                act(slipway, verb, sleeper)
        slipway.do(lambda service: service.wake_for_visitor(slipway.principal.tenant_id, sleeper))
        for _ in range(2):
            with pytest.raises(ConflictError, match="not woken"):
                slipway.do(lambda service: service.wake_for_visitor(slipway.principal.tenant_id, sleeper))
        assert len(kept) == 3, "each visit after the first one asks nobody"
    assert sleeper in slipway.do(lambda service: service.refused(slipway.principal.tenant_id))
    slipway.do(lambda service: service.ask_again(slipway.principal.tenant_id, sleeper))
    with monkeypatch.context() as patched:
        patched.setattr(AssetService, "is_held", lambda *_: True)
        for verb in ("wake", "rebuild"):
            with pytest.raises(ConflictError, match="quarantine"):
                act(slipway, verb, sleeper)
    assert phase(slipway, sleeper) is Phase.SLEEPING
    slipway.do(lambda service: service.wake_for_visitor(slipway.principal.tenant_id, sleeper))
    assert phase(slipway, sleeper) is Phase.WAKING


def host(slipway: Slipway, environment_id: UUID) -> str:
    return str(slipway.do(lambda service: service.get(slipway.principal.tenant_id, environment_id).hostname))


def keep_hours(slipway: Slipway, environment_id: UUID, *days: int) -> None:
    """Give the environment active hours around the clock on days counted from today, and let the clock look at it."""
    names = sorted({WEEKDAYS[(now().weekday() + each) % 7] for each in days})
    active = json.dumps({"days": names, "begin": "00:00", "end": "00:00"})
    statement = """
        UPDATE environments SET spec = spec || jsonb_build_object('active', CAST(:active AS jsonb)),
        due_at = now() - interval '1 minute', sleep_after_seconds = NULL WHERE id = :id
    """
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text(statement), {"active": active, "id": environment_id})
    slipway.do(lambda service: service.keep_time(slipway.principal.tenant_id, environment_id))
    slipway.work(environment_id)


def test_it_sleeps_outside_its_hours_and_wakes_within_unless_slept_by_hand(slipway: Slipway) -> None:
    one = ask(slipway, 1)
    keep_hours(slipway, one, 3)
    assert phase(slipway, one) is Phase.READY, "it was used a moment ago"
    unused_for(slipway, one, timedelta(minutes=20))
    keep_hours(slipway, one, 3)
    found = slipway.do(lambda service: service.read(service.get(slipway.principal.tenant_id, one)))
    assert (found.phase, found.slept_for, slipway.outside.of(one)) == (Phase.SLEEPING, Rest.HOURS, {})
    assert found.wakes_at is not None
    keep_hours(slipway, one, -1, 0, 1)
    assert phase(slipway, one) is Phase.READY
    act(slipway, "sleep", one)
    keep_hours(slipway, one, -1, 0, 1)
    assert phase(slipway, one) is Phase.SLEEPING, "somebody wanted that"


def test_the_comment_says_at_which_place_and_who_extended_it(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1)
    ask(slipway, 1)
    second = ask(slipway, 2)
    act(slipway, "extend", second, by="PT1H", reason="Shown to customers")

    def signs(service: EphemeralEnvironmentService) -> str:
        environment = service.get(slipway.principal.tenant_id, second)
        return signs_of(environment, slipway.settings, service.place(environment)).comment

    comment = slipway.do(signs)
    assert "place 1 of 1" in comment
    assert "by ann, until" in comment
    found = slipway.do(lambda service: service.read(service.get(slipway.principal.tenant_id, second)))
    assert (found.extension.by, found.extension.until, found.extension.reason) == (
        "ann",
        found.expires_at,
        "Shown to customers",
    )


def test_what_a_file_of_the_repository_describes_is_counted_before_it_runs(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(plan: DeployPlan, _place: object) -> DeployPlan:
        web = plan.spec.environment.components["web"]
        made = {**plan.spec.environment.components, "api": web, "jobs": web}
        environment = plan.spec.environment.model_copy(update={"components": made})
        return replace(plan, spec=plan.spec.model_copy(update={"environment": environment}))

    monkeypatch.setattr(ephemeral_env, "completed", described)
    limit(slipway, environment_quota_processes=2 * 256)
    made = ask(slipway, 1)
    row = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, made), []))
    assert (row.phase, row.failure.code) == (Phase.FAILED, "quota_exceeded")
    assert "With what the repository describes: It takes 768 processes" in row.failure.message
    assert not slipway.outside.of(made)
    limit(slipway, environment_quota_processes=3 * 256)
    act(slipway, "rebuild", made)
    assert phase(slipway, made) is Phase.READY
    assert slipway.do(lambda service: service.get(slipway.principal.tenant_id, made).size["processes"]) == 768


def test_a_commit_that_finds_no_room_waits_and_is_deployed_once_there_is_some(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1, environment_queue=1)
    sleeper = ask(slipway, 1)
    act(slipway, "sleep", sleeper)
    awake, waiting = ask(slipway, 2), ask(slipway, 3)
    for sha in ("e" * 40, "f" * 40):
        slipway.outside.pulls[1] = (PullRequestState.OPEN, sha)
        slipway.do(lambda service: service.watch(slipway.principal.tenant_id, sleeper))
    row = slipway.do(lambda service: service.get(slipway.principal.tenant_id, sleeper))
    assert (row.phase, row.backlog) == (Phase.SLEEPING, ["f" * 40]), "the newest takes the place of the one before"
    reasons = {each["type"]: (each["reason"], each["message"]) for each in row.conditions}
    assert reasons["Following"][0] == "NoRoom"
    assert "ffffffff waits" in reasons["Following"][1]
    assert row.due_at is not None
    assert row.due_at <= now() + timedelta(minutes=1)
    slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, sleeper))
    assert phase(slipway, sleeper) is Phase.SLEEPING
    for each in (waiting, awake):
        act(slipway, "destroy", each)
    slipway.do(lambda service: service.next_commit(slipway.principal.tenant_id, sleeper))
    work_all(slipway, sleeper)
    row = slipway.do(lambda service: service.get(slipway.principal.tenant_id, sleeper))
    assert (row.phase, row.deployed_sha, row.backlog) == (Phase.READY, "f" * 40, [])
    assert "Following" not in {each["type"] for each in row.conditions}


def test_who_waited_is_let_in_only_where_policies_allow_it_still(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(slipway, environment_quota=1)
    first, second = ask(slipway, 1), ask(slipway, 2)
    act(slipway, "sleep", first)
    act(slipway, "wake", first)
    assert (place(slipway, second), place(slipway, first)) == ((1, 2), (2, 2))
    limit(slipway, environment_quota=10)
    kept: list[object] = []

    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False), kept.append)

    with monkeypatch.context() as patched:
        patched.setattr(room, "pass_gate", refuse)
        assert (admit(slipway), admit(slipway), len(kept)) == (0, 0, 2), "each is asked about once"
    work_all(slipway, first, second)
    assert (phase(slipway, second), phase(slipway, first)) == (Phase.DESTROYED, Phase.SLEEPING)
    assert (place(slipway, first), slipway.outside.running) == (None, {})
    assert first in slipway.do(lambda service: service.refused(slipway.principal.tenant_id))


def test_an_approval_ends_with_the_next_commit_though_its_own_waits_for_room(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1, environment_queue=1)
    slipway.outside.about[1] = {"base": "main", "is_fork": True, "author": "mallory"}
    fork = ask(slipway, 1, head_sha=f"{1:040x}")
    act(slipway, "sleep", fork)
    others = ask(slipway, 2), ask(slipway, 3)
    tenant_id = slipway.principal.tenant_id
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "e" * 40)
    slipway.do(lambda service: service.watch(tenant_id, fork))
    approved = slipway.do(lambda service: service.approve(slipway.principal, fork, "e" * 40))
    assert approved.backlog == ["e" * 40]
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "f" * 40)
    slipway.do(lambda service: service.watch(tenant_id, fork))
    for each in reversed(others):
        act(slipway, "destroy", each)
    slipway.do(lambda service: service.next_commit(tenant_id, fork))
    row = slipway.do(lambda service: service.get(tenant_id, fork))
    assert (row.phase, row.waiting_sha, row.head_sha) == (Phase.SLEEPING, "f" * 40, f"{1:040x}")


def test_nobody_makes_room_for_what_policies_refuse(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(slipway, environment_quota=1)
    unused, refused = ask(slipway, 1), ask(slipway, 2)
    unused_for(slipway, unused, timedelta(hours=5))
    limit(slipway, environment_eviction="sleep")

    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False), lambda _: None)

    with monkeypatch.context() as patched:
        patched.setattr(room, "pass_gate", refuse)
        assert admit(slipway) == 0
    work_all(slipway, unused, refused)
    assert (phase(slipway, unused), phase(slipway, refused)) == (Phase.READY, Phase.DESTROYED)


def test_a_commit_that_waits_its_turn_waits_once_whatever_its_branch_goes_to(slipway: Slipway) -> None:
    slipway.outside.pulls[1], slipway.outside.about[1] = (PullRequestState.OPEN, "e" * 40), {"base": "main"}
    blueprint = slipway.blueprint("queue", follow={"concurrency": "queue", "tracksBase": True})
    asked = RequestEnvironment(repository="/srv/shop", pull_request=1, blueprint=blueprint)
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    tenant_id = slipway.principal.tenant_id
    slipway.do(lambda service: service.watch(tenant_id, made))
    for tip in ("1" * 40, "2" * 40):
        slipway.outside.tip = tip
        for _ in range(3):
            slipway.do(lambda service: service.watch(tenant_id, made))
    row = slipway.do(lambda service: service.get(tenant_id, made))
    assert (row.phase, row.backlog, row.seen_base_sha) == (Phase.QUEUED, ["e" * 40], "2" * 40)
    assert sum("commit_queued" in each.type for each in slipway.events(made)) == 1


def test_one_that_could_not_be_stopped_keeps_its_room(slipway: Slipway) -> None:
    limit(slipway, environment_quota=1)
    first = ask(slipway, 1)
    slipway.outside.fails = True
    act(slipway, "sleep", first)
    slipway.outside.fails = False
    assert (phase(slipway, first), len(slipway.outside.of(first))) == (Phase.SLEEPING, 1)
    second = ask(slipway, 2)
    assert (place(slipway, second) is None, admit(slipway)) == (False, 0)
    slipway.work(first)
    assert (slipway.outside.of(first), admit(slipway), place(slipway, second)) == ({}, 1, None)
