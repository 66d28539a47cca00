"""Sample pages of campaigns: planned, watched, stopped and empty; the form with a preview and with errors."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from catalog.analysis.models import AnalysisPhase, MetricVerdict
from catalog.analysis.shapes import AnalysisRead, MeasurementRead, MetricRead
from catalog.campaigns.models import CampaignState, MemberState, WaveState
from catalog.campaigns.shapes import (
    AskCampaign,
    CampaignDetail,
    CampaignMemberRead,
    CampaignPreview,
    CampaignWaveRead,
    PreviewInstall,
    PreviewWave,
)
from catalog.errors import FieldError
from catalog.operations.models import Problem
from portal.pages.campaign_form import BEGINNING, NewCampaignPage
from portal.pages.campaigns import VERBS, CampaignListPage, CampaignPage, DecideCampaignPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on"
ASKED = AskCampaign.model_validate(
    {
        "name": "Python services to 2.1",
        "asset": "acme/python-service",
        "selector": {"labels": {"tier": "standard"}, "from_version": "<2"},
        "windows": [{"days": ["mon", "tue"], "begins": "22:00", "ends": "05:00", "zone": "Europe/Berlin"}],
        "stop_share": 0.1,
    }
).model_dump(mode="json")


def member(name: str, wave: int | None, state: MemberState, why: str = "") -> CampaignMemberRead:
    return CampaignMemberRead(
        install_id=uuid5(ID, name),
        name=name,
        wave=wave,
        from_version="1.4.0",
        state=state,
        base_revision=1,
        revision=2 if state is MemberState.UPGRADED else None,
        plan_id=ID if wave else None,
        attempt=0,
        problem=Problem(code="why", message=why) if why else None,
        waits_since=None,
        changed_at=NOW,
    )


def wave(number: int, state: WaveState, counts: dict[str, int], **more: Any) -> CampaignWaveRead:
    values: dict[str, Any] = {"number": number, "size": sum(counts.values()), "at_once": 5, "state": state}
    values |= {"message": "", "counts": counts, "started_at": NOW, "soak_until": None, "finished_at": None}
    return CampaignWaveRead(**{**values, **more})


def analysis() -> AnalysisRead:
    measurement = MeasurementRead(
        metric="still-as-left",
        number=3,
        verdict=MetricVerdict.SUCCESSFUL,
        values=[0.0],
        requests=None,
        samples=2,
        message="",
        started_at=NOW,
        finished_at=NOW,
    )
    metric = MetricRead(
        name="still-as-left",
        provider="wave-facts",
        kind="threshold",
        dry_run=False,
        success_condition="result == 0",
        failure_condition=None,
        phase=AnalysisPhase.RUNNING,
        message="",
        counters={},
        measurements=[measurement],
    )
    return AnalysisRead(
        id=ID,
        subject_kind="campaign-wave",
        subject_id=ID,
        phase=AnalysisPhase.RUNNING,
        message="",
        ending=None,
        metrics=[metric],
        started_at=NOW,
        deadline_at=NOW + timedelta(hours=1),
        finished_at=None,
    )


MEMBERS = [
    member("python-service-hello", 1, MemberState.UPGRADED),
    member("python-service-shop", 1, MemberState.HELD, "People have to approve it first. They were asked."),
    member(LONG, 2, MemberState.PLANNED),
    member("python-service-old", None, MemberState.EXCLUDED, "It is pinned (slipway/pinned): we wait for 3.0."),
]


def campaign(state: CampaignState, **more: Any) -> CampaignDetail:
    values: dict[str, Any] = {
        "id": ID,
        "name": "Python services to 2.1",
        "asset": "acme/python-service",
        "version": "2.1.0",
        "asked": ASKED,
        "state": state,
        "wave": 1,
        "reason": "",
        "acts_as": "Ann",
        "created_by": "Ann",
        "created_at": NOW,
        "started_at": NOW,
        "changed_at": NOW,
        "finished_at": None,
        "waves": [
            wave(1, WaveState.RUNNING, {"upgraded": 1, "held": 1}),
            wave(2, WaveState.PENDING, {"planned": 1}, started_at=None),
        ],
        "members": MEMBERS,
    }
    return CampaignDetail(**{**values, **more})


def pages() -> dict[str, Page]:
    planned = campaign(CampaignState.PLANNED, wave=0, started_at=None)
    later = datetime(2999, 1, 4, 21, 0, tzinfo=UTC)
    watched = [wave(1, WaveState.SOAKING, {"upgraded": 2}, soak_until=NOW + timedelta(hours=1), analyses=[analysis()])]
    why = f"1 of 2 failed in wave 1; 10% may. Not rolled back: {LONG}."
    broken = [wave(1, WaveState.STOPPED, {"failed": 1, "kept": 1}, message=why)]
    failed = [
        member("python-service-hello", 1, MemberState.FAILED, "The pull request was closed."),
        member(LONG, 1, MemberState.KEPT, "It was changed after the campaign upgraded it. It is left alone."),
    ]
    named = [PreviewInstall(install_id=uuid5(ID, str(n)), name=f"{n}-{LONG}", from_version="1.4") for n in range(15)]
    pinned = PreviewInstall(
        install_id=ID, name="old", from_version="", problem=Problem(code="pinned", message="It is pinned.")
    )
    preview = CampaignPreview(
        asset="acme/python-service",
        version="2.1.0",
        waves=[PreviewWave(number=1, size=15, at_once=5, installs=named)],
        left_out=[pinned],
    )
    nobody = CampaignPreview(asset="acme/python-service", version="2.1.0", waves=[], left_out=[pinned])
    assets = [("", "Choose an asset"), ("acme/python-service", "acme/python-service (12 of 40 outdated)")]
    wrong = (FieldError("/windows/0/zone", "There is no time zone Mars."), FieldError("/selector/from_version", "No."))
    values = {**BEGINNING, "asset": "acme/python-service"}
    return {
        "campaigns": CampaignListPage([planned, campaign(CampaignState.STOPPED, name=LONG)], True, next_href="/x"),
        "campaigns-empty": CampaignListPage([], can_create=True),
        "campaign-planning": CampaignPage(
            campaign(CampaignState.PLANNING, waves=[], members=[member("one", None, MemberState.PLANNING)]), True
        ),
        "campaign-planned": CampaignPage(planned, can_change=True),
        "campaign-running": CampaignPage(campaign(CampaignState.RUNNING, window_opens_at=later), can_change=True),
        "campaign-soaking": CampaignPage(campaign(CampaignState.SOAKING, waves=watched), True, can_promote=True),
        "campaign-stopped": CampaignPage(
            campaign(CampaignState.STOPPED, reason=why, waves=broken, members=failed), True, can_promote=True
        ),
        "campaign-nobody": CampaignPage(
            campaign(CampaignState.DONE, waves=[], members=[MEMBERS[3]], wave=0, finished_at=NOW), can_change=False
        ),
        "campaign-decide": DecideCampaignPage(planned, "rollback", VERBS["rollback"]),
        "campaign-decide-late": DecideCampaignPage(
            planned, "pause", VERBS["pause"], "The campaign is planned.", "Lunch"
        ),
        "campaign-new": NewCampaignPage(assets, values=values),
        "campaign-new-preview": NewCampaignPage(assets, preview, values=values),
        "campaign-new-nobody": NewCampaignPage(assets, nobody, values=values),
        "campaign-new-errors": NewCampaignPage(assets, values=values, errors=wrong),
    }
