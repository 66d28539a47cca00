"""Sample pages of proposals and agents: usual ones, empty ones, long names, a stopped agent, and a refused form."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.proposals.models import Autonomy, ProposalState, RunState
from catalog.proposals.shapes import (
    AgentRead,
    AgentsRead,
    BlockRead,
    Fact,
    MissingEvidence,
    ProposalRead,
    ProposedAction,
    Remedy,
    RunRead,
)
from portal.pages.agents import AgentListPage, AgentPage
from portal.pages.proposals import ProposalListPage, ProposalPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
AGENT = "supply_chain_compliance"
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on"
DIGEST = "sha256:" + "9f" * 32
MISSING = [
    MissingEvidence(
        key=f"release:{DIGEST}",
        about="registry.example.com/acme/web",
        evidence="sbom",
        detail="There is no sbom attestation.",
        fix=f"slipway attest {DIGEST} --predicate sbom.json --type cyclonedx",
    ),
    MissingEvidence(key=f"release:{DIGEST}", about=LONG, evidence="provenance at SLSA level 3", detail=LONG),
]


def proposal(**changes: Any) -> ProposalRead:
    values: dict[str, Any] = {
        "id": ID,
        "agent": AGENT,
        "kind": "missing_evidence",
        "subject": f"releases/{ID}",
        "label": "web 1.4.0",
        "title": "web 1.4.0 lacks sbom and provenance at SLSA level 3",
        "summary": "registry.example.com/acme/web: There is no sbom attestation.",
        "evidence": [
            Fact(title="web 1.4.0, as it was judged", href=f"/releases/{ID}"),
            Fact(title="registry.example.com/acme/web has no sbom that counts", detail="There is none.", is_fault=True),
            Fact(title=LONG, detail=f"{LONG} {LONG}", href=f"/attestations/{ID}", is_fault=True),
            Fact(title="Trust policy, version 3", href="/attestations/trust-policy"),
        ],
        "action": ProposedAction(kind="block", title="Block whatever uses it until sbom is there"),
        "steps": [
            Remedy(
                title="Attest sbom of registry.example.com/acme/web",
                command=f"slipway attest {DIGEST} --predicate sbom.json --type cyclonedx",
                detail="There is no sbom attestation.",
            ),
            Remedy(title="Rotate the key", href="/attestations/keys"),
        ],
        "state": ProposalState.PROPOSED,
        "autonomy": Autonomy.ACT_WITH_APPROVAL,
        "run_id": ID,
        "successor_id": None,
        "decided_by": "",
        "decided_at": None,
        "comment": "",
        "reason": "",
        "outcome": "",
        "problem": "",
        "applied_at": None,
        "ended_at": None,
        "expires_at": NOW + timedelta(days=14),
        "created_at": NOW - timedelta(hours=3),
    }
    return ProposalRead(**{**values, **changes})


def block(**changes: Any) -> BlockRead:
    values: dict[str, Any] = {
        "id": ID,
        "proposal_id": ID,
        "agent": AGENT,
        "subject": f"releases/{ID}",
        "label": "web 1.4.0",
        "missing": MISSING,
        "created_at": NOW - timedelta(hours=2),
        "lifted_at": None,
        "lifted_by": "",
        "reason": "",
    }
    return BlockRead(**{**values, **changes})


def run(**changes: Any) -> RunRead:
    values: dict[str, Any] = {
        "id": ID,
        "agent": AGENT,
        "event": "dev.slipway.release.created.v1",
        "about": f"releases/{ID}",
        "autonomy": Autonomy.ACT,
        "state": RunState.DONE,
        "looked": 1,
        "found": 1,
        "saw": [Fact(title="web 1.4.0 lacks sbom", detail="Trust policy: version 3.", href="/releases", is_fault=True)],
        "did": [Fact(title=f"Proposed: {LONG}", href=f"/proposals/{ID}"), Fact(title="Blocked web 1.4.0.")],
        "attempts": 1,
        "error": "",
        "started_at": NOW - timedelta(hours=3),
        "finished_at": NOW - timedelta(hours=3) + timedelta(seconds=0.2),
        "seconds": 0.2,
    }
    return RunRead(**{**values, **changes})


def agent(**changes: Any) -> AgentRead:
    values: dict[str, Any] = {
        "name": AGENT,
        "title": "Supply-chain compliance",
        "summary": "Checks each release and environment against your trust policy, and blocks what falls short.",
        "watches": ["release.created", "environment.ready", "attestation.verified", "trust_policy.changed"],
        "actions": ["block"],
        "usual": Autonomy.ACT,
        "chosen": None,
        "autonomy": Autonomy.ACT,
        "is_stopped": False,
        "reason": "",
        "changed_by": "",
        "changed_at": None,
        "open_proposals": 2,
        "last_run": run(),
    }
    return AgentRead(**{**values, **changes})


def pages() -> dict[str, Page]:
    applied = proposal(
        state=ProposalState.APPLIED,
        outcome="Blocked web 1.4.0 until sbom is there.",
        decided_by="Ada",
        decided_at=NOW,
        comment="Yes, hold it.",
        applied_at=NOW,
    )
    ended = proposal(
        state=ProposalState.SUPERSEDED,
        reason="What it was about no longer holds.",
        ended_at=NOW,
        successor_id=ID,
        action=None,
        steps=[],
    )
    hindered = proposal(problem="One rule is not kept: ask-first.", title=LONG, label=LONG)
    stopped = agent(is_stopped=True, autonomy=Autonomy.OFF, reason="Too eager.", changed_by="Ada", changed_at=NOW)
    other = agent(name="ownerless", title=LONG, actions=[], autonomy=Autonomy.PROPOSE, last_run=None, open_proposals=0)
    interrupted = run(state=RunState.STOPPED, error="The agent is stopped.", did=[], saw=[], seconds=None, attempts=2)
    every = AgentsRead(items=[agent(), stopped, other], bound=None, is_stopped=False, reason="")
    counts = {"": 2, "standing": 1, "ended": 4}
    lifted = block(lifted_at=NOW, reason="What it was about no longer holds.")
    return {
        "proposals": ProposalListPage([proposal(), hindered], counts, "", next_href="/proposals?cursor=x"),
        "proposals-ended": ProposalListPage([ended], counts, "ended"),
        "proposals-empty": ProposalListPage([], {}, ""),
        "proposals-none-standing": ProposalListPage([], {}, "standing"),
        "proposals-none-ended": ProposalListPage([], {}, "ended"),
        "proposal": ProposalPage(proposal(), may_decide=True),
        "proposal-hindered": ProposalPage(hindered, may_decide=True, comment="No", problem="Say why."),
        "proposal-applied": ProposalPage(applied, [block()], may_decide=True),
        "proposal-ended": ProposalPage(ended, [lifted]),
        "agents": AgentListPage(every, may_change=True),
        "agents-stopped": AgentListPage(
            AgentsRead(items=[agent()], bound=None, is_stopped=True, reason=""), may_change=True
        ),
        "agents-bound": AgentListPage(
            AgentsRead(items=[], bound=Autonomy.PROPOSE, is_stopped=False, reason="Until the audit is over."),
            may_change=False,
        ),
        "agent": AgentPage(agent(), [run(), interrupted], may_change=True, next_href="/agents/x?cursor=x"),
        "agent-stopped": AgentPage(stopped, [], may_change=True),
        "agent-all-stopped": AgentPage(other, [], may_change=False, are_all_stopped=True),
    }
