"""Campaigns and people: approvals inside a wave, patience, pauses, and whoever the campaign acts as."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from catalog.approvals.errors import NotYourDecisionError
from catalog.approvals.models import Decide
from catalog.approvals.service import ApprovalService
from catalog.campaigns.shapes import AskBack, AskCampaign, CampaignReason
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUninstall
from catalog.tenancy import Role
from tests.workers.campaigns.conftest import Desk

Ask = Callable[..., AskCampaign]
FREEZE = """deny contains v if {
    input.point == "install"
    input.asset.name == "rules"
    v := {"rule": "freeze", "message": "nothing moves this week", "path": "/install", "remediation": "wait"}
}"""


def test_an_install_that_takes_an_approval_waits_for_somebody_else(desk: Desk, asked: Ask) -> None:
    ann, bob = desk.person("Ann", Role.ADMIN), desk.person("Bob")
    desk.rule(labels={"tier": "high"})
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 3}]), who=ann)
    desk.do("start", campaign, who=ann)
    assert desk.members(campaign)["s5"] == (1, "held", "approval_needed")
    assert desk.read(campaign).state == "running", "the wave waits for it"
    assert desk.versions() == {**dict.fromkeys(("s1", "s2", "s3", "s4"), "1.1.0"), "s5": "1.0.0"}
    with desk.database.tenant_session(bob.tenant_id) as session:
        (waiting,) = ApprovalService(session).waiting_for(bob)
        with pytest.raises(NotYourDecisionError):
            ApprovalService(session).decide(ann, waiting.id, Decide(), approves=True)
    desk.do("pause", campaign, CampaignReason(), who=ann)
    desk.decide(bob, "s5", approves=True)
    assert desk.versions()["s5"] == "1.0.0", "nothing begins while it is paused, whatever was approved"
    desk.do("resume", campaign, CampaignReason(), who=ann)
    assert desk.members(campaign)["s5"] == (1, "upgraded", None)
    assert desk.read(campaign).state == "soaking"


def test_a_denial_is_a_failure_and_stops_it(desk: Desk, asked: Ask) -> None:
    bob = desk.person("Bob")
    desk.rule(labels={"tier": "high"}, actions=["upgrade"])
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 5}]))
    desk.do("start", campaign)
    desk.decide(bob, "s5", approves=False)
    found = desk.read(campaign)
    assert (found.state, found.reason) == ("stopped", "1 of 5 failed in wave 1; 0% may.")
    assert desk.members(campaign)["s5"] == (1, "failed", "approval_denied")
    assert set(desk.versions().values()) == {"1.0.0"}, "the wave went back"
    desk.do("retry", campaign, CampaignReason())
    assert desk.members(campaign)["s5"] == (1, "held", "approval_needed"), "they are asked once more"
    desk.decide(bob, "s5", approves=True)
    assert set(desk.versions().values()) == {"1.1.0"}


def test_patience_has_an_end_and_nobody_decides_for_nothing_then(desk: Desk, asked: Ask) -> None:
    bob = desk.person("Bob")
    desk.rule(labels={"tier": "high"})
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 5}], patience="P2D"))
    desk.do("start", campaign)
    desk.let_time_pass("UPDATE campaign_members SET waits_since = now() - interval '47 h' WHERE state = 'held'")
    desk.work()
    assert desk.read(campaign).state == "running"
    desk.let_time_pass("UPDATE campaign_members SET waits_since = now() - interval '49 h' WHERE state = 'held'")
    desk.work()
    assert desk.members(campaign)["s5"] == (1, "left", "left")
    assert desk.read(campaign).state == "soaking"
    with desk.database.tenant_session(bob.tenant_id) as session:
        assert ApprovalService(session).waiting_for(bob) == []


def test_as_many_wait_as_may_and_nothing_else_begins(desk: Desk, asked: Ask) -> None:
    desk.person("Bob")
    desk.rule()
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 5}], waiting_at_most=2))
    desk.do("start", campaign)
    states = sorted(state for _, state, _ in desk.members(campaign).values())
    assert states == ["held", "held", "planned", "planned", "planned"]
    desk.do("roll_back", campaign, AskBack())
    assert desk.read(campaign).state == "aborted"
    assert set(desk.versions().values()) == {"1.0.0"}


def test_without_approvers_it_is_held_and_says_so(desk: Desk, asked: Ask) -> None:
    desk.rule()
    campaign = desk.do("create", asked(waves=[{"size": "100%", "at_once": 5}], selector={"service": "s1"}))
    desk.do("start", campaign)
    assert desk.members(campaign)["s1"] == (1, "held", "no_approvers")


def test_a_policy_that_refuses_holds_the_wave_and_says_why(
    desk: Desk, asked: Ask, publish_policy: Callable[..., str]
) -> None:
    campaign = desk.do("create", asked())
    publish_policy(desk.who, "guard", FREEZE)  # bound after everything was planned, and let through
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        wanted = AskInstall.model_validate({"asset": "acme/guard", "target": {"level": "mandatory"}, "name": "guard"})
        InstallService(session, desk.settings).plan_install(desk.who, wanted, auto=True)
    desk.work()
    desk.do("start", campaign)
    found = desk.read(campaign)
    assert (found.state, found.wave, [str(each.state) for each in found.waves]) == (
        "running",
        1,
        ["running", "pending"],
    )
    held = [each for each in found.members if each.state == "held"]
    assert [each.name for each in held] == ["i-s1", "i-s2"]
    assert {each.problem.code for each in held if each.problem} == {"policy_refused"}
    assert all("nothing moves this week" in each.problem.message for each in held if each.problem)
    later = "UPDATE campaign_members SET changed_at = now() - interval '6 min'"
    desk.let_time_pass(later)
    desk.work()
    assert set(desk.versions().values()) == {"1.0.0"}, "nothing was changed, and the next wave has not begun"
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        made = session.connection().execute(text("SELECT count(*) FROM install_revisions WHERE number > 1"))
        assert made.scalar_one() == 0
        guard = session.connection().execute(text("SELECT id FROM installs WHERE name = 'guard'")).scalar_one()
    desk.by_hand("plan_removal", guard, AskUninstall())
    desk.let_time_pass(later)
    desk.work()
    assert desk.read(campaign).state == "soaking"
    assert desk.versions() == {**dict.fromkeys(("s1", "s2"), "1.1.0"), **dict.fromkeys(("s3", "s4", "s5"), "1.0.0")}


def test_it_pauses_when_whoever_it_acts_as_leaves(desk: Desk, asked: Ask) -> None:
    ann, cid = desk.person("Ann", Role.ADMIN), desk.person("Cid", Role.ADMIN)
    campaign = desk.do("create", asked(), who=ann)
    desk.say("start", campaign, who=ann)
    with desk.database.tenant_session(ann.tenant_id) as session:
        session.connection().execute(text("UPDATE members SET removed_at = now() WHERE name = 'Ann'"))
    desk.work()
    found = desk.read(campaign)
    assert (found.state, found.reason) == ("paused", "Ann has left. Somebody else has to resume the campaign.")
    assert set(desk.versions().values()) == {"1.0.0"}
    desk.do("resume", campaign, CampaignReason(), who=cid)
    assert (desk.read(campaign).state, desk.read(campaign).acts_as) == ("soaking", "Cid")
    with desk.database.tenant_session(ann.tenant_id) as session:
        session.connection().execute(text("UPDATE members SET role = 'viewer' WHERE name = 'Cid'"))
    desk.work()
    assert desk.read(campaign).reason == "Cid may not do this any more. Somebody else has to resume it."
