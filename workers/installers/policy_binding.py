"""Policy bundles: an install is a binding of just that version, in place of the one before."""

from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import parse_reference
from catalog.gates import PolicyDesk
from catalog.installs.models import Action
from catalog.installs.service import Applied, Draft, Proposal, Work
from catalog.policies.shapes import CreateBinding
from catalog.settings import Settings
from workers.installers import Bench, acting


class PolicyBindingInstaller:
    """Binds a bundle, and ends the binding that the revision before made."""

    name = "policy-binding"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say what would be bound, and which roots it shares with what is bound already."""
        target = draft.head["target"]
        reference = f"{draft.head['asset']}=={draft.head['version']}"
        if draft.action is Action.UNINSTALL:
            return Proposal({"binding": {"ends": True, "bundle": reference}})
        with bench.session() as session:
            policies = PolicyDesk(session, bench.settings).policies
            found = policies.overlaps(draft.tenant_id, parse_reference(reference))
        overlaps = [{"root": each.root, "bundles": list(each.bundles)} for each in found]
        binding = {
            "bundle": reference,
            "level": target["level"],
            "scope": draft.head["place"],
            "points": target["points"],
            "ends": False,
        }
        return Proposal({"binding": binding, "overlaps": overlaps})

    def apply(self, work: Work, bench: Bench) -> Applied:  # noqa: ARG002
        """Do nothing: bindings are rows."""
        return Applied(dict(work.outputs))

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:  # noqa: ARG002
        """Let the version count from now on, and the one before no longer."""
        principal = acting(work, "policies:write")
        policies = PolicyDesk(session, settings).policies
        before = work.previous.get("binding")
        if before is not None:
            policies.unbind(principal, UUID(before))
        if work.action is Action.UNINSTALL:
            return Applied()
        target = work.content["target"]
        body: dict[str, Any] = {
            "bundle": f"{work.asset}=={work.content['version']}",
            "level": target["level"],
            "scope": target["applies_to"],
            "points": target["points"],
            "reason": f"Install {work.name}, revision {work.number}",
        }
        bound = policies.bind(principal, CreateBinding.model_validate(body))
        return Applied({"binding": str(bound.id)})

    def look(self, work: Work, bench: Bench) -> Applied | None:  # noqa: ARG002
        """Find nothing: a binding waits for nobody."""
        return None


INSTALLER = PolicyBindingInstaller()
