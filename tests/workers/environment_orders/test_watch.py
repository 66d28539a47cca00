"""The clock and the watch of pull requests: an environment that fails stops none of the others."""

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.assets.blueprint_spec import Follow
from catalog.environments.automations import AutomateEnvironments
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService, room, signs_of
from catalog.environments.triggers import Act, Decision
from catalog.errors import ConflictError, UnavailableError
from catalog.gating import Level, PolicyRefusedError, Verdict, Violation
from catalog.installs.models import Action, OutcomeState
from catalog.providers.scm import PullRequestState
from tests.workers.environment_orders.doubles import Engine, ignore
from tests.workers.environment_orders.slipway import Slipway
from workers import ephemeral_env
from workers.engine import EngineError, ErrorKind, StackRequest
from workers.environment_watch import expire_due, watch_pull_requests
from workers.installers.environment import INSTALLER
from workers.runtime.worker import Retry


def ask(slipway: Slipway, number: int) -> UUID:
    slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")
    slipway.outside.about[number] = {"base": "main"}
    asked = RequestEnvironment(repository="/srv/shop", pull_request=number, blueprint="acme/preview")
    made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
    slipway.work(made)
    return made


def row(slipway: Slipway, environment_id: UUID) -> Environment:
    found: Environment = slipway.do(lambda service: service.get(slipway.principal.tenant_id, environment_id))
    return found


def test_changed_paths_are_asked_from_the_base_and_one_that_fails_stops_no_other(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {number: ask(slipway, number) for number in (1, 2, 3)}
    monkeypatch.setattr(EphemeralEnvironmentService, "_policy", lambda *_: Follow(paths=("*.py",)))
    for number in ids:
        slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number + 10:040x}")
    slipway.outside.about[2] = {"base": "gone"}
    watch_pull_requests(slipway.context())
    moved = {number: row(slipway, each).head_sha == f"{number + 10:040x}" for number, each in ids.items()}
    assert moved == {1: True, 2: False, 3: True}


def test_the_clock_goes_on_after_one_that_fails(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [ask(slipway, number) for number in (1, 2, 3)]
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        columns = ", ".join(f"{name} = {name} - :span" for name in ("expires_at", "hard_expires_at", "due_at"))
        session.execute(text(f"UPDATE environments SET {columns}"), {"span": timedelta(days=400)})  # noqa: S608
    keep_time = EphemeralEnvironmentService.keep_time

    def fail(self: EphemeralEnvironmentService, tenant_id: UUID, environment_id: UUID) -> None:
        if environment_id == ids[1]:
            raise UnavailableError("It does not answer.")
        keep_time(self, tenant_id, environment_id)

    monkeypatch.setattr(EphemeralEnvironmentService, "keep_time", fail)
    expire_due(slipway.context())
    assert [row(slipway, each).phase for each in ids] == [Phase.DESTROYING, Phase.READY, Phase.DESTROYING]


def test_a_stop_whose_recovery_fails_is_tried_again(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = ask(slipway, 1)
    slipway.do(lambda service: service.sleep(slipway.principal, asleep))
    (event,) = slipway.pending(asleep)

    def die(_request: StackRequest) -> None:
        slipway.outside.steps_left = 0

    slipway.outside.before_apply = die
    slipway.work(asleep)
    slipway.outside.before_apply, slipway.outside.steps_left = ignore, None
    assert slipway.outside.locks, "it was killed while the engine worked"
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE stacks SET lease_until = now() - interval '1 second'"))

    def unavailable(*_: object) -> None:
        raise EngineError(ErrorKind.UNAVAILABLE, "The engine is not there.")

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "recover", unavailable)
        with pytest.raises(Retry, match="not there"):
            ephemeral_env.put_to_sleep(slipway.context(event))
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE stacks SET lease_until = now() - interval '1 second'"))
    slipway.work(asleep)
    assert (row(slipway, asleep).phase, slipway.outside.of(asleep)) == (Phase.SLEEPING, {})


def test_an_install_waits_while_its_environment_is_tried_again(slipway: Slipway) -> None:
    made = ask(slipway, 1)
    bench: Any = SimpleNamespace(
        session=lambda: slipway.database.tenant_session(slipway.principal.tenant_id), settings=slipway.settings
    )
    outputs = {"environment": str(made)}
    work: Any = SimpleNamespace(tenant_id=slipway.principal.tenant_id, outputs=outputs, action=Action.INSTALL)
    failed = """
        UPDATE environments SET phase = 'failed', failure = '{"code": "engine_unavailable", "message": "Gone."}',
        retry_at = now() + interval '30 seconds'
    """
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text(failed.replace(":", r"\:")))
    assert INSTALLER.look(work, bench) is None
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE environments SET retry_at = NULL"))
    found = INSTALLER.look(work, bench)
    assert found is not None
    assert found.state is OutcomeState.FAILED


def automate(slipway: Slipway, *labels: str) -> None:
    asked = AutomateEnvironments(repository="/srv/shop", blueprint="acme/preview", labels=list(labels))
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        EnvironmentAutomation(session, slipway.settings).automate(slipway.principal, asked)


def made(slipway: Slipway) -> dict[int, Phase]:
    found = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    return {each.pull_request: each.phase for each in found}


def decision_on(slipway: Slipway, number: int) -> Decision:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        automatic = EnvironmentAutomation(session, slipway.settings).explain
        service = EphemeralEnvironmentService(session, slipway.settings)
        return service.explain(slipway.principal, "/srv/shop", number, automatic).decision


def explained(slipway: Slipway, number: int) -> tuple[str, str]:
    decision = decision_on(slipway, number)
    return str(decision.act), decision.rule


def test_every_rule_is_told_of_a_pull_request_that_has_no_environment_yet(slipway: Slipway) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "a" * 40)
    slipway.outside.about[1] = {"base": "gone", "is_fork": True, "author": "mallory"}

    def said() -> dict[str, str]:
        with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
            automatic = EnvironmentAutomation(session, slipway.settings).explain
            service = EphemeralEnvironmentService(session, slipway.settings)
            found = service.explain(slipway.principal, "/srv/shop", 1, automatic)
        first = next(each.says for each in found.rules if each.says is not None)
        assert found.decision == first, "the first one that says something decides"
        return {each.rule: "" if each.says is None else str(each.says.act) for each in found.rules}

    assert said() == {"requested": "keep"}
    automate(slipway, "preview")
    assert said() | {"commit": ""} == {
        "automatic": "keep",
        **dict.fromkeys(("closed", "label", "base", "unchanged", "stacked", "draft", "bot"), ""),
        "fork": "hold",
        **dict.fromkeys(("path", "concurrency", "commit"), ""),
    }


def test_pull_requests_begin_by_themselves_and_stay_destroyed(slipway: Slipway) -> None:
    for number in (1, 2, 3):
        slipway.outside.pulls[number] = (PullRequestState.OPEN, f"{number:040x}")
        slipway.outside.branches[number] = f"feature-{number}"
    slipway.outside.about = {
        1: {"base": "main", "labels": frozenset({"preview"})},
        2: {"base": "main"},
        3: {"base": "main", "labels": frozenset({"preview"}), "is_fork": True, "author": "mallory"},
    }
    assert explained(slipway, 1) == ("keep", "requested")
    automate(slipway, "preview")
    assert [explained(slipway, number) for number in (1, 2, 3)] == [
        ("move", "commit"),
        ("keep", "automatic"),
        ("hold", "fork"),
    ]
    for _ in range(2):
        watch_pull_requests(slipway.context())
    assert made(slipway) == {1: Phase.QUEUED, 3: Phase.PENDING_APPROVAL}
    (first,) = slipway.do(lambda service: service.page(slipway.principal.tenant_id, (Phase.QUEUED,)))
    slipway.work(first.id)
    slipway.do(lambda service: service.destroy(slipway.principal, first.id))
    slipway.work(first.id)
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "f" * 40)
    watch_pull_requests(slipway.context())
    assert (made(slipway)[1], explained(slipway, 1)) == (Phase.DESTROYED, ("keep", "automatic"))
    assert "got an environment by itself once, and that was destroyed" in decision_on(slipway, 1).why
    slipway.outside.pulls[1] = (PullRequestState.CLOSED, "f" * 40)
    watch_pull_requests(slipway.context())
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "f" * 40)
    watch_pull_requests(slipway.context())
    assert made(slipway)[1] is Phase.QUEUED


def test_a_fork_that_begins_by_itself_waits_for_an_approval_of_its_commit(slipway: Slipway) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "a" * 40)
    slipway.outside.about[1] = {"base": "main", "is_fork": True, "author": "mallory"}
    automate(slipway)
    watch_pull_requests(slipway.context())
    (held,) = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    assert (held.phase, held.waiting_sha, slipway.pending(held.id)) == (Phase.PENDING_APPROVAL, "a" * 40, [])
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "b" * 40)
    with pytest.raises(ConflictError):
        slipway.do(lambda service: service.approve(slipway.principal, held.id, "a" * 40))
    watch_pull_requests(slipway.context())
    slipway.do(lambda service: service.approve(slipway.principal, held.id, "b" * 40))
    assert row(slipway, held.id).phase is Phase.QUEUED
    slipway.work(held.id)
    assert (row(slipway, held.id).phase, row(slipway, held.id).deployed_sha) == (Phase.READY, "b" * 40)


def test_what_policies_refuse_is_said_and_asked_again_with_the_next_commit(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "a" * 40)
    slipway.outside.about[1] = {"base": "main"}
    automate(slipway)
    asked: list[object] = []

    def refuse(*_: object) -> Verdict:
        verdict = Verdict(allowed=False, violations=(Violation(rule="no-a", level=Level.MANDATORY, message="No."),))
        raise PolicyRefusedError(verdict, asked.append)

    with monkeypatch.context() as patched:
        patched.setattr(room, "pass_gate", refuse)
        for _ in range(3):
            watch_pull_requests(slipway.context())
    (refused,) = slipway.do(lambda service: service.page(slipway.principal.tenant_id))
    assert (refused.phase, len(asked)) == (Phase.REJECTED, 1)
    assert "no-a" in signs_of(refused, slipway.settings).comment
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "b" * 40)
    watch_pull_requests(slipway.context())
    assert row(slipway, refused.id).phase is Phase.QUEUED
    assert row(slipway, refused.id).conditions == []


def test_what_may_pass_by_itself_is_told_with_the_time_of_the_next_try(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "a" * 40)
    slipway.outside.about[1] = {"base": "main"}
    automate(slipway)

    def fail(*_: object, **__: object) -> Environment:
        raise UnavailableError("The server does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(EphemeralEnvironmentService, "request", fail)
        watch_pull_requests(slipway.context())
    decision = decision_on(slipway, 1)
    assert (decision.act, decision.rule) == (Act.KEEP, "automatic")
    told = (
        r"Its environment could not begin: The server does not answer\. It is tried again by itself at [\d:]{8} UTC\."
    )
    assert re.fullmatch(told, decision.why)


def test_what_is_in_the_way_is_told_and_tried_again_with_the_next_commit(slipway: Slipway) -> None:
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "a" * 40)
    slipway.outside.about[1] = {"base": "main"}
    slipway.settings = slipway.settings.model_copy(update={"environment_quota_memory_mb": 16})
    automate(slipway)
    for _ in range(2):
        watch_pull_requests(slipway.context())
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        (found,) = EnvironmentAutomation(session, slipway.settings).all(slipway.principal.tenant_id)
    assert [(each.pull_request, "never be enough" in each.problem) for each in found.attempts] == [(1, True)]
    decision = decision_on(slipway, 1)
    assert (decision.act, decision.rule) == (Act.KEEP, "automatic")
    assert decision.why.startswith("Its environment could not begin with commit aaaaaaaa: ")
    assert decision.why.endswith("It is tried again with the next commit, or when you request it.")
    slipway.settings = slipway.settings.model_copy(update={"environment_quota_memory_mb": None})
    watch_pull_requests(slipway.context())
    assert made(slipway) == {}
    slipway.outside.pulls[1] = (PullRequestState.OPEN, "b" * 40)
    watch_pull_requests(slipway.context())
    assert made(slipway) == {1: Phase.QUEUED}
