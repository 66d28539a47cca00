"""The shapes in which policies are bound, waived, asked and answered."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape

from catalog.assets.findings import storable
from catalog.gating import GatePoint, Level, UsedBundle, Violation
from catalog.policies.models import Mode, ScopeKind

Line = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), AfterValidator(storable)]
Label = Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Scope(_Asked):
    """What it holds for. ``name`` may hold ``*``; every label that is named must be there with that value.

    For a service ``name`` is its name, for an environment its name or repository, for an asset ``namespace/name``.
    ``target`` is where an environment runs, ``asset_kind`` the kind of an asset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ScopeKind = ScopeKind.TENANT
    name: Label = ""
    labels: dict[Label, Label] = Shape(default_factory=dict, max_length=50)
    target: Label = ""
    asset_kind: Label = ""

    def __str__(self) -> str:
        parts = [self.name, *(f"{name}={value}" for name, value in self.labels.items()), self.target, self.asset_kind]
        named = ", ".join(part for part in parts if part)
        return f"{self.kind} {named}".strip() if named else str(self.kind)


class Stage(_Asked):
    """From when a bundle counts how much; ``share`` is the percentage of subjects for which it does already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode
    starts_at: AwareDatetime
    share: int = Shape(default=100, ge=1, le=100)


class CreateBinding(_Asked):
    """A bundle that shall count: ``bundle`` is ``namespace/name`` with an optional constraint on its version.

    Without ``stages`` it counts at once with its ``level``; without ``points`` at every gate.
    """

    bundle: Label = Shape(examples=["slipway/baseline>=1"])
    level: Level = Level.MANDATORY
    scope: Scope = Shape(default_factory=Scope)
    points: list[GatePoint] = Shape(default_factory=list)
    stages: list[Stage] = Shape(default_factory=list, max_length=10)
    reason: Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)] = ""


class CreateWaiver(_Asked):
    """A rule that shall not count for a while: for whom, why, who answers for it, and until when."""

    rule: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable)]
    bundle: Label | None = Shape(default=None, examples=["slipway/baseline"])
    scope: Scope
    reason: Line
    owner: Line
    expires_at: AwareDatetime


class CreateOverride(_Asked):
    """A person lets one subject through: the evaluation that refused it, why, and until when."""

    evaluation: UUID
    reason: Line
    expires_at: AwareDatetime


class Evaluate(_Asked):
    """What policies are asked: one bundle about an input, or all that is bound about a release or environment."""

    bundle: Label | None = Shape(default=None, examples=["slipway/baseline@1.0.0"])
    input: Any = None
    release: UUID | None = None
    environment: UUID | None = None


class Evaluated(_Read):
    """What policies answer; ``evaluation`` is the record of it."""

    allowed: bool
    level: Level
    violations: list[Violation]
    bundles: list[UsedBundle]
    evaluation: UUID
    waived: list[Violation] = Shape(default_factory=list)
    overridden: list[Violation] = Shape(default_factory=list)
    shadow: list[Violation] = Shape(default_factory=list)


class Overlap(_Read):
    """Two bundles that claim the same root: an OPA agent that gets both would refuse to start them."""

    root: str
    bundles: tuple[str, str]


class BindingRead(_Read):
    """A binding as others read it."""

    id: UUID
    asset: str
    constraint: str
    level: Level
    scope: Scope
    points: list[GatePoint]
    stages: list[Stage]
    reason: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None


class Bound(BindingRead):
    """A binding that was just made, and the roots that its bundle shares with others in force beside it."""

    overlaps: list[Overlap] = Shape(default_factory=list)


class InForce(_Read):
    """A bundle that counts for a subject now: which version, how much, and by which binding.

    ``problem`` says why it has no version that could be asked; a subject is then refused at its level.
    """

    binding: BindingRead
    version: str | None
    digest: str | None
    mode: Mode
    level: Level
    problem: str | None = None


class Effective(_Read):
    """Everything that counts for a subject, and where bundles get in each other's way."""

    subject: dict[str, Any]
    bundles: list[InForce]
    overlaps: list[Overlap]


class WaiverRead(_Read):
    """A waiver as others read it."""

    id: UUID
    rule: str
    asset: str | None
    scope: Scope
    reason: str
    owner: str
    expires_at: datetime
    created_by: str
    created_at: datetime
    ended_at: datetime | None


class OverrideRead(_Read):
    """An override as others read it; ``covers`` is just what it lets through at the gate: digests, commit, inputs."""

    id: UUID
    evaluation_id: UUID
    point: GatePoint | None
    about: str
    covers: dict[str, Any]
    rules: list[dict[str, str]]
    person: str
    reason: str
    expires_at: datetime
    created_at: datetime


class EvaluationFilter(_Asked):
    """Which evaluations are listed; what is left out does not matter. ``about`` is how the subject's name begins."""

    allowed: bool | None = None
    point: GatePoint | None = None
    about: str | None = None
    rule: str | None = None


class LogPage(_Asked):
    """Which part of a decision log is wanted, oldest first: from ``since`` on, before ``until``, after a place."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    after: tuple[datetime, UUID] | None = None
    limit: int = 500


class EvaluationSummary(_Read):
    """One line of the list of evaluations."""

    id: UUID
    point: GatePoint | None
    about: str
    actor: str
    allowed: bool
    level: Level
    violations: list[Violation]
    bundles: list[dict[str, Any]]
    microseconds: int
    created_at: datetime


class EvaluationRead(EvaluationSummary):
    """An evaluation with what it was made of; ``input`` is what the policies saw, secrets masked."""

    subject: dict[str, Any]
    waived: list[Violation]
    overridden: list[Violation]
    shadow: list[Violation]
    results: list[dict[str, Any]]
    results_digest: str
    input_digest: str
    input: Any
    engine: str
    engine_version: str
    grounds: dict[str, Any]
    now_ns: int
    seed: str


class AskTrial(_Asked):
    """A policy to be tried: Rego v1 with its package, the name of a rule in it, and the input as JSON text."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(storable)]
    rule: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] = "deny"
    input: Annotated[str, StringConstraints(max_length=1_000_000)]


class TrialRead(_Read):
    """A trial as others read it; ``outcome`` is None until OPA has answered.

    It holds ``errors`` (message, file, row), or ``defined``, ``result``, ``trace`` and ``coverage``.
    """

    id: UUID
    source: str
    query: str
    input: bytes
    operation_id: UUID
    outcome: dict[str, Any] | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class AskImpact(_Asked):
    """What a bundle would have stopped: ``bundle`` with an optional constraint, had it been in force at ``level``.

    ``most`` bounds how many past subjects are looked at, the latest first.
    """

    bundle: Label = Shape(examples=["slipway/baseline@1.1.0"])
    level: Level = Level.MANDATORY
    points: list[GatePoint] = Shape(default_factory=list)
    scope: Scope = Shape(default_factory=Scope)
    most: int = Shape(default=200, ge=1, le=2000)


class ImpactCase(_Read):
    """One subject: ``blocked``, ``warned`` or ``kept``; ``evaluation`` is what it was replayed from, None for a row."""

    about: str
    point: GatePoint | None
    evaluation: UUID | None
    was_allowed: bool
    outcome: str
    violations: list[Violation]


class ImpactRead(_Read):
    """What a version would have stopped; ``finished_at`` is None while a worker still looks."""

    id: UUID
    asset: str
    version: str
    digest: str
    level: Level
    points: list[GatePoint]
    scope: Scope
    operation_id: UUID
    total: int
    blocked: int
    warned: int
    cases: list[ImpactCase]
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class DecisionRead(_Read):
    """A decision that an agent made elsewhere, as its log told it."""

    id: UUID
    decision_id: str
    path: str
    labels: dict[str, Any]
    bundles: dict[str, Any]
    result: Any
    decided_at: datetime
    received_at: datetime


class ReplayedEvaluation(_Read):
    """Whether evaluating again gave the same results and verdict bit for bit; ``differences`` name what did not.

    ``verdict_equal`` is None for an evaluation that kept its results but not what its verdict was made of. The engine
    is of the kind that decided; ``engine_version`` is the version that answered now.
    """

    evaluation: UUID
    equal: bool
    verdict_equal: bool | None
    engine: str
    engine_version: str
    results_digest: str
    replayed_digest: str
    differences: list[str]
