"""What is there is compared with what should be: leftovers go, the missing comes back, and removals are proven."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from catalog.clock import now
from catalog.environments.models import EnvironmentRead, Phase, RequestEnvironment
from catalog.environments.service import read, remaking, sweeps
from catalog.gating import PolicyRefusedError, Verdict
from catalog.providers.scm import PullRequestState
from catalog.providers.targets import TargetUnavailableError
from catalog.settings import Settings
from portal.api.metrics import Metrics
from tests.workers.environment_orders.doubles import Outside, Target
from tests.workers.environment_orders.slipway import Slipway
from workers import environment_sweep
from workers.doctor import findings
from workers.doctor.checks import strangers
from workers.environment_sweep import sweep

Made = Callable[[], UUID]


@pytest.fixture
def ready(slipway: Slipway) -> Made:
    """What makes an environment of one more pull request."""

    def make() -> UUID:
        slipway.number += 1
        slipway.outside.pulls[slipway.number] = (PullRequestState.OPEN, f"{slipway.number:040x}")
        asked = RequestEnvironment(repository="/srv/shop", pull_request=slipway.number, blueprint="acme/preview")
        made: UUID = slipway.do(lambda service: service.request(slipway.principal, asked).id)
        slipway.work(made)
        assert look(slipway, made).phase is Phase.READY
        return made

    return make


def look(slipway: Slipway, environment_id: UUID) -> EnvironmentRead:
    found: EnvironmentRead = slipway.do(lambda service: read(service.get(slipway.principal.tenant_id, environment_id)))
    return found


def pass_time(slipway: Slipway, environment_id: UUID, span: timedelta) -> None:
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        moved = "due_at = due_at - :span, last_deploy_at = last_deploy_at - :span"
        session.execute(
            text(f"UPDATE environments SET {moved} WHERE id = :id"),  # noqa: S608  # names from above
            {"span": span, "id": environment_id},
        )


def types(slipway: Slipway, environment_id: UUID) -> list[str]:
    return [each.type.removeprefix("dev.slipway.environment.") for each in slipway.events(environment_id)]


def destroy(slipway: Slipway, environment_id: UUID) -> None:
    slipway.do(lambda service: service.destroy(slipway.principal, environment_id))
    slipway.work(environment_id)


def test_leftovers_of_the_destroyed_go_and_nothing_else(slipway: Slipway, ready: Made) -> None:
    gone, living, foreign = ready(), ready(), uuid4()
    (stack,) = slipway.outside.of(gone)
    destroy(slipway, gone)
    folder = slipway.settings.data_dir / "environments" / str(gone)
    folder.mkdir(parents=True)
    slipway.outside.running |= {stack: "0" * 40, "foreign": "0" * 40}
    slipway.outside.owners["foreign"] = foreign
    sweep(slipway.context())
    assert set(slipway.outside.running.values()) == {look(slipway, living).head_sha, "0" * 40}
    assert (slipway.outside.of(gone), bool(slipway.outside.of(foreign)), folder.exists()) == ({}, True, False)
    (event,) = [each for each in slipway.events(gone) if "orphan_removed" in each.type]
    assert (event.data["found"], event.data["left"]) == ([f"the process in {stack}"], [])
    sweep(slipway.context())
    assert sum("orphan_removed" in each for each in types(slipway, gone)) == 1


def test_a_leftover_that_stays_is_told_of_once(slipway: Slipway, ready: Made) -> None:
    gone = ready()
    (stack,) = slipway.outside.of(gone)
    destroy(slipway, gone)
    slipway.outside.running[stack] = "0" * 40
    slipway.outside.sticks = True
    for _ in range(3):
        sweep(slipway.context())
    assert types(slipway, gone).count("orphan_removed.v1") == 1
    assert [each.type for each in look(slipway, gone).conditions] == ["Orphaned"]
    slipway.outside.sticks = False
    sweep(slipway.context())
    assert types(slipway, gone).count("orphan_removed.v1") == 2
    assert look(slipway, gone).conditions == []


def test_what_is_missing_is_made_again_once_it_had_time_to_settle(slipway: Slipway, ready: Made) -> None:
    missing = ready()
    slipway.outside.running.clear()
    sweep(slipway.context())
    assert look(slipway, missing).phase is Phase.READY, "so soon after a deployment nothing is concluded"
    pass_time(slipway, missing, timedelta(minutes=6))
    sweep(slipway.context())
    found = look(slipway, missing)
    assert found.phase is Phase.UPDATING
    assert [each.reason for each in found.conditions if each.type == "Missing"] == ["NothingFound"]
    slipway.work(missing)
    again = look(slipway, missing)
    assert (again.phase, [each for each in again.conditions if each.type == "Missing"]) == (Phase.READY, [])
    assert set(slipway.outside.of(missing).values()) == {again.head_sha}


def test_where_all_is_lost_it_is_made_again_in_portions(
    slipway: Slipway, ready: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = sorted((ready(), ready(), ready()))
    slipway.outside.running.clear()
    for each in lost:
        pass_time(slipway, each, timedelta(minutes=6))
    monkeypatch.setattr(environment_sweep, "MOST_MADE", 2)
    phases = []
    for _ in range(2):
        sweep(slipway.context())
        phases.append([look(slipway, each).phase for each in lost])
    assert phases == [[Phase.UPDATING, Phase.UPDATING, Phase.READY], [Phase.UPDATING] * 3]


def test_a_removal_is_proven_and_one_in_vain_says_when_it_is_tried_again(slipway: Slipway, ready: Made) -> None:
    stubborn = ready()
    slipway.outside.fails = True
    destroy(slipway, stubborn)
    failed = look(slipway, stubborn)
    assert (failed.phase, failed.removal.tries if failed.removal else 0) == (Phase.DESTROY_FAILED, 1)
    assert failed.removal is not None
    assert failed.removal.next_try_at is not None
    assert timedelta(seconds=50) < failed.removal.next_try_at - failed.removal.checked_at <= timedelta(minutes=1)
    assert not [each for each in failed.conditions if each.type == "NeedsOperator"]
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        row = slipway.do(lambda service: service.get(slipway.principal.tenant_id, stubborn))
        row.conditions = [{**each, "at": "2020-01-01T00:00:00+00:00"} for each in row.conditions]
        session.merge(row)
    slipway.work(stubborn)
    assert [each.type for each in look(slipway, stubborn).conditions if each.type == "NeedsOperator"]
    slipway.outside.fails = False
    slipway.work(stubborn)
    gone = look(slipway, stubborn)
    assert (gone.phase, gone.conditions) == (Phase.DESTROYED, [])
    assert gone.removal is not None
    assert (gone.removal.left, gone.removal.next_try_at) == ([], None)
    assert len(gone.removal.looked_for) == 3


def test_a_removal_that_nobody_works_on_is_asked_for_again(slipway: Slipway, ready: Made) -> None:
    forgotten = ready()
    slipway.do(lambda service: service.destroy(slipway.principal, forgotten))
    slipway.handled |= {each.id for each in slipway.pending(forgotten)}
    slipway.do(lambda service: service.keep_time(slipway.principal.tenant_id, forgotten))
    assert slipway.pending(forgotten) == []
    pass_time(slipway, forgotten, timedelta(hours=8))
    slipway.do(lambda service: service.keep_time(slipway.principal.tenant_id, forgotten))
    slipway.work(forgotten)
    assert (look(slipway, forgotten).phase, slipway.outside.of(forgotten)) == (Phase.DESTROYED, {})


def test_a_stack_that_outlived_its_environment_is_removed(slipway: Slipway, ready: Made) -> None:
    gone, living = ready(), ready()
    (stack,) = slipway.outside.of(gone)
    destroy(slipway, gone)
    slipway.outside.stacks |= {stack: {"process"}, "strange-000000000000-1": {"process"}, "strange": {"route"}}
    slipway.outside.fails = True
    for _ in range(3):
        sweep(slipway.context())
    assert [each.reason for each in look(slipway, gone).conditions] == ["StackLeft"]
    assert types(slipway, gone).count("orphan_removed.v1") == 1
    slipway.outside.fails = False
    sweep(slipway.context())
    assert sorted(slipway.outside.stacks) == sorted([*slipway.outside.of(living), "strange", "strange-000000000000-1"])
    assert (types(slipway, gone).count("orphan_removed.v1"), look(slipway, gone).conditions) == (2, [])


def test_an_environment_whose_stack_nobody_knows_is_made_again(slipway: Slipway, ready: Made) -> None:
    lost, known = ready(), ready()
    (stack,) = slipway.outside.of(lost)
    del slipway.outside.stacks[stack]
    sweep(slipway.context())
    assert look(slipway, lost).phase is Phase.READY, "so soon after a deployment nothing is concluded"
    for each in (lost, known):
        pass_time(slipway, each, timedelta(minutes=6))
    sweep(slipway.context())
    assert [look(slipway, each).phase for each in (lost, known)] == [Phase.UPDATING, Phase.READY]
    slipway.work(lost)
    assert (look(slipway, lost).phase, stack in slipway.outside.stacks) == (Phase.READY, True)


def test_what_is_told_is_logged_once(slipway: Slipway, ready: Made, caplog: pytest.LogCaptureFixture) -> None:
    gone, foreign = ready(), uuid4()
    (stack,) = slipway.outside.of(gone)
    destroy(slipway, gone)
    slipway.outside.running |= {stack: "0" * 40, "foreign": "0" * 40}
    slipway.outside.owners["foreign"] = foreign
    slipway.outside.sticks = True
    for _ in range(3):
        sweep(slipway.context())
    assert [str(foreign) in each.message for each in caplog.records].count(True) == 1
    assert [str(gone) in each.message for each in caplog.records].count(True) == 1


def refusing(kept: list[object]) -> Callable[..., Verdict]:
    def refuse(*_: object) -> Verdict:
        raise PolicyRefusedError(Verdict(allowed=False), kept.append)

    return refuse


def said_of(slipway: Slipway, environment_id: UUID) -> list[tuple[str, str]]:
    found = look(slipway, environment_id).conditions
    return sorted((each.type, each.reason) for each in found if each.type != "Serving")


def ask_again(slipway: Slipway, environment_id: UUID) -> None:
    assert environment_id in slipway.do(lambda service: service.refused(slipway.principal.tenant_id))
    slipway.do(lambda service: service.ask_again(slipway.principal.tenant_id, environment_id))


def test_what_is_missing_is_made_again_only_where_policies_allow_it(
    slipway: Slipway, ready: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ready()
    before = look(slipway, missing).generation
    slipway.outside.running.clear()
    pass_time(slipway, missing, timedelta(minutes=6))
    kept: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(remaking, "pass_gate", refusing(kept))
        for _ in range(3):
            sweep(slipway.context())
    found = look(slipway, missing)
    assert (found.phase, found.generation, len(kept)) == (Phase.READY, before, 1), "asked once, not with each sweep"
    assert said_of(slipway, missing) == [("Missing", "NothingFound"), ("Restorable", "PolicyRefused")]
    ask_again(slipway, missing)
    sweep(slipway.context())
    slipway.work(missing)
    assert (look(slipway, missing).phase, said_of(slipway, missing)) == (Phase.READY, [])


def test_what_failed_is_tried_again_only_where_policies_allow_it(
    slipway: Slipway, ready: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ready()
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        moment = {"retry_at": now() - timedelta(minutes=1), "id": failed}
        session.execute(
            text("UPDATE environments SET phase = 'failed', retry_at = :retry_at, due_at = :retry_at WHERE id = :id"),
            moment,
        )
    before = look(slipway, failed).generation
    kept: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(remaking, "pass_gate", refusing(kept))
        for _ in range(3):
            slipway.do(lambda service: service.keep_time(slipway.principal.tenant_id, failed))
            pass_time(slipway, failed, timedelta(minutes=5))
    found = look(slipway, failed)
    assert (found.phase, found.generation, len(kept)) == (Phase.FAILED, before, 1)
    assert said_of(slipway, failed) == [("Restorable", "PolicyRefused")]
    ask_again(slipway, failed)
    slipway.work(failed)
    assert (look(slipway, failed).phase, said_of(slipway, failed)) == (Phase.READY, [])


def test_what_belongs_to_no_environment_is_counted_and_forgotten_once_it_is_gone(
    slipway: Slipway, ready: Made, caplog: pytest.LogCaptureFixture
) -> None:
    ready()
    foreign = uuid4()
    slipway.outside.running["foreign"], slipway.outside.owners["foreign"] = "0" * 40, foreign
    slipway.outside.stacks["preview-somebody-0123456789ab-1"] = {"process"}
    for _ in range(2):
        sweep(slipway.context())
    assert caplog.text.count(str(foreign)) == 1

    def counted() -> dict[str, float]:
        families = Metrics(slipway.database).registry.collect()
        (family,) = [each for each in families if each.name == "slipway_environment_strangers"]
        return {each.labels["place"]: each.value for each in family.samples}

    assert counted() == {"stacks": 1.0, "targets": 1.0}
    (told,) = strangers(slipway.settings)
    assert (told.verdict, str(foreign) in told.detail) == (findings.Verdict.LIMITED, True)
    del slipway.outside.running["foreign"], slipway.outside.stacks["preview-somebody-0123456789ab-1"]
    sweep(slipway.context())
    assert counted() == {"stacks": 0.0, "targets": 0.0}
    assert [each.verdict for each in strangers(slipway.settings)] == [findings.Verdict.FOUND]


def test_a_target_that_is_offered_no_longer_is_swept_as_long_as_something_may_be_there(
    slipway: Slipway, ready: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, missing, unreachable = ready(), ready(), ready()
    (stack,) = slipway.outside.of(gone)
    moved = {gone: "docker", missing: "docker", unreachable: "azure"}
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        for environment_id, name in moved.items():
            session.execute(
                text("UPDATE environments SET target = :name WHERE id = :id"), {"name": name, "id": environment_id}
            )
    elsewhere, asked = Outside(running=slipway.outside.running, owners=slipway.outside.owners), list[str]()

    def reach(name: str, _settings: Settings) -> Target:
        asked.append(name)
        if name == "azure":
            raise TargetUnavailableError("It is configured no longer.")
        return Target(elsewhere if name == "docker" else Outside())

    for module in (environment_sweep, sweeps):
        monkeypatch.setattr(module, "target", reach)
    assert slipway.settings.targets == ("local",)
    destroy(slipway, gone)
    slipway.outside.running[stack] = "0" * 40
    slipway.outside.clear(missing)
    pass_time(slipway, missing, timedelta(minutes=6))
    sweep(slipway.context())
    assert set(asked) == {"local", "docker", "azure"}
    assert slipway.outside.of(gone) == {}, "a leftover goes there as well"
    assert look(slipway, missing).phase is Phase.UPDATING, "what is missing there is made again"
    for each in (missing, unreachable):
        assert [said.reason for said in look(slipway, each).conditions if said.type == "TargetOffered"] == [
            "NotOffered"
        ]
    assert look(slipway, unreachable).phase is Phase.READY, "where nobody answers nothing is concluded"

    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(text("UPDATE environments SET phase = 'destroyed', destroyed_at = now() - interval '8 days'"))
    asked.clear()
    sweep(slipway.context())
    assert asked == ["local"]
