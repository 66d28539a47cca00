"""What happens to campaigns; the installs themselves tell their own story."""

from uuid import UUID

from catalog.events.registry import EventData, event


class CampaignEvent(EventData):
    """What every event of a campaign says."""

    campaign_id: UUID
    name: str
    asset: str
    version: str


@event("campaign.created", version=1)
class CampaignCreated(CampaignEvent):
    """Somebody wants many installs upgraded; their plans are made, and nothing is changed."""


@event("campaign.planned", version=1)
class CampaignPlanned(CampaignEvent):
    """It is known which install is in which wave, and which are left out and why."""

    waves: list[int]
    excluded: int


@event("campaign.wave_started", version=1)
class CampaignWaveStarted(CampaignEvent):
    """A wave begins, for the first time or once more."""

    wave: int


@event("campaign.wave_soaking", version=1)
class CampaignWaveSoaking(CampaignEvent):
    """A wave is through and is watched for some time."""

    wave: int
    upgraded: int
    failed: int


@event("campaign.wave_passed", version=1)
class CampaignWavePassed(CampaignEvent):
    """A wave has been judged good, or a person let it pass."""

    wave: int


@event("campaign.paused", version=1)
class CampaignPaused(CampaignEvent):
    """Nothing new begins until a person says so."""

    wave: int
    reason: str


@event("campaign.resumed", version=1)
class CampaignResumed(CampaignEvent):
    """It goes on."""

    wave: int


@event("campaign.stopped", version=1)
class CampaignStopped(CampaignEvent):
    """Too much failed, or what was measured says so; nothing new begins."""

    wave: int
    reason: str


@event("campaign.rolling_back", version=1)
class CampaignRollingBack(CampaignEvent):
    """Installs go back to the revision that they had."""

    wave: int
    all_waves: bool


@event("campaign.ended", version=1)
class CampaignEnded(CampaignEvent):
    """It is over: ``done``, or ``aborted``."""

    state: str
    reason: str
