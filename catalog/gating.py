"""Gates: the points at which policies decide, and the protocol by which every service asks before it changes the world.

A session carries the gate that its database was opened with (``catalog.gates.open_database``), so that each door that
leads to a service leads through the same gate. A session without one refuses: there is no way round.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from catalog.errors import SlipwayError

GATE = "slipway.gate"
"""Under this name a session's ``info`` holds its gate."""


class GatePoint(StrEnum):
    """Where policies decide whether something may happen."""

    PUBLISH = "publish"
    INSTALL = "install"
    ENVIRONMENT_REQUEST = "environment_request"
    ENVIRONMENT_UPDATE = "environment_update"
    RELEASE = "release"
    ROLLOUT_STEP = "rollout_step"
    DRIFT_FIX = "drift_fix"
    AGENT_ACTION = "agent_action"


class Level(StrEnum):
    """What a violation does: it is told, it stops unless a person overrides it on record, or it stops."""

    NONE = "none"
    ADVISORY = "advisory"
    OVERRIDABLE = "mandatory-with-override"
    MANDATORY = "mandatory"

    @property
    def rank(self) -> int:
        """Return how strong the level is, from 0."""
        return list(Level).index(self)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Violation(_Frozen):
    """One thing that a rule found: ``path`` is a JSON pointer into the input, ``bundle`` the rule's asset."""

    rule: str
    level: Level
    message: str
    path: str = ""
    remediation: str = ""
    bundle: str = ""


class UsedBundle(_Frozen):
    """A bundle that took part in a decision; ``digest`` names its compiled bytes."""

    asset: str
    version: str
    digest: str


class Verdict(_Frozen):
    """What policies say: ``level`` is the strongest that was found, ``evaluation`` the record of how it came about.

    ``waived`` violations have a waiver, ``overridden`` ones a recorded override, ``shadow`` ones come from bundles that
    are only being tried; none of these three counts.
    """

    allowed: bool
    level: Level = Level.NONE
    violations: tuple[Violation, ...] = ()
    bundles: tuple[UsedBundle, ...] = ()
    evaluation: UUID | None = None
    waived: tuple[Violation, ...] = ()
    overridden: tuple[Violation, ...] = ()
    shadow: tuple[Violation, ...] = ()


class PolicyRefusedError(SlipwayError):
    """Policies do not allow it; ``verdict`` says which rules, why, and what would help.

    ``keep`` writes the record of the evaluation. It has to be called after the refused work was rolled back, and
    ``Database.tenant_session`` and the portal's unit of work do so.
    """

    code: ClassVar[str] = "policy_refused"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "A policy does not allow this"

    def __init__(self, verdict: Verdict, keep: Callable[[Session], None]) -> None:
        super().__init__(_sentence(verdict))
        self.verdict = verdict
        self.keep = keep


class OverrideNeededError(PolicyRefusedError):
    """Policies do not allow it unless an approver records an override that names a reason and an end."""

    code = "override_needed"
    title = "A policy does not allow this without an override"


class GateMissingError(RuntimeError):
    """The session was opened without a gate, so nothing that policies decide may happen in it."""


class Gate(Protocol):
    """Decides at every gate point; it never raises for a policy that fails, which is a refusal like any other."""

    def ask(
        self,
        session: Session,
        tenant_id: UUID,
        point: GatePoint,
        subject: str,
        actor: str,
        plan: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """Return what policies say of ``subject`` (``releases/<id>``), a row that is flushed but not committed.

        ``plan`` is what the engine would do, where it has looked ahead. Raises ``PolicyRefusedError`` or
        ``OverrideNeededError`` where it is not allowed.
        """
        ...

    def wants_plan(
        self, session: Session, tenant_id: UUID, point: GatePoint, subject: str, *, enforced: bool = False
    ) -> bool:
        """Tell whether anything that counts at a gate looks at the part ``plan`` of the input.

        With ``enforced`` what is only being tried does not count.
        """
        ...


def pass_gate(
    session: Session,
    tenant_id: UUID,
    point: GatePoint,
    subject: str,
    actor: str,
    plan: Mapping[str, Any] | None = None,
) -> Verdict:
    """Ask the session's gate and return its verdict; raise ``PolicyRefusedError`` where it is not allowed."""
    return _gate(session, point).ask(session, tenant_id, point, subject, actor, plan)


def wants_plan(session: Session, tenant_id: UUID, point: GatePoint, subject: str, *, enforced: bool = False) -> bool:
    """Ask the session's gate whether a plan of the engine would matter, as making one takes seconds."""
    return _gate(session, point).wants_plan(session, tenant_id, point, subject, enforced=enforced)


def _gate(session: Session, point: GatePoint) -> Gate:
    gate: Gate | None = session.info.get(GATE)
    if gate is None:
        raise GateMissingError(f"{point} was asked for in a session without a gate; open it with catalog.gates.")
    return gate


def keep_refusal(session: Session, error: BaseException) -> None:
    """Roll back, and where it was policies that refused, write and commit the record of it."""
    session.rollback()
    if isinstance(error, PolicyRefusedError):
        with session.begin():
            error.keep(session)


class VerdictSummary(_Frozen):
    """What a row remembers of the last verdict about it: how many bundles looked, and what they remarked."""

    allowed: bool = True
    level: Level = Level.NONE
    violations: int = 0
    bundles: int = 0
    evaluation: UUID | None = None


def verdict_summary(verdict: Verdict) -> dict[str, Any]:
    """Return what a row keeps of a verdict, to be read as a `VerdictSummary`."""
    summary = VerdictSummary(
        allowed=verdict.allowed,
        level=verdict.level,
        violations=len(verdict.violations),
        bundles=len(verdict.bundles),
        evaluation=verdict.evaluation,
    )
    return summary.model_dump(mode="json")


def _sentence(verdict: Verdict) -> str:
    stopping = [each for each in verdict.violations if each.level.rank > Level.ADVISORY.rank]
    rules = ", ".join(dict.fromkeys(each.rule for each in stopping[:5]))
    more = "" if len(stopping) <= 5 else f" and {len(stopping) - 5} more"
    count = "One rule is" if len(stopping) == 1 else f"{len(stopping)} rules are"
    return f"{count} not kept: {rules}{more}."
