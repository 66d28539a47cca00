"""Planning: who is in which wave, who is left out and why, from plans that were really made; nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from catalog.assets.life import MEANINGS, words
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.assets.versions import allows, parse_constraint, parse_version
from catalog.campaigns import queries, rules
from catalog.campaigns.errors import CampaignRefusedError
from catalog.campaigns.events import CampaignCreated, CampaignPlanned
from catalog.campaigns.models import Campaign, CampaignMember, CampaignState, CampaignWave, MemberState
from catalog.campaigns.rules import Progress
from catalog.campaigns.service.base import OFFERED, Base, asked, of_state, problem_of, soak, stamp
from catalog.campaigns.shapes import AskCampaign, CampaignPreview, InstallSelector, PreviewInstall, PreviewWave
from catalog.clock import now
from catalog.errors import FieldError, SlipwayError
from catalog.gating import Level
from catalog.installs.models import Install, InstallRevision, InstallState
from catalog.installs.service import read_plan
from catalog.installs.shapes import AskUpgrade
from catalog.installs.targets import TARGETS
from catalog.operations.models import Problem
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

MOST_INSTALLS = 2000
PLANS_AT_ONCE = 25


@dataclass(frozen=True)
class Found:
    """An install that a selector means: ``out`` says why it stays out."""

    install: Install
    version: str
    out: Problem | None

    @property
    def named(self) -> dict[str, Any]:
        """Return how a preview names it."""
        return {"install_id": self.install.id, "name": self.install.name, "from_version": self.version}


class Planning(Base):
    """From a request to waves."""

    def create(self, principal: Principal, wanted: AskCampaign) -> Campaign:
        """Ask for a campaign: its plans are made from now on, and nothing is changed before it is started.

        Raises ``InvalidInputError`` naming the fields at fault.
        """
        principal.require("campaigns:write")
        version, scopes, found = self._asked_for(principal, wanted)
        campaign = Campaign(
            tenant_id=principal.tenant_id,
            name=wanted.name,
            asset=wanted.asset,
            version=version,
            asked=wanted.model_dump(mode="json"),
            scopes=sorted(scopes),
            actor=principal.actor,
            acts_as=principal.name,
            member_id=principal.member_id,
            created_by=principal.name,
        )
        self._session.add(campaign)
        self._session.flush()
        for each in found:
            self._session.add(
                CampaignMember(
                    tenant_id=campaign.tenant_id,
                    campaign_id=campaign.id,
                    install_id=each.install.id,
                    name=each.install.name,
                    from_version=each.version,
                    base_revision=each.install.applied_revision,
                    state=MemberState.EXCLUDED if each.out else MemberState.PLANNING,
                    problem=each.out.model_dump() if each.out else None,
                )
            )
        self._session.flush()
        noted = {"name": wanted.name, "asset": wanted.asset, "version": version}
        subject = f"campaigns/{campaign.id}"
        TenantService(self._session).audit(campaign.tenant_id, principal.actor, "campaign.create", subject, noted)
        self._tell(campaign, CampaignCreated(**stamp(campaign)), principal.actor)
        return campaign

    def preview(self, principal: Principal, wanted: AskCampaign) -> CampaignPreview:
        """Say which installs a campaign would have in which wave, as far as that is known before plans are made.

        Raises what ``create`` does, and keeps nothing.
        """
        version, _, found = self._asked_for(principal, wanted)
        names = iter([each for each in found if each.out is None])
        waves = []
        for number, (size, at_once) in enumerate(rules.cut(sum(each.out is None for each in found), wanted.waves), 1):
            inside = [next(names) for _ in range(size)]
            shown = [PreviewInstall(**each.named) for each in inside]
            waves.append(PreviewWave(number=number, size=size, at_once=at_once, installs=shown))
        left = [PreviewInstall(**each.named, problem=each.out) for each in found if each.out is not None]
        return CampaignPreview(asset=wanted.asset, version=version, waves=waves, left_out=left)

    def _asked_for(self, principal: Principal, wanted: AskCampaign) -> tuple[str, set[str], list[Found]]:
        """Return the version, the scopes that it takes, and the installs that the selector means."""
        self._check(principal, wanted)
        reference = parse_reference(f"{wanted.asset}{_exact(wanted.version)}", "/version")
        version = AssetService(self._session).resolve(principal.tenant_id, reference)
        if MEANINGS[version.state].choice not in OFFERED:
            detail = f"{wanted.asset} {version.version} is {words(version.state)}. Choose another version."
            raise CampaignRefusedError(detail, [FieldError("/version", detail)])
        rows = queries.candidates(self._session, principal.tenant_id, wanted.asset, MOST_INSTALLS + 1)
        if len(rows) > MOST_INSTALLS:
            detail = f"{wanted.asset} has more than {MOST_INSTALLS} installs. Upgrade some of them by themselves."
            raise CampaignRefusedError(detail, [FieldError("/selector", detail)])
        scopes = {"installs:write", *(TARGETS[each.becomes].scope for each in rows if each.becomes in TARGETS)}
        for each in sorted(scopes):
            principal.require(each)
        return version.version, scopes, self._meant(principal, rows, wanted.selector, version.version)

    def _check(self, principal: Principal, wanted: AskCampaign) -> None:
        errors = []
        for index, window in enumerate(wanted.windows):
            try:
                ZoneInfo(window.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                detail = f"There is no time zone {window.zone}. Write one such as Europe/Berlin."
                errors.append(FieldError(f"/windows/{index}/zone", detail))
        if wanted.selector.from_version:
            try:
                parse_constraint(wanted.selector.from_version)
            except (SlipwayError, ValueError) as error:
                errors.append(FieldError("/selector/from_version", str(error)))
        if errors:
            raise CampaignRefusedError("The campaign makes no sense: see each field.", errors)
        if wanted.analysis is not None:
            lasts = soak(Campaign(asked=wanted.model_dump(mode="json")))  # type: ignore[call-arg]  # only its request
            self._analyses.check(wanted.analysis, lasts, self._settings, principal.tenant_name)

    def _meant(
        self, principal: Principal, rows: Sequence[Install], selector: InstallSelector, version: str
    ) -> list[Found]:
        """Return each install that the selector means, with why it stays out where that is known already."""
        tenant_id = principal.tenant_id
        numbers = [(each.id, each.applied_revision) for each in rows if each.applied_revision is not None]
        present = queries.revisions_of(self._session, tenant_id, numbers)
        taken = queries.claimed(self._session, tenant_id, [each.id for each in rows])
        found = []
        for install in rows:
            revision = present.get(install.id)
            if _is_meant(install, revision, selector):
                own = str(revision.content["version"]) if revision is not None else ""
                found.append(Found(install, own, _left_out(install, own, version, taken.get(install.id))))
        return found

    def _tick_planning(self, campaign: Campaign) -> None:
        """Ask for plans, look at those that are made, and cut the waves when nothing is left to be planned."""
        members = queries.members(self._session, campaign.tenant_id, campaign.id)
        open_ = of_state(members, MemberState.PLANNING)
        known = queries.facts(self._session, campaign.tenant_id, [each.plan_id for each in open_ if each.plan_id])
        for member in open_:
            if member.plan_id is not None and member.plan_id in known:
                self._judge_plan(member, known[member.plan_id])
        for member in [each for each in open_ if each.plan_id is None][:PLANS_AT_ONCE]:
            self._ask_plan(campaign, member)
        self._session.flush()
        if not of_state(members, MemberState.PLANNING):
            self._cut(campaign, of_state(members, MemberState.PLANNED))

    def _ask_plan(self, campaign: Campaign, member: CampaignMember) -> None:
        try:
            with self._session.begin_nested():
                wanted = AskUpgrade(version=campaign.version)
                plan = self._installs.plan_upgrade(self._acting(campaign), member.install_id, wanted)
        except SlipwayError as error:
            self._mark(member, MemberState.EXCLUDED, problem_of(error))
        else:
            member.plan_id = plan.id
            self._session.add(member)

    def _judge_plan(self, member: CampaignMember, facts: queries.Facts) -> None:
        plan = read_plan(facts.plan)
        how = rules.progress(facts.plan.state, None)
        if how is Progress.UNDER_WAY:
            return
        if how is not Progress.READY:
            problem = plan.problem or Problem(code="plan_failed", message="Its plan could not be made.")
            self._mark(member, MemberState.EXCLUDED, problem)
        elif plan.open_conflicts:
            message = f"Both sides changed {', '.join(plan.open_conflicts[:5])}. Upgrade it by itself and decide."
            self._mark(member, MemberState.EXCLUDED, Problem(code="conflict", message=message))
        elif any(not gate["allowed"] and gate["level"] == Level.MANDATORY for gate in plan.document.get("gates", ())):
            broken = [each["message"] for gate in plan.document["gates"] for each in gate["violations"]]
            message = f"A policy does not allow it: {' '.join(broken[:3])}"
            self._mark(member, MemberState.EXCLUDED, Problem(code="policy", message=message))
        else:
            self._mark(member, MemberState.PLANNED)

    def _cut(self, campaign: Campaign, members: list[CampaignMember]) -> None:
        waves = rules.cut(len(members), asked(campaign).waves)
        rest = iter(members)
        for number, (size, at_once) in enumerate(waves, 1):
            wave = CampaignWave(
                tenant_id=campaign.tenant_id, campaign_id=campaign.id, number=number, size=size, at_once=at_once
            )
            self._session.add(wave)
            for _ in range(size):
                next(rest).wave = number
        excluded = len(of_state(queries.members(self._session, campaign.tenant_id, campaign.id), MemberState.EXCLUDED))
        self._move(campaign, CampaignState.PLANNED)
        sizes = [size for size, _ in waves]
        self._tell(campaign, CampaignPlanned(**stamp(campaign), waves=sizes, excluded=excluded))


def _exact(version: str) -> str:
    return version if not version or version[:1] in "<>=~!^@" else f"=={version}"


def _is_meant(install: Install, revision: InstallRevision | None, selector: InstallSelector) -> bool:
    facts = {"labels": install.labels, "owner": install.owner, "target": install.target}
    if not rules.matches(
        facts,
        labels=selector.labels,
        owner=selector.owner,
        service=selector.service,
        environment=selector.environment,
    ):
        return False
    if not selector.from_version or revision is None:
        return True
    present = parse_version(revision.content["version"])
    return allows(parse_constraint(selector.from_version), present, prereleases=True)


def _left_out(install: Install, present: str, wanted: str, campaign: str | None) -> Problem | None:
    kept = rules.kept_out(install.labels, now().date())
    if kept is not None:
        return Problem(code=kept[0], message=kept[1])
    if campaign is not None:
        return Problem(code="other_campaign", message=f"It is in the campaign {campaign}.")
    if not present:
        return Problem(code="nothing_applied", message="Nothing of it was ever applied.")
    if parse_version(present) >= parse_version(wanted):
        return Problem(code="already", message=f"It has {present} already.")
    if install.state is not InstallState.APPLIED:
        return Problem(code="not_at_rest", message=f"It is {install.state}: another change is under way, or failed.")
    return None
