"""Sample pages of approvals: waiting, decided, lapsed, empty, and with long names."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.approvals.models import (
    ApprovalDecisionRead,
    ApprovalMode,
    ApprovalRead,
    ApprovalState,
    DelegationRead,
    Need,
    PersonRead,
)
from catalog.errors import FieldError
from catalog.installs.shapes import ApprovalRuleRead
from portal.pages.approval_rules import ApprovalRulesPage
from portal.pages.approvals import ApprovalListPage, ApprovalPage, DelegationsPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
OTHER = UUID(int=7)
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on" * 2


def approval(**changes: Any) -> ApprovalRead:
    values: dict[str, Any] = {
        "id": ID,
        "kind": "external",
        "subject": "pipelines/118/deploy",
        "title": "Deploy web 1.4.0 to production",
        "link": "https://ci.example.com/runs/118",
        "summary": "Moves the database to a larger instance.\nNo downtime is expected.",
        "plan_digest": "9f" * 32,
        "need": Need(mode=ApprovalMode.QUORUM, quorum=2),
        "state": ApprovalState.PENDING,
        "counts": False,
        "given": 1,
        "needed": 2,
        "problem": None,
        "approvers": [PersonRead(id=ID, name="Bob", counts=True), PersonRead(id=OTHER, name="Cid", counts=False)],
        "decisions": [decision()],
        "requested_by": "Ann",
        "requested_at": NOW - timedelta(hours=3),
        "expires_at": NOW + timedelta(days=2),
        "closed_at": None,
        "reason": "",
    }
    return ApprovalRead(**{**values, **changes})


def decision(**changes: Any) -> ApprovalDecisionRead:
    values: dict[str, Any] = {
        "member_id": ID,
        "name": "Bob",
        "instead_of": ["Cid"],
        "approves": True,
        "comment": "Read the plan; the database is kept.",
        "decided_at": NOW - timedelta(minutes=12),
        "counts": True,
    }
    return ApprovalDecisionRead(**{**values, **changes})


def delegation(**changes: Any) -> DelegationRead:
    values: dict[str, Any] = {
        "id": ID,
        "giver_id": ID,
        "giver": "Bob",
        "taker_id": OTHER,
        "taker": "Cid",
        "reason": "On holiday",
        "created_at": NOW - timedelta(days=1),
        "until": NOW + timedelta(days=12),
        "holds": True,
    }
    return DelegationRead(**{**values, **changes})


def rule(**changes: Any) -> ApprovalRuleRead:
    values: dict[str, Any] = {
        "name": "critical-services",
        "actions": ["install", "upgrade"],
        "kinds": ["pipeline-template"],
        "asset": "acme/*",
        "labels": {"tier": "critical"},
        "policy_rule": "change-window",
        "need": Need(mode=ApprovalMode.QUORUM, quorum=2),
        "expires_in_hours": 72,
        "created_by": "ann",
        "created_at": NOW,
    }
    return ApprovalRuleRead.model_validate({**values, **changes})


def pages() -> dict[str, Page]:
    denied = approval(
        state=ApprovalState.DENIED,
        decisions=[decision(approves=False, comment=LONG, counts=False)],
        closed_at=NOW,
        reason=LONG,
        title=LONG[:120],
    )
    lapsed = approval(
        state=ApprovalState.GRANTED,
        closed_at=NOW,
        problem="Somebody who approved has left.",
        need=Need(mode=ApprovalMode.ALL),
    )
    bare = approval(summary="", link="", decisions=[], approvers=[], given=0)
    people = [("cid@example.com", "Cid"), ("dee@example.com", LONG)]
    errors = [FieldError("/to", "There is no such member."), FieldError("/until", "Give a day."), FieldError("", "No.")]
    return {
        "approvals": ApprovalListPage([approval(), lapsed, denied], "", 3),
        "approvals-decided": ApprovalListPage([denied], "decided", 0, next_href="/approvals?show=decided&cursor=x"),
        "approvals-empty": ApprovalListPage([], "", 0),
        "approvals-none-waiting": ApprovalListPage([], "waiting", 0),
        "approvals-none-decided": ApprovalListPage([], "decided", 0),
        "approval": ApprovalPage(approval(), ["Bob", "Cid"], may_withdraw=True),
        "approval-bare": ApprovalPage(bare),
        "approval-denied": ApprovalPage(denied),
        "approval-lapsed": ApprovalPage(lapsed, ["Bob"], comment=LONG, refusal="Another plan waits."),
        "delegations": DelegationsPage(
            [delegation(), delegation(holds=False, taker=LONG, reason=LONG)], people, ID, may_end_all=False
        ),
        "delegations-empty": DelegationsPage([], [], None, may_end_all=False),
        "approval-rules": ApprovalRulesPage([rule(), rule(name=LONG[:60], labels={}, actions=[])], may_change=True),
        "approval-rules-empty": ApprovalRulesPage([], may_change=False),
        "approval-rules-errors": ApprovalRulesPage([], True, {"name": "x y"}, [FieldError("/name", "Give a name.")]),
        "delegations-errors": DelegationsPage([], people, ID, True, {"to": "x", "until": "soon"}, errors),
    }
