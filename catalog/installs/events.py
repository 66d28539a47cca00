"""What happens to installs; events name revisions and digests, never inputs."""

from uuid import UUID

from pydantic import Field

from catalog.events.registry import EventData, event


@event("install.plan_requested", version=1)
class InstallPlanRequested(EventData):
    """Somebody wants to know what an install, an upgrade, a rollback or a removal would do."""

    plan_id: UUID
    operation_id: UUID
    action: str


@event("install.planned", version=1)
class InstallPlanned(EventData):
    """A plan is ready; ``allowed`` is what the gates say of it, ``conflicts`` how many files need a decision."""

    plan_id: UUID
    install_id: UUID | None
    action: str
    asset: str
    version: str
    digest: str
    allowed: bool
    conflicts: int


@event("install.plan_failed", version=1)
class InstallPlanFailed(EventData):
    """A plan could not be made."""

    plan_id: UUID
    install_id: UUID | None
    code: str


class InstallEvent(EventData):
    """What every event of an install says."""

    install_id: UUID
    name: str
    asset: str


@event("install.requested", version=1)
class InstallRequested(InstallEvent):
    """A plan shall be applied, if nothing has moved since it was made."""

    plan_id: UUID
    operation_id: UUID
    action: str


@event("install.plan_moved", version=1)
class InstallPlanMoved(InstallEvent):
    """A plan was not applied because something had moved; ``new_plan_id`` is the plan that was made instead."""

    plan_id: UUID
    new_plan_id: UUID


@event("install.waiting", version=1)
class InstallWaiting(InstallEvent):
    """A revision was brought as far as Slipway can; somebody outside decides now."""

    revision: int
    url: str


@event("install.ready", version=1)
class InstallReady(InstallEvent):
    """A revision is there; ``by_hand`` are the files that somebody changed in its pull request before merging it."""

    revision: int
    version: str
    action: str
    by_hand: list[str] = Field(default_factory=list)


@event("install.failed", version=1)
class InstallFailed(InstallEvent):
    """A revision could not be brought about; what was there before still is."""

    revision: int | None
    code: str


@event("install.declined", version=1)
class InstallDeclined(InstallEvent):
    """Whoever decides outside has said no, such as by closing the pull request."""

    revision: int


@event("install.removed", version=1)
class InstallRemoved(InstallEvent):
    """Nothing of the install is left that Slipway put there."""

    revision: int | None


@event("install.labelled", version=1)
class InstallLabelled(InstallEvent):
    """An install has other labels; ``labels`` are their names."""

    labels: list[str]


@event("install.approval_needed", version=1)
class InstallApprovalNeeded(EventData):
    """A plan shall be applied, and waits for people to approve it; ``rules`` name why."""

    plan_id: UUID
    install_id: UUID | None
    asset: str
    digest: str
    rules: list[str]
    approvals: list[UUID]


@event("install_approval_rule.made", version=1)
class InstallApprovalRuleMade(EventData):
    """Plans that a rule means take an approval from now on."""

    rule_id: UUID
    name: str


@event("install_approval_rule.ended", version=1)
class InstallApprovalRuleEnded(EventData):
    """A rule asks nobody any more."""

    rule_id: UUID
    name: str
