"""The life of a version: every sequence of steps, what each state means, and who is told."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from catalog.assets import life
from catalog.assets.curation.models import ShareAsset
from catalog.assets.errors import VersionNotSelectableError, VersionStateError
from catalog.assets.life import MEANINGS, MOVES, Choice, Running
from catalog.assets.models import AssetVersionRead, ChangeVersionState, VersionState, Visibility
from catalog.assets.references import parse_reference
from catalog.assets.rules import Candidate, choose, latest
from catalog.assets.service import AssetService
from catalog.assets.versions import VersionNumber, parse_constraint
from catalog.clock import now
from catalog.db import Database
from catalog.errors import ForbiddenError, InvalidInputError
from catalog.events.models import EventRecord
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers import asset_life
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

WHY = ChangeVersionState(reason="It loses data.")
PUBLIC = Visibility.PUBLIC
Publish = Callable[..., AssetVersionRead]
VERBS = sorted({move.verb for move in MOVES})
NUMBER = VersionNumber(1, 0, 0, 3, 0)


@given(st.lists(st.sampled_from(VERBS), max_size=12))
def test_every_sequence_of_steps_follows_the_table(verbs: list[str]) -> None:
    state = VersionState.DRAFT
    was_out = False
    was_revoked = False
    for verb in verbs:
        try:
            move = life.find_move(verb, state)
        except VersionStateError:
            assert not any(each.verb == verb and state in each.sources for each in MOVES)
            continue
        assert state in move.sources
        state = move.target
        was_out |= state not in life.UNSEEN
        was_revoked |= state is VersionState.REVOKED
        # What was out is never a secret again, and what was revoked stays so.
        assert not (was_out and state in life.UNSEEN)
        assert not was_revoked or state is VersionState.REVOKED


def test_each_state_and_verb_has_one_step_at_most_and_every_state_a_meaning() -> None:
    assert set(MEANINGS) == set(VersionState)
    for verb in VERBS:
        for state in VersionState:
            assert len([move for move in MOVES if move.verb == verb and state in move.sources]) <= 1, (verb, state)
    reachable = {VersionState.DRAFT} | {move.target for move in MOVES}
    assert reachable == set(VersionState)


@pytest.mark.parametrize("state", list(VersionState))
def test_choosing_does_what_the_table_says(state: VersionState) -> None:
    version = Candidate(NUMBER, state)

    def gets(constraint: str) -> bool:
        try:
            return choose(parse_constraint(constraint), [version]) == NUMBER
        except VersionNotSelectableError:
            return False

    choice = MEANINGS[state].choice
    assert gets("") == (choice in {Choice.FIRST, Choice.LAST})
    assert gets("==1.0.0") == (choice is not Choice.NEVER)
    assert (latest([version]) == NUMBER) == (state in life.LISTED)
    older = Candidate(VersionNumber(0, 9, 0, 3, 0), VersionState.PUBLISHED)
    assert (choose(parse_constraint(""), [version, older]) == NUMBER) == (choice is Choice.FIRST)


def test_the_document_shows_the_table_that_the_code_reads() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "life-of-a-version.md").read_text()
    for state, meaning in MEANINGS.items():
        download = "yes" if meaning.download else "no"
        line = f"| `{state}` | {meaning.summary} | {meaning.choice} | {meaning.running} | {download} |"
        assert line in text, line
    for move in MOVES:
        sources = ", ".join(f"`{state}`" for state in VersionState if state in move.sources)
        line = f"| {move.verb} | {sources} | `{move.target}` | `{move.scope}` |"
        assert line in text, line


def move(
    database: Database, principal: Principal, verb: str, version: str = "1.0.0", change: ChangeVersionState = WHY
) -> AssetVersionRead:
    with database.tenant_session(principal.tenant_id) as session:
        moved: AssetVersionRead = getattr(AssetService(session), verb)(principal, "acme", "shop", version, change)
        return moved


def use(database: Database, principal: Principal, subject: str, reference: str = "acme/shop") -> None:
    with database.tenant_session(principal.tenant_id) as session:
        service = AssetService(session)
        version = service.resolve(principal.tenant_id, parse_reference(reference))
        service.use(principal.tenant_id, subject, "pr-42", [version])


def told(database: Database, tenant_id: UUID) -> list[EventRecord]:
    with database.tenant_session(tenant_id) as session:
        rows = session.exec(select(EventRecord).order_by("sequence")).all()
    return [row for row in rows if row.type.startswith("dev.slipway.asset_use.affected")]


def test_only_an_administrator_brings_a_version_back_from_quarantine(
    database: Database, acme: Principal, publish: Publish
) -> None:
    publish(acme, "shop")
    publisher = Principal(acme.tenant_id, "acme", "member:2", "Bo", frozenset({"assets:write"}))
    assert move(database, publisher, "quarantine").state is VersionState.QUARANTINED
    with pytest.raises(ForbiddenError, match="administrator"):
        move(database, publisher, "restore")
    assert move(database, acme, "restore").state is VersionState.PUBLISHED


def test_what_comes_back_from_quarantine_is_what_it_was_before(
    database: Database, acme: Principal, publish: Publish
) -> None:
    publish(acme, "shop")
    publish(acme, "store")
    day = now().date() + timedelta(days=30)
    said = ChangeVersionState(reason="Old.", replacement="acme/store>=1", end_of_life=day, link="https://example.com/a")
    for verb, state in (("deprecate", VersionState.DEPRECATED), ("yank", VersionState.YANKED)):
        move(database, acme, verb, change=said)
        for _ in range(2):
            move(database, acme, "quarantine", change=ChangeVersionState(reason="Under examination."))
        back = move(database, acme, "restore", change=ChangeVersionState(reason="Cleared."))
        assert (back.state, back.state_reason, back.replacement) == (state, "Old.", "acme/store>=1")
        assert (back.end_of_life, back.state_link) == (day, said.link)
        with database.tenant_session(acme.tenant_id) as session:
            newest = AssetService(session).history(acme.tenant_id, back)[0]
        assert (newest.before, newest.after, newest.reason) == (VersionState.QUARANTINED, state, "Cleared.")
    move(database, acme, "restore")
    move(database, acme, "quarantine")
    assert move(database, acme, "restore").state is VersionState.PUBLISHED


def test_whoever_runs_a_version_is_told_of_it_also_once_it_is_shared_no_more(
    database: Database,
    acme: Principal,
    rival: Principal,
    publish: Publish,
    new_tenants: Callable[[int], list[Principal]],
) -> None:
    publish(acme, "shop", visibility=PUBLIC)
    (third,) = new_tenants(1)
    use(database, rival, "environments/r")
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).share(acme, "acme", "shop", ShareAsset(visibility=Visibility.PRIVATE))
    move(database, acme, "quarantine", change=ChangeVersionState(reason="Under examination."))
    with database.tenant_session(rival.tenant_id) as session:
        service = AssetService(session)
        (notice,) = service.notices(rival.tenant_id, "environments/r")
        assert service.is_held(rival.tenant_id, "environments/r")
        told_of = service.changes_feed(rival.tenant_id, installed=True).entries
        assert service.changes_feed(rival.tenant_id).entries == []
    assert (notice.namespace, notice.name, notice.version) == ("acme", "shop", "1.0.0")
    assert (notice.state, notice.reason) == (VersionState.QUARANTINED, "Under examination.")
    assert [(each.name, each.state, each.summary) for each in told_of] == [
        ("shop", VersionState.QUARANTINED, "Under examination.")
    ]
    with database.tenant_session(third.tenant_id) as session:
        service = AssetService(session)
        assert service.notices(third.tenant_id, "environments/r") == []
        assert service.changes_feed(third.tenant_id, installed=True).entries == []
    with database.tenant_session(rival.tenant_id) as session:
        AssetService(session).release(rival.tenant_id, "environments/r")
    with database.tenant_session(rival.tenant_id) as session:
        service = AssetService(session)
        assert service.notices(rival.tenant_id, "environments/r") == []
        assert service.changes_feed(rival.tenant_id, installed=True).entries == []


def test_what_is_shared_no_more_names_no_replacement_that_is_not_seen(
    database: Database, settings: Settings, acme: Principal, rival: Principal, publish: Publish
) -> None:
    publish(acme, "shop", visibility=PUBLIC)
    publish(acme, "store", visibility=PUBLIC)
    publish(acme, "secret")
    use(database, rival, "environments/r")
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).share(acme, "acme", "shop", ShareAsset(visibility=Visibility.PRIVATE))
    for replacement, shown in (("acme/secret>=1", None), ("acme/store>=1", "acme/store>=1")):
        move(database, acme, "yank", change=ChangeVersionState(reason="Old.", replacement=replacement))
        with database.tenant_session(rival.tenant_id) as session:
            (notice,) = AssetService(session).notices(rival.tenant_id, "environments/r")
        assert (notice.reason, notice.replacement) == ("Old.", shown)
        move(database, acme, "restore")
    app = App(settings, registry([asset_life.WORKER]))
    drain(app)
    app.close()
    named = {row.data["replacement"] for row in told(database, rival.tenant_id) if row.data["state"] == "yanked"}
    assert named == {None, "acme/store>=1"}


def share(database: Database, principal: Principal, name: str, *tenants: str) -> None:
    visibility = Visibility.SHARED if tenants else Visibility.PUBLIC
    with database.tenant_session(principal.tenant_id) as session:
        wanted = ShareAsset(visibility=visibility, tenants=list(tenants))
        AssetService(session).share(principal, principal.tenant_name, name, wanted)


def refused_at(doing: Callable[[], object]) -> str:
    with pytest.raises(InvalidInputError, match="may see") as refusal:
        doing()
    return refusal.value.errors[0].pointer


def test_no_replacement_is_named_that_readers_of_the_version_could_not_see(
    database: Database, acme: Principal, rival: Principal, publish: Publish
) -> None:
    change = ChangeVersionState(reason="Old.", replacement="acme/store>=1")
    publish(acme, "shop")
    publish(acme, "store")
    move(database, acme, "deprecate", change=change)
    assert refused_at(lambda: share(database, acme, "shop", "rival")) == "/visibility"
    assert refused_at(lambda: share(database, acme, "shop")) == "/visibility"
    assert refused_at(lambda: publish(acme, "shop", "1.1.0", visibility=PUBLIC)) == "/visibility"
    share(database, acme, "store", "rival", "third")
    share(database, acme, "shop", "rival")
    assert refused_at(lambda: share(database, acme, "shop", "rival", "fourth")) == "/visibility"
    share(database, acme, "store")
    share(database, acme, "shop")
    publish(acme, "secret")
    hidden = ChangeVersionState(reason="Old.", replacement="acme/secret")
    assert refused_at(lambda: move(database, acme, "yank", change=hidden)) == "/replacement"
    publish(rival, "theirs")
    share(database, rival, "theirs", "acme")
    shared = ChangeVersionState(reason="Old.", replacement="rival/theirs")
    assert refused_at(lambda: move(database, acme, "yank", change=shared)) == "/replacement"
    own = ChangeVersionState(reason="Old.", replacement="acme/shop>=2")
    assert move(database, acme, "yank", change=own).replacement == "acme/shop>=2"


def test_a_deprecation_says_what_replaces_it_until_when_and_where_to_read_more(
    database: Database, acme: Principal, publish: Publish
) -> None:
    publish(acme, "shop")
    publish(acme, "store")
    day = now().date() + timedelta(days=30)
    change = ChangeVersionState(
        reason="Old.", replacement="acme/store>=1", end_of_life=day, link="https://example.com/why"
    )
    moved = move(database, acme, "deprecate", change=change)
    assert (moved.replacement, moved.end_of_life, moved.state_link) == ("acme/store>=1", day, change.link)
    restored = move(database, acme, "restore")
    assert (restored.replacement, restored.end_of_life, restored.state_link) == (None, None, None)
    with database.tenant_session(acme.tenant_id) as session:
        steps = AssetService(session).history(acme.tenant_id, restored)
    assert [(step.after, step.reason, step.by) for step in steps] == [
        (VersionState.PUBLISHED, "It loses data.", "acme"),
        (VersionState.DEPRECATED, "Old.", "acme"),
    ]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (ChangeVersionState(reason="x", end_of_life=date(2020, 1, 1)), "/end_of_life"),
        (ChangeVersionState(reason="x", replacement="acme/nothing"), "/replacement"),
        (ChangeVersionState(reason="x", replacement="acme/shop==1.0.0"), "/replacement"),
    ],
)
def test_what_makes_no_sense_is_refused(
    database: Database, acme: Principal, publish: Publish, change: ChangeVersionState, pointer: str
) -> None:
    publish(acme, "shop")
    with pytest.raises(InvalidInputError) as refusal:
        move(database, acme, "deprecate", change=change)
    assert [each.pointer for each in refusal.value.errors] == [pointer]


def test_everybody_who_runs_a_version_is_named_before_and_told_after_in_their_own_feed(
    database: Database, acme: Principal, rival: Principal, publish: Publish, settings: Settings
) -> None:
    publish(acme, "shop", visibility=PUBLIC)
    use(database, acme, "environments/a")
    use(database, rival, "environments/r")
    with database.tenant_session(acme.tenant_id) as session:
        affected = AssetService(session).used_by(acme.tenant_id, "acme", "shop", "1.0.0")
    assert [each.subject for each in affected.uses] == ["environments/a"]
    assert affected.other_tenants == 0, "one other tenant is never told of"
    moved = move(database, acme, "yank")
    assert moved.affected == affected
    app = App(settings, registry([asset_life.WORKER]))
    for _ in range(2):
        drain(app)
    app.close()
    for principal, subject in ((acme, "environments/a"), (rival, "environments/r")):
        (row,) = told(database, principal.tenant_id)
        assert row.data["uses"] == [subject]
        assert (row.data["state"], row.data["reason"]) == ("yanked", "It loses data.")
        with database.tenant_session(principal.tenant_id) as session:
            (notice,) = AssetService(session).notices(principal.tenant_id, subject)
        assert notice.state is VersionState.YANKED


def test_telling_twice_tells_once(database: Database, acme: Principal, publish: Publish) -> None:
    version = publish(acme, "shop")
    use(database, acme, "environments/a")
    changed = {"namespace": "acme", "name": "shop", "version": "1.0.0", "state": "yanked", "reason": "x"}
    with database.tenant_session(acme.tenant_id) as session:
        service = AssetService(session)
        step = uuid4()
        full = {**changed, "replacement": None, "end_of_life": None}
        assert service.tell(acme.tenant_id, version.id, step, full)
        assert not service.tell(acme.tenant_id, version.id, step, full)
        assert service.tell(acme.tenant_id, version.id, uuid4(), full)


def test_other_tenants_are_counted_in_fives(
    database: Database, acme: Principal, publish: Publish, new_tenants: Callable[[int], list[Principal]]
) -> None:
    version = publish(acme, "shop", visibility=PUBLIC)
    tenants = new_tenants(6)
    for number, each in enumerate(tenants, start=1):
        use(database, each, "environments/x")
        with database.tenant_session(acme.tenant_id) as session:
            found = AssetService(session).used_by(acme.tenant_id, "acme", "shop", version.version)
        assert found.other_tenants == number // 5 * 5
    with database.tenant_session(tenants[0].tenant_id) as session:
        found = AssetService(session).used_by(tenants[0].tenant_id, "acme", "shop", version.version)
    assert found.other_tenants == 0
    assert [each.subject for each in found.uses] == ["environments/x"]


def test_what_builds_on_a_version_is_named_as_far_as_the_asker_may_see_it(
    database: Database, acme: Principal, rival: Principal, publish: Publish
) -> None:
    publish(acme, "shop", visibility=PUBLIC)
    needs = "[{asset: acme/shop, kind: deployment-blueprint, version: '>=1,<2'}]"
    publish(rival, "open", visibility=PUBLIC, dependencies=needs)
    publish(rival, "secret", dependencies=needs)
    publish(acme, "mine", dependencies="[{asset: acme/shop, kind: deployment-blueprint, version: '>=2'}]")
    for principal, expected in ((acme, {"rival/open"}), (rival, {"rival/open", "rival/secret"})):
        with database.tenant_session(principal.tenant_id) as session:
            found = AssetService(session).used_by(principal.tenant_id, "acme", "shop", "1.0.0")
        assert {f"{each.namespace}/{each.name}" for each in found.dependents} == expected
    with database.tenant_session(acme.tenant_id) as session:
        found = AssetService(session).used_by(acme.tenant_id, "acme", "shop")
    assert {f"{each.namespace}/{each.name}" for each in found.dependents} == {"acme/mine", "rival/open"}


def test_a_reached_end_of_life_archives_and_tells(
    database: Database, acme: Principal, publish: Publish, settings: Settings
) -> None:
    publish(acme, "shop")
    use(database, acme, "environments/a")
    move(database, acme, "deprecate", change=ChangeVersionState(reason="Old.", end_of_life=now().date()))
    app = App(settings, registry([asset_life.WORKER]))
    with database.system_session() as session:
        due = AssetService.due_for_end_of_life(session, now().date(), 10)
    assert len(due) == 1
    for tenant_id, version_id in due:
        for expected in (True, False):
            with database.tenant_session(tenant_id) as session:
                assert AssetService(session).reach_end_of_life(tenant_id, version_id) is expected
    drain(app)
    app.close()
    with database.tenant_session(acme.tenant_id) as session:
        found = AssetService(session).get_version(acme.tenant_id, "acme", "shop", "1.0.0")
    assert found.state is VersionState.ARCHIVED
    assert [row.data["state"] for row in told(database, acme.tenant_id)] == ["deprecated", "archived"]
    assert MEANINGS[found.state].running is Running.NOTICED


def test_what_is_measured_is_the_tenants_own(
    database: Database, acme: Principal, rival: Principal, publish: Publish
) -> None:
    publish(acme, "shop", visibility=PUBLIC)
    for principal in (acme, rival):
        use(database, principal, "environments/a")
    publish(acme, "shop", version="1.1.0")
    with database.tenant_session(acme.tenant_id) as session:
        service = AssetService(session)
        for succeeded, seconds in ((True, 2.0), (True, 4.0), (False, 9.0)):
            service.record_outcome(acme.tenant_id, "environments/a", succeeded=succeeded, seconds=seconds)
    with database.tenant_session(acme.tenant_id) as session:
        found = AssetService(session).measured(acme.tenant_id, "acme", "shop")
    assert (found.active, found.behind, found.attempts, found.successes) == (1, 1, 3, 2)
    assert (found.median_seconds, found.success_percent) == (3.0, 66)
    with database.tenant_session(rival.tenant_id) as session:
        found = AssetService(session).measured(rival.tenant_id, "acme", "shop")
    assert (found.active, found.attempts, found.median_seconds) == (1, 0, None)
