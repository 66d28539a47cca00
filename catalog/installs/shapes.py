"""The shapes in which installs are asked for, planned and read."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, field_validator
from pydantic import Field as Shape

from catalog.approvals.models import ApprovalState, Need
from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError
from catalog.installs.models import Action, InstallState, OutcomeState, PlanState
from catalog.operations.models import Problem

LABEL = r"^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$"
InstallName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?$")]
Labels = dict[
    Annotated[str, StringConstraints(pattern=LABEL)],
    Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)],
]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Resolve = Literal["mine", "theirs", "markers"]
"""What becomes of a file that both sides changed: yours stays, the new one comes, or both with git's marks."""


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class AskInstall(_Asked):
    """What shall be installed where: ``asset`` is a reference with a constraint, ``target`` depends on its kind.

    A pipeline template wants ``{repository, branch?}``, a policy bundle ``{level, applies_to, points}``, a blueprint
    ``{service}`` or ``{repository, pull_request}``, a component package nothing. ``name`` is made up where none is
    given.
    """

    asset: str = Shape(min_length=3, max_length=300, examples=["slipway/python-service>=1"])
    target: dict[str, Any] = Shape(default_factory=dict, examples=[{"repository": "/home/ann/hello"}])
    inputs: dict[str, Any] = Shape(default_factory=dict)
    name: InstallName | None = None
    owner: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    labels: Labels = Shape(default_factory=dict, max_length=50)
    conflicts: dict[str, Resolve] = Shape(default_factory=dict, max_length=2000)


class AskUpgrade(_Asked):
    """Another version (the newest that can be reached where ``version`` is left out), other inputs, or both.

    ``inputs`` holds what changes; null takes an input away, so that its default counts again. ``conflicts`` says what
    becomes of files that both sides changed, by path, or by ``*`` for all of them.
    """

    version: Annotated[str, StringConstraints(max_length=200)] | None = Shape(default=None, examples=["1.5.0"])
    inputs: dict[str, Any] = Shape(default_factory=dict)
    conflicts: dict[str, Resolve] = Shape(default_factory=dict, max_length=2000)
    plan_only: bool = False


class AskRollback(_Asked):
    """The revision whose content shall be there again; the one that was applied before the present one by default."""

    revision: int | None = Shape(default=None, ge=1)
    conflicts: dict[str, Resolve] = Shape(default_factory=dict, max_length=2000)
    plan_only: bool = False


class AskUninstall(_Asked):
    """That an install be gone."""

    conflicts: dict[str, Resolve] = Shape(default_factory=dict, max_length=2000)
    plan_only: bool = False


class SetLabels(_Asked):
    """All the labels that an install shall have."""

    labels: Labels = Shape(max_length=50, examples=[{"tier": "critical"}])


class ApplyPlan(_Asked):
    """A plan that shall be applied, by its id and by the digest that was looked at."""

    plan: UUID
    digest: Digest


class ApplyInstall(_Asked):
    """A plan that shall be applied (``plan`` and ``digest``), or what is to be planned and applied in one go."""

    plan: UUID | None = None
    digest: Digest | None = None
    asset: Annotated[str, StringConstraints(min_length=3, max_length=300)] | None = None
    target: dict[str, Any] = Shape(default_factory=dict)
    inputs: dict[str, Any] = Shape(default_factory=dict)
    name: InstallName | None = None
    owner: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    labels: Labels = Shape(default_factory=dict, max_length=50)
    conflicts: dict[str, Resolve] = Shape(default_factory=dict, max_length=2000)

    def wanted(self) -> ApplyPlan | AskInstall:
        """Return which of the two it is; raise ``InvalidInputError`` where it is both, or neither."""
        given = self.model_fields_set
        if self.plan is not None and self.digest is not None and given == {"plan", "digest"}:
            return ApplyPlan(plan=self.plan, digest=self.digest)
        if self.asset is not None and not given & {"plan", "digest"}:
            return AskInstall.model_validate(self.model_dump(include=given))
        detail = "Give plan and digest and nothing else, or asset and target."
        raise InvalidInputError(detail, [FieldError("", detail)])


class RequireApproval(_Asked):
    """Which plans take an approval, and whose; conditions that are left out leave nothing out.

    ``need`` says how many of whom: by ``role``, by ``members``, or by ``policy``, which here is whoever owns the
    install (the members whose name or e-mail address is its owner's). ``policy_rule`` asks for an approval where
    policies remark something under a rule of that name; in it and in ``asset``, ``*`` stands for anything.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")] = Shape(
        examples=["critical-services"]
    )
    actions: tuple[Action, ...] = Shape(default=(), max_length=4, examples=[["install", "upgrade"]])
    kinds: tuple[Annotated[str, StringConstraints(max_length=63)], ...] = Shape(default=(), max_length=10)
    asset: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    labels: Labels = Shape(default_factory=dict, max_length=50, examples=[{"tier": "critical"}])
    policy_rule: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    need: Need = Shape(default_factory=Need)
    expires_in_hours: int = Shape(default=72, ge=1, le=720)


class ApprovalRuleRead(_Read):
    """A rule as others read it."""

    name: str
    actions: list[Action]
    kinds: list[str]
    asset: str
    labels: dict[str, str]
    policy_rule: str
    need: Need
    expires_in_hours: int
    created_by: str
    created_at: datetime


class PlanApproval(_Read):
    """An approval that a plan takes: by which rule, and how it stands; ``approval`` is None before anybody was asked.

    ``counts`` tells whether it opens the way now; ``problem`` says why it cannot, or does not any more.
    """

    rule: str
    need: Need
    approval: UUID | None = None
    state: ApprovalState | None = None
    counts: bool = False
    given: int = 0
    needed: int = 0
    problem: str | None = None


class PlanRead(_Read):
    """A plan: ``digest`` is what applying is bound to, None until it is ready.

    ``document`` is what the digest stands for: lock, inputs, permissions asked for, changes and verdicts;
    ``evidence`` is worth knowing beside it. ``follows`` names the plan that this one was made in place of.
    ``approvals`` are those that it takes before it is applied; ``wanted`` tells whether it is applied as soon as they
    are given.
    """

    id: UUID
    install_id: UUID | None
    action: Action
    state: PlanState
    digest: str | None
    document: dict[str, Any]
    evidence: dict[str, Any]
    base_revision: int | None
    auto: bool
    operation_id: UUID
    problem: Problem | None
    follows: UUID | None
    approvals: list[PlanApproval] = Shape(default_factory=list)
    wanted: bool = False
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    @field_validator("wanted", mode="before")
    @classmethod
    def _is_wanted(cls, value: Any) -> bool:
        return bool(value)

    @property
    def is_approved(self) -> bool:
        """Tell whether every approval that it takes is there and counts."""
        return all(each.counts for each in self.approvals)

    @property
    def is_allowed(self) -> bool:
        """Tell whether every gate lets it through."""
        return all(each["allowed"] for each in self.document.get("gates", ()))

    @property
    def open_conflicts(self) -> list[str]:
        """Return the files that need a decision."""
        files = self.document.get("changes", {}).get("files", ())
        return [each["path"] for each in files if each.get("conflict") and not each.get("resolved")]


class OutcomeRead(_Read):
    """One line of the story of a revision."""

    state: OutcomeState
    outputs: dict[str, Any]
    outputs_digest: str
    problem: Problem | None
    at: datetime


class RevisionRead(_Read):
    """One revision: what was asked to be there, by whom, under which verdicts, and what became of it."""

    id: UUID
    number: int
    action: Action
    content: dict[str, Any]
    content_digest: str
    parent_digest: str | None
    plan_id: UUID
    plan_digest: str
    operation_id: UUID
    verification: dict[str, Any]
    verdicts: list[dict[str, Any]]
    approvals: list[dict[str, Any]]
    outcomes: list[OutcomeRead] = Shape(default_factory=list)
    created_by: str
    created_at: datetime

    @property
    def outputs(self) -> dict[str, Any]:
        """Return the outputs as they were last told."""
        return next((each.outputs for each in reversed(self.outcomes) if each.outputs), {})

    @property
    def state(self) -> OutcomeState | None:
        """Return where the revision stands, None before anything came of it."""
        return self.outcomes[-1].state if self.outcomes else None


class Standing(_Read):
    """How the version that is installed stands: its state and whether a newer one can be chosen.

    ``vulnerable`` says that something in the lock was withdrawn, or that signed OpenVEX names ``vulnerabilities`` of it
    as open.
    """

    version: str
    state: str
    reason: str | None = None
    replacement: str | None = None
    newest: str | None = None
    outdated: bool = False
    vulnerable: bool = False
    vulnerabilities: list[str] = Shape(default_factory=list, examples=[["CVE-2026-1"]])


class InstallRead(_Read):
    """An install as others read it; ``standing`` is that of the version that is there, or else of the one wanted.

    ``outputs`` are those of that revision, ``proposed`` those of the wanted one while it waits for somebody outside.
    """

    id: UUID
    name: str
    asset: str
    kind: str
    becomes: str
    place: str
    target: dict[str, Any]
    owner: str
    labels: dict[str, str]
    state: InstallState
    desired_revision: int | None
    applied_revision: int | None
    standing: Standing | None = None
    outputs: dict[str, Any] = Shape(default_factory=dict)
    proposed: dict[str, Any] = Shape(default_factory=dict)
    plan_id: UUID | None
    operation_id: UUID | None
    failure: Problem | None
    created_by: str
    created_at: datetime
    changed_at: datetime
    removed_at: datetime | None


class InstallFilter(_Asked):
    """Which installs are listed; what is left out does not matter. ``removed`` shows those that are gone as well.

    ``package`` (a package URL, with ``versions`` as a range of it) leaves those whose lock holds a version that has, or
    perhaps has, it in its bill of materials.
    """

    asset: str | None = None
    kind: str | None = None
    owner: str | None = None
    service: str | None = None
    state: InstallState | None = None
    labels: Labels = Shape(default_factory=dict, max_length=20)
    outdated: bool | None = None
    deprecated: bool | None = None
    vulnerable: bool | None = None
    package: str = Shape(default="", max_length=1000)
    versions: str = Shape(default="", max_length=200)
    removed: bool = False
