"""Campaigns from beginning to end, with the real workers: waves, stops, rollbacks, what people change meanwhile."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from catalog.campaigns.errors import CampaignMoveError, CampaignNotFoundError, CampaignRefusedError
from catalog.campaigns.models import Campaign
from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import AskBack, AskCampaign, CampaignReason
from catalog.clock import now
from catalog.errors import ForbiddenError
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUninstall, AskUpgrade, SetLabels
from catalog.tenancy import Principal
from tests.workers.campaigns.conftest import Desk
from workers import campaigns
from workers.runtime.context import JobContext
from workers.runtime.drain import drain

Ask = Callable[..., AskCampaign]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FORBID = """deny contains v if {
    input.point == "install"
    input.install.target.applies_to.name == "s2"
    v := {"rule": "not-s2", "message": "not this one", "path": "/install", "remediation": "wait"}
}"""


def test_wave_by_wave_to_the_end(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(selector={"labels": {"tier": "low"}}))
    planned = desk.read(campaign)
    assert (planned.state, planned.version) == ("planned", "1.1.0")
    assert [each.size for each in planned.waves] == [2, 2]
    assert desk.members(campaign) == {f"s{n}": (1 if n < 3 else 2, "planned", None) for n in range(1, 5)}
    assert set(desk.versions().values()) == {"1.0.0"}, "planning changes nothing"
    desk.do("start", campaign)
    assert desk.read(campaign).state == "soaking"
    assert desk.versions() == {"s1": "1.1.0", "s2": "1.1.0", "s3": "1.0.0", "s4": "1.0.0", "s5": "1.0.0"}
    desk.soaked()
    assert (desk.read(campaign).state, desk.read(campaign).wave) == ("soaking", 2)
    desk.soaked()
    assert desk.read(campaign).state == "done"
    assert desk.versions() == {**{f"s{n}": "1.1.0" for n in range(1, 5)}, "s5": "1.0.0"}


def test_no_more_are_under_way_than_may_be_at_once(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 2}]))
    desk.say("start", campaign)
    for _ in range(3):
        desk.let_time_pass("UPDATE campaigns SET next_at = now()")
        campaigns.tick_due(JobContext(desk.app.runtime, "campaigns.tick_due"))
        states = [state for _, state, _ in desk.members(campaign).values()]
        assert (states.count("running"), states.count("planned")) == (2, 3)
    desk.work()
    assert set(desk.versions().values()) == {"1.1.0"}


def test_who_is_left_out_and_why(desk: Desk, asked: Ask, publish_policy: Callable[..., str], acme: Principal) -> None:
    with desk.database.tenant_session(acme.tenant_id) as session:
        service = InstallService(session, desk.settings)
        service.set_labels(acme, desk.of("s1").id, SetLabels(labels={"slipway/pinned": "true"}))
        service.set_labels(acme, desk.of("s3").id, SetLabels(labels={"slipway/frozen": "2999-01-01"}))
    publish_policy(acme, "guard", FORBID)
    with desk.database.tenant_session(acme.tenant_id) as session:
        target = {"level": "mandatory"}
        wanted = AskInstall.model_validate({"asset": "acme/guard", "target": target})
        InstallService(session, desk.settings).plan_install(acme, wanted, auto=True)
    drain(desk.app)
    first = desk.do("create", asked(selector={"service": "s4"}))
    second = desk.do("create", asked(name="again"))
    assert desk.members(first) == {"s4": (1, "planned", None)}
    assert desk.members(second) == {
        "s1": (None, "excluded", "pinned"),
        "s2": (None, "excluded", "policy"),
        "s3": (None, "excluded", "frozen"),
        "s4": (None, "excluded", "other_campaign"),
        "s5": (1, "planned", None),
    }


def test_too_many_failures_stop_it_and_the_wave_goes_back(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(stop_share=0.5))
    # One fails: written down as the worker would, because no installer fails for one of five alike bindings.
    failed = "UPDATE campaign_members SET state = 'failed', began_at = now(), problem = NULL WHERE name = 'i-s2'"
    desk.let_time_pass(failed)
    desk.do("start", campaign)
    assert desk.read(campaign).state == "soaking", "half of it may fail"
    assert desk.versions()["s1"] == "1.1.0"
    desk.let_time_pass("""UPDATE campaigns SET state = 'running', asked = jsonb_set(asked, '{stop_share}', '0.4')""")
    desk.work()
    found = desk.read(campaign)
    assert (found.state, found.reason) == ("stopped", "1 of 2 failed in wave 1; 40% may.")
    assert [str(each.state) for each in found.waves] == ["rolled_back", "pending"]
    assert set(desk.versions().values()) == {"1.0.0"}
    assert desk.members(campaign)["s1"] == (1, "rolled_back", None)
    desk.let_time_pass("UPDATE installs SET state = 'failed' WHERE name = 'i-s2'")
    desk.do("retry", campaign, CampaignReason(reason="mended"))
    assert desk.read(campaign).state == "soaking"
    assert desk.versions()["s2"] == "1.1.0"


def test_a_version_that_is_revoked_meanwhile_fails_and_stops_it(desk: Desk, asked: Ask, acme: Principal) -> None:
    campaign = desk.do("create", asked())
    with desk.database.tenant_session(acme.tenant_id) as session:
        session.connection().execute(text("UPDATE asset_versions SET state = 'revoked' WHERE version = '1.1.0'"))
    desk.do("start", campaign)
    assert desk.read(campaign).state == "stopped"
    assert set(desk.versions().values()) == {"1.0.0"}


def test_what_was_changed_removed_or_added_meanwhile_is_left_alone(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked())
    desk.by_hand("plan_upgrade", desk.of("s1").id, AskUpgrade())
    desk.by_hand("plan_removal", desk.of("s3").id, AskUninstall())
    desk.install("s6")
    desk.do("start", campaign)
    assert desk.members(campaign)["s1"] == (1, "skipped", "changed_by_hand")
    assert desk.members(campaign)["s2"] == (1, "upgraded", None)
    desk.do("promote", campaign, CampaignReason())
    skipped = {each.name: each.problem.code for each in desk.read(campaign).members if each.problem}
    assert skipped == {"i-s1": "changed_by_hand", "i-s3": "removed"}
    assert "s6" not in desk.members(campaign), "what came later is not part of it"


def test_paused_resumed_promoted_and_rolled_back(desk: Desk, asked: Ask, acme: Principal) -> None:
    campaign = desk.do("create", asked())
    desk.do("start", campaign)
    desk.do("pause", campaign, CampaignReason(reason="lunch"))
    assert (desk.read(campaign).state, desk.read(campaign).reason) == ("paused", "lunch")
    desk.soaked()
    assert desk.read(campaign).state == "paused"
    desk.do("resume", campaign, CampaignReason())
    assert desk.read(campaign).state == "soaking"
    few = Principal(acme.tenant_id, "acme", "token:1", "few", frozenset({"campaigns:write", "installs:write"}))
    with pytest.raises(ForbiddenError, match="campaigns:admin"):
        desk.do("promote", campaign, CampaignReason(), who=few)
    desk.do("promote", campaign, CampaignReason())
    assert desk.read(campaign).wave == 2
    desk.do("roll_back", campaign, AskBack(all_waves=True))
    assert desk.read(campaign).state == "aborted"
    assert [str(each.state) for each in desk.read(campaign).waves] == ["rolled_back", "rolled_back"]
    assert set(desk.versions().values()) == {"1.0.0"}
    with pytest.raises(CampaignMoveError):
        desk.do("abort", campaign, CampaignReason())


def test_outside_its_windows_nothing_begins(desk: Desk, asked: Ask) -> None:
    later = DAYS[(now() + timedelta(days=3)).weekday()]
    window = {"days": [later], "begins": "00:00", "ends": "00:01", "zone": "Europe/Berlin"}
    campaign = desk.do("create", asked(windows=[window]))
    desk.do("start", campaign)
    found = desk.read(campaign)
    assert found.state == "running"
    assert found.window_opens_at is not None
    assert set(desk.versions().values()) == {"1.0.0"}
    desk.do("abort", campaign, CampaignReason())
    assert desk.read(campaign).state == "aborted"


def test_a_rollback_goes_backwards(desk: Desk, asked: Ask) -> None:
    waves = [{"size": "2", "at_once": 1}, {"size": "100%", "at_once": 1}]
    campaign = desk.do("create", asked(waves=waves, selector={"labels": {"tier": "low"}}))
    desk.do("start", campaign)
    desk.do("promote", campaign, CampaignReason())
    assert set(desk.versions().values()) == {"1.0.0", "1.1.0"}
    desk.do("roll_back", campaign, AskBack(all_waves=True))
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        said = (
            "SELECT data ->> 'name', data ->> 'action' FROM events WHERE type LIKE '%install.ready%' ORDER BY sequence"
        )
        moves = [tuple(each) for each in session.connection().execute(text(said))]
    upgraded = [name for name, action in moves if action == "upgrade"]
    assert [name for name, action in moves if action == "rollback"] == upgraded[::-1]
    assert upgraded == ["i-s1", "i-s2", "i-s3", "i-s4"]


def test_two_campaigns_over_the_same_installs(desk: Desk, asked: Ask) -> None:
    first, second = (desk.say("create", asked(name=name)) for name in ("first", "second"))
    desk.work()
    assert {state for _, state, _ in desk.members(first).values()} == {"planned"}
    assert {problem for _, _, problem in desk.members(second).values()} == {"other_campaign"}
    # Both were made at the same moment: neither knew of the other.
    desk.let_time_pass("UPDATE campaign_members SET state = 'planning', problem = NULL WHERE state = 'excluded'")
    desk.let_time_pass("UPDATE campaigns SET state = 'planning' WHERE name = 'second'")
    desk.work()
    for campaign in (first, second):
        desk.say("start", campaign)
    desk.work()
    assert {state for wave, state, _ in desk.members(first).values() if wave == 1} == {"upgraded"}
    outcome = {(state, problem) for wave, state, problem in desk.members(second).values() if wave == 1}
    assert outcome == {("skipped", "changed_by_hand")}
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        made = session.connection().execute(text("SELECT count(*) FROM install_revisions WHERE number > 1"))
        assert made.scalar_one() == 2, "each install was upgraded once"


def test_a_yanked_version_stops_it_before_anything_else_begins(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(roll_back=False))
    desk.do("start", campaign)
    desk.let_time_pass("UPDATE asset_versions SET state = 'yanked', state_reason = 'It leaks.' WHERE version = '1.1.0'")
    desk.soaked()
    found = desk.read(campaign)
    assert (found.state, found.reason) == ("stopped", "acme/rules 1.1.0 is yanked: It leaks.")
    assert sorted(desk.versions().values()) == ["1.0.0"] * 3 + ["1.1.0"] * 2
    with pytest.raises(CampaignRefusedError, match="is yanked"):
        desk.say("create", asked(version="1.1.0", name="again"))


def test_a_preview_keeps_nothing(desk: Desk, asked: Ask, acme: Principal) -> None:
    with desk.database.tenant_session(acme.tenant_id) as session:
        service = InstallService(session, desk.settings)
        service.set_labels(acme, desk.of("s2").id, SetLabels(labels={"slipway/pinned": "true"}))
        found = CampaignService(session, desk.settings).preview(acme, asked(stop_share=0.1))
    assert [[each.name for each in wave.installs] for wave in found.waves] == [["i-s1", "i-s3"], ["i-s4", "i-s5"]]
    assert [(each.name, each.problem and each.problem.code) for each in found.left_out] == [("i-s2", "pinned")]
    with desk.database.tenant_session(acme.tenant_id) as session:
        assert CampaignService(session, desk.settings).page(acme.tenant_id) == []


def test_one_look_that_breaks_off_keeps_nobody_waiting(desk: Desk, asked: Ask) -> None:
    broken = desk.do("create", asked(selector={"service": "s1"}))
    other = desk.do("create", asked(name="other", selector={"service": "s2"}))
    for each in (broken, other):
        desk.say("start", each)
    drain(desk.app)
    desk.let_time_pass(f"UPDATE campaigns SET next_at = now() - interval '9 h', wave = 7 WHERE id = '{broken}'")  # noqa: S608
    desk.let_time_pass(f"UPDATE campaigns SET next_at = now() - interval '1 h' WHERE id = '{other}'")  # noqa: S608
    with pytest.raises(StopIteration):
        campaigns.tick_due(JobContext(desk.app.runtime, "campaigns.tick_due"))
    campaigns.tick_due(JobContext(desk.app.runtime, "campaigns.tick_due"))
    assert desk.read(other).state == "soaking"


def test_a_tenant_with_many_campaigns_keeps_nobody_waiting(desk: Desk, asked: Ask, rival: Principal) -> None:
    def add(who: Principal, number: int, since: timedelta) -> None:
        with desk.database.tenant_session(who.tenant_id) as session:
            wanted = asked(name=f"{who.name} {number}").model_dump(mode="json")
            row = Campaign(
                tenant_id=who.tenant_id,
                name=wanted["name"],
                asset="acme/rules",
                version="1.1.0",
                asked=wanted,
                actor=who.actor,
                acts_as=who.name,
                created_by=who.name,
                next_at=now() - since,
            )
            session.add(row)

    for number in range(40):
        add(desk.who, number, timedelta(hours=1))
    for number in range(2):
        add(rival, number, timedelta(minutes=1))
    campaigns.tick_due(JobContext(desk.app.runtime, "campaigns.tick_due"))
    looked: dict[str, datetime] = {}
    for who in (desk.who, rival):
        with desk.database.tenant_session(who.tenant_id) as session:
            rows = session.connection().execute(text("SELECT name, state, changed_at FROM campaigns")).all()
        assert {row.state for row in rows} == {"planned"}, "everybody had a turn"
        looked |= {row.name: row.changed_at for row in rows}
    order = sorted(looked, key=lambda name: looked[name])
    assert [order.index(f"{rival.name} {number}") for number in range(2)] == [1, 3]


def test_another_tenant_sees_nothing(desk: Desk, asked: Ask, rival: Principal) -> None:
    campaign = desk.do("create", asked())
    with desk.database.tenant_session(rival.tenant_id) as session:
        with pytest.raises(CampaignNotFoundError):
            CampaignService(session, desk.settings).get(rival.tenant_id, campaign)
        for table in ("campaigns", "campaign_waves", "campaign_members"):
            assert session.connection().execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0  # noqa: S608
