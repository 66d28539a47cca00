"""The shapes in which campaigns are asked for and read."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape

from catalog.analysis.shapes import AnalysisRead, AnalysisSpec
from catalog.assets.durations import DurationText
from catalog.assets.findings import storable
from catalog.campaigns.models import CampaignState, MemberState, WaveState
from catalog.installs.shapes import Labels
from catalog.operations.models import Problem

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]
WaveSize = Annotated[str, StringConstraints(pattern=r"^(?:[1-9][0-9]{0,4}|(?:100|[1-9][0-9]?)%)$")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class AskWave(_Asked):
    """A wave: how many installs, as a number or a share of all, and how many of them at once."""

    size: WaveSize = Shape(examples=["10%"])
    at_once: int = Shape(default=5, ge=1, le=100)


def _usual_waves() -> tuple[AskWave, ...]:
    return tuple(AskWave(size=each) for each in ("1", "10%", "100%"))


class UpgradeWindow(_Asked):
    """When upgrades may begin: whenever the clock in ``zone`` reads between both times, on these days.

    A window that ends before it begins goes on after midnight, and belongs to the day on which it begins.
    """

    days: tuple[Day, ...] = Shape(default_factory=lambda: DAYS, min_length=1, max_length=7)
    begins: TimeOfDay = "00:00"
    ends: TimeOfDay = "00:00"
    zone: Annotated[str, StringConstraints(max_length=60)] = "UTC"


class InstallSelector(_Asked):
    """Which installs of the asset are meant; what is left out does not matter.

    ``service`` and ``environment`` are those that an install is for, or its labels of these names; ``from_version`` is
    a constraint on what is installed.
    """

    labels: Labels = Shape(default_factory=dict, max_length=20)
    owner: Text = ""
    service: Text = ""
    environment: Text = ""
    from_version: Text = ""


class AskCampaign(_Asked):
    """An upgrade of many installs of one asset.

    ``version`` is a version or a constraint, the newest where it is left out. The last wave takes whatever is left. A
    wave is stopped when more than ``stop_share`` of it failed, and rolled back where ``roll_back`` says so. It is
    watched for ``soak``, with ``analysis`` where that is given. Those that wait for people hold a wave up for
    ``patience``, and no more than ``waiting_at_most`` of them wait at once.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(storable)]
    asset: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$")]
    version: Text = ""
    selector: InstallSelector = Shape(default_factory=InstallSelector)
    waves: tuple[AskWave, ...] = Shape(default_factory=_usual_waves, min_length=1, max_length=50)
    windows: tuple[UpgradeWindow, ...] = Shape(default=(), max_length=20)
    soak: DurationText = "PT1H"
    stop_share: float = Shape(default=0.0, ge=0, le=1)
    roll_back: bool = True
    patience: DurationText = "P7D"
    waiting_at_most: int = Shape(default=20, ge=1, le=1000)
    analysis: AnalysisSpec | None = None


class CampaignReason(_Asked):
    """Why something is done, for whoever reads it later."""

    reason: Annotated[str, StringConstraints(max_length=500), AfterValidator(storable)] = ""


class AskBack(CampaignReason):
    """What is rolled back: the present wave, or all of them."""

    all_waves: bool = False


class PreviewInstall(_Read):
    """An install as a preview names it; ``problem`` says why it would stay out."""

    install_id: UUID
    name: str
    from_version: str
    problem: Problem | None = None


class PreviewWave(_Read):
    """A wave that there would be."""

    number: int
    size: int
    at_once: int
    installs: list[PreviewInstall]


class CampaignPreview(_Read):
    """Which installs a campaign would have in which wave; making their plans may leave more of them out."""

    asset: str
    version: str
    waves: list[PreviewWave]
    left_out: list[PreviewInstall]


class CampaignMemberRead(_Read):
    """An install in a campaign."""

    install_id: UUID
    name: str
    wave: int | None
    from_version: str
    state: MemberState
    base_revision: int | None
    revision: int | None
    plan_id: UUID | None
    attempt: int
    problem: Problem | None
    waits_since: datetime | None
    changed_at: datetime


class CampaignWaveRead(_Read):
    """A wave, how many of its installs are in which state, and what was measured."""

    number: int
    size: int
    at_once: int
    state: WaveState
    message: str
    counts: dict[str, int] = Shape(default_factory=dict)
    analyses: list[AnalysisRead] = Shape(default_factory=list)
    started_at: datetime | None
    soak_until: datetime | None
    finished_at: datetime | None


class CampaignRead(_Read):
    """A campaign: ``asked`` is the whole request, ``acts_as`` who started, resumed or retried it last."""

    id: UUID
    name: str
    asset: str
    version: str
    asked: dict[str, Any]
    state: CampaignState
    wave: int
    reason: str
    acts_as: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    changed_at: datetime
    finished_at: datetime | None


class CampaignDetail(CampaignRead):
    """A campaign with its waves and every install that it looked at.

    ``window_opens_at`` is when installs may begin while it runs, None where it does not or no window ever opens.
    """

    waves: list[CampaignWaveRead]
    members: list[CampaignMemberRead]
    window_opens_at: datetime | None = None
