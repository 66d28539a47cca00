"""Waves judged by what the ledger of installs says of them: good, bad, and nothing that could be judged."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from catalog.campaigns.service import CampaignService, WaveFacts
from catalog.campaigns.shapes import AskCampaign, CampaignReason
from catalog.clock import now
from catalog.installs.shapes import AskRollback
from catalog.providers.metrics import MetricSourceError, Reach, sources
from tests.workers.campaigns.conftest import Desk

Ask = Callable[..., AskCampaign]
HOUR = timedelta(hours=1)


def judged(**metric: Any) -> dict[str, Any]:
    whole = {"name": "standing", "provider": "wave-facts", "interval": "PT1M", "initialDelay": "PT0S", **metric}
    return {"metrics": [whole]}


def test_a_good_wave_passes(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(analysis=judged(query="broken_share", successCondition="result == 0")))
    desk.do("start", campaign)
    desk.measured()
    (run,) = desk.read(campaign).waves[0].analyses
    assert [each.verdict for each in run.metrics[0].measurements][-1] == "successful"
    assert (run.metrics[0].measurements[-1].values, run.metrics[0].measurements[-1].samples) == ([0.0], 2)
    desk.soaked()
    assert [str(each.state) for each in desk.read(campaign).waves] == ["passed", "soaking"]


def test_a_bad_wave_stops_it_and_goes_back(desk: Desk, asked: Ask) -> None:
    campaign = desk.do("create", asked(analysis=judged(query="broken_share", failureCondition="result > 0.4")))
    desk.do("start", campaign)
    desk.measured()
    assert desk.read(campaign).state == "soaking"
    desk.by_hand("plan_rollback", desk.of("s1").id, AskRollback())
    desk.measured()
    found = desk.read(campaign)
    assert found.state == "stopped"
    assert found.reason.startswith("What was measured of wave 1 is bad: ")
    assert set(desk.versions().values()) == {"1.0.0"}
    assert desk.members(campaign)["s1"] == (1, "kept", "changed_by_hand")
    assert desk.members(campaign)["s2"] == (1, "rolled_back", None)


def test_what_decides_nothing_waits_for_a_person(desk: Desk, asked: Ask) -> None:
    unclear = judged(query="seconds_max", successCondition="result < 0", failureCondition="result > 1000000000")
    campaign = desk.do("create", asked(analysis=unclear))
    desk.do("start", campaign)
    desk.measured()
    found = desk.read(campaign)
    assert found.state == "paused"
    assert found.reason.startswith("What was measured of wave 1 decides nothing: ")
    assert desk.versions()["s1"] == "1.1.0", "it stays as it is meanwhile"
    desk.do("resume", campaign, CampaignReason())
    assert len(desk.read(campaign).waves[0].analyses) == 2, "it is watched once more"
    desk.do("promote", campaign, CampaignReason())
    assert desk.read(campaign).wave == 2


def test_numbers_of_a_wave() -> None:
    facts = WaveFacts(size=8, upgraded=4, failed=1, left=2, broken=1, seconds=(1.0, 2.0, 3.0, 10.0))
    found = {name: facts.number(name)[0] for name in ("failed_share", "left_share", "broken_share")}
    assert found == {"failed_share": 0.2, "left_share": 0.25, "broken_share": 0.25}
    assert [facts.number(name) for name in ("seconds_p50", "seconds_max")] == [(2.5, 4), (10.0, 4)]
    assert facts.number("seconds_p95")[0] == pytest.approx(8.95)  # as numpy's percentile has it
    nothing = WaveFacts(size=0, upgraded=0, failed=0, left=0, broken=0, seconds=())
    assert {nothing.number(name) for name in (*found, "seconds_p50", "seconds_p95", "seconds_max")} == {(None, 0)}


def test_the_source_says_what_it_cannot_answer(desk: Desk) -> None:
    source = sources()["wave-facts"]
    assert "failed_share" in source.problem("anything", desk.settings, "acme")
    reach = Reach(
        settings=desk.settings,
        tenant_id=desk.who.tenant_id,
        tenant_name="acme",
        subject_kind="campaign-wave",
        subject_id=uuid4(),
        session=lambda: desk.database.tenant_session(desk.who.tenant_id),
    )
    with pytest.raises(MetricSourceError, match="not there any more"):
        source.read("failed_share", HOUR, now(), reach)
    with desk.database.tenant_session(desk.who.tenant_id) as session:
        assert CampaignService(session, desk.settings).wave_facts(desk.who.tenant_id, uuid4()) is None
