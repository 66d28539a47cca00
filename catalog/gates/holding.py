"""What stands in the way of a subject because an agent found it wanting: blocks, told as violations at the gates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.environments.service import EphemeralEnvironmentService
from catalog.gating import GatePoint, Level, Violation
from catalog.installs.models import Action
from catalog.installs.service import InstallService
from catalog.proposals.service import ProposalService
from catalog.releases.service import ReleaseService
from catalog.settings import Settings

RULE = "slipway.missing-evidence"
"""The rule that a blocked subject does not keep; a waiver that names it lets through."""
HELD = frozenset(
    {
        GatePoint.RELEASE,
        GatePoint.ENVIRONMENT_REQUEST,
        GatePoint.ENVIRONMENT_UPDATE,
        GatePoint.INSTALL,
        GatePoint.ROLLOUT_STEP,
    }
)
"""The gates that blocks close. Publishing, mending drift and what agents do stay open: they may be the fix."""


def held(
    session: Session, settings: Settings, tenant_id: UUID, point: GatePoint | None, subject: str
) -> list[Violation]:
    """Return what blocks ``subject`` (``releases/<id>``) at a gate, or where somebody asks without one."""
    if point is not None and point not in HELD:
        return []
    keys = dict(_keys(session, settings, tenant_id, subject, is_asked=point is None))
    found = []
    for block in ProposalService(session).standing(tenant_id, list(keys)):
        missing = [each for each in block.missing if each.key in keys]
        # Held by the name of the whole alone: then everything that it lacks is in the way.
        for each in missing or block.missing:
            place = keys.get(each.key) or next((keys[key] for key in (block.subject,) if key in keys), "")
            message = f"{each.about} has no {each.evidence} attestation that counts. {each.detail}".strip()
            found.append(
                Violation(
                    rule=RULE,
                    level=Level.MANDATORY,
                    message=message,
                    path=place,
                    remediation=f"{each.fix} (see /proposals/{block.proposal_id})",
                )
            )
    return found


def _keys(
    session: Session, settings: Settings, tenant_id: UUID, subject: str, *, is_asked: bool
) -> Iterator[tuple[str, str]]:
    """Yield the keys by which a block would hold the subject, with the place in the input that each is about."""
    area, _, identifier = subject.partition("/")
    if area == "releases":
        release = ReleaseService(session).get(tenant_id, UUID(identifier))
        yield subject, "/release"
        if release.environment_id is not None:
            yield f"environments/{release.environment_id}", "/environment"
        for index, each in enumerate(release.artifacts):
            yield f"release:{each['digest']}", f"/release/artifacts/{index}"
    elif area == "environments":
        environment = EphemeralEnvironmentService(session, settings).get(tenant_id, UUID(identifier))
        if is_asked:
            # Its own gates let it be made anew, which may be what mends it.
            yield subject, "/environment"
        yield from _keys_of_parts(environment.locked)
    elif area == "install-plans":
        plan = InstallService(session, settings).plan(tenant_id, UUID(identifier))
        # Taking away what falls short is never held up.
        lock = plan.document.get("lock", ()) if plan.action is not Action.UNINSTALL else ()
        yield from ((f"asset:sha256:{each['digest'].removeprefix('sha256:')}", "/install") for each in lock)


def _keys_of_parts(locked: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for index, each in enumerate(locked):
        for role in ("asset", "file"):
            yield f"{role}:{each['digest']}", "/environment/blueprint" if index == 0 else "/environment"
