"""Plans that people have to approve: bound to the digest, never by the requester, looked at again when it counts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from catalog.approvals.errors import ApprovalNeededError, NoApproversError, NotYourDecisionError
from catalog.approvals.models import ApprovalRead, Decide
from catalog.approvals.service import ApprovalService
from catalog.db import Database
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, AskUpgrade, PlanRead, RequireApproval
from catalog.settings import Settings
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo

Work = Callable[..., list[str]]


class People:
    """Members of ``acme`` and what they do with plans, each in a unit of work of its own."""

    def __init__(self, database: Database, settings: Settings, acme: Principal) -> None:
        self.database, self.settings, self.acme = database, settings, acme

    def person(self, name: str, role: Role = Role.APPROVER) -> Principal:
        """Add somebody to the tenant."""
        tenant = self.acme.tenant_id
        with self.database.tenant_session(tenant) as session:
            added = TenantService(session).add_member(tenant, name, f"{name.lower()}@example.com", role)
        return Principal(tenant, "acme", f"member:{added.id}", name, ROLE_SCOPES[role], added.id)

    def leaves(self, person: Principal) -> None:
        """Let somebody leave the tenant."""
        with self.database.tenant_session(self.acme.tenant_id) as session:
            statement = "UPDATE members SET removed_at = now() WHERE id = %(id)s"
            session.connection().exec_driver_sql(statement, {"id": person.member_id})

    def rule(self, name: str = "all", **values: Any) -> None:
        """Let plans take an approval."""
        with self.database.tenant_session(self.acme.tenant_id) as session:
            asked = RequireApproval.model_validate({"name": name, **values})
            InstallService(session, self.settings).require_approval(self.acme, asked)

    def want(self, who: Principal, plan: PlanRead) -> list[UUID]:
        """Want a plan applied, and return the approvals that are waited for."""
        with self.database.tenant_session(who.tenant_id) as session:
            asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
            wanted = InstallService(session, self.settings).want(who, asked)
            assert (wanted.install is None) == bool(wanted.approvals)
            return [each.id for each in wanted.approvals]

    def decide(self, who: Principal, approval: UUID, *, approves: bool = True) -> ApprovalRead:
        """Say yes or no."""
        with self.database.tenant_session(who.tenant_id) as session:
            return ApprovalService(session).decide(who, approval, Decide(), approves=approves)

    def look(self, approval: UUID) -> ApprovalRead:
        """Return an approval."""
        with self.database.tenant_session(self.acme.tenant_id) as session:
            return ApprovalService(session).get(self.acme.tenant_id, approval)


@pytest.fixture
def people(database: Database, settings: Settings, acme: Principal) -> People:
    """People of ``acme``."""
    return People(database, settings, acme)


@pytest.fixture
def plan(publish: Do, repo: Repo, ledger: Ledger) -> PlanRead:
    """A plan that is ready."""
    publish()
    target = {"repository": str(repo.path)}
    return ledger.ask("plan_install", AskInstall(asset="acme/pipeline", target=target, labels={"tier": "critical"}))


def test_a_plan_waits_until_somebody_else_approves_just_it(
    plan: PlanRead, people: People, ledger: Ledger, work: Work, repo: Repo
) -> None:
    bob, cid = people.person("Bob"), people.person("Cid", Role.DEVELOPER)
    people.rule(labels={"tier": "critical"}, actions=["install"])
    people.rule("others", labels={"tier": "none"})
    with pytest.raises(ApprovalNeededError, match=r"The rule all asks for an approval\. Nobody has been asked"):
        ledger.apply(plan)
    (approval,) = people.want(cid, plan)
    with pytest.raises(NotYourDecisionError):
        people.decide(ledger.who, approval)  # whoever planned it
    work()
    waiting = ledger.plan(plan.id)
    assert (waiting.state, waiting.wanted, waiting.install_id) == ("ready", True, None)
    assert [(each.rule, each.state, each.approval) for each in waiting.approvals] == [("all", "pending", approval)]
    assert people.look(approval).plan_digest == (plan.digest or "").removeprefix("sha256:")
    people.decide(bob, approval)
    work()
    applied = ledger.plan(plan.id)
    assert applied.state == "applied", applied.problem
    assert applied.install_id is not None
    (revision,) = ledger.revisions(applied.install_id)
    assert [(each["rule"], each["approvers"]) for each in revision.approvals] == [("all", ["Bob"])]
    assert repo.git("for-each-ref", "refs/heads/slipway", "--format=x") == "x"


def test_whoever_wants_it_applied_never_approves_it(plan: PlanRead, people: People) -> None:
    bob, _ = people.person("Bob"), people.person("Dan")
    people.rule()
    (approval,) = people.want(bob, plan)
    with pytest.raises(NotYourDecisionError):
        people.decide(bob, approval)


def test_without_approvers_it_stays_shut(plan: PlanRead, people: People, ledger: Ledger, work: Work) -> None:
    people.rule(need={"role": "admin"})
    people.rule("owner", need={"chosen_by": "policy"})
    with pytest.raises(NoApproversError, match="The rule all asks for an approval"):
        people.want(ledger.who, plan)
    work()
    assert (ledger.plan(plan.id).state, ledger.plan(plan.id).wanted) == ("ready", False)


def test_an_approver_who_left_counts_no_longer(plan: PlanRead, people: People, ledger: Ledger, work: Work) -> None:
    bob, dan = people.person("Bob"), people.person("Dan")
    people.rule()
    (approval,) = people.want(ledger.who, plan)
    people.decide(bob, approval)
    people.leaves(bob)
    work()  # the grant arrives, and does not count any more
    waiting = ledger.plan(plan.id)
    assert (waiting.state, waiting.wanted) == ("ready", True)
    assert waiting.approvals[0].problem == (
        "Somebody who approved has left or may not approve any more: 0 of 1 approvals still count."
    )
    people.decide(dan, approval)
    work()
    assert ledger.plan(plan.id).state == "applied"


def test_an_approver_who_leaves_before_the_worker_writes_it_down(
    plan: PlanRead, people: People, ledger: Ledger, work: Work, repo: Repo
) -> None:
    bob = people.person("Bob")
    people.rule()
    (approval,) = people.want(ledger.who, plan)
    people.decide(bob, approval)
    with people.database.tenant_session(ledger.who.tenant_id) as session:
        InstallService(session, ledger.settings).apply(ledger.who, ApplyPlan(plan=plan.id, digest=plan.digest or ""))
    people.leaves(bob)
    work()
    failed = ledger.plan(plan.id)
    assert failed.state == "failed"
    assert failed.problem is not None
    assert failed.problem.code == "approval_needed"
    assert repo.git("for-each-ref", "refs/heads/slipway") == ""
    assert failed.install_id is not None
    assert ledger.revisions(failed.install_id) == []


def test_one_that_expired_and_one_that_was_denied(
    plan: PlanRead, people: People, ledger: Ledger, work: Work, database: Database
) -> None:
    bob = people.person("Bob")
    people.rule()
    (approval,) = people.want(ledger.who, plan)
    people.decide(bob, approval)
    with database.tenant_session(ledger.who.tenant_id) as session:
        statement = "UPDATE approvals SET expires_at = expires_at - %(by)s"
        session.connection().exec_driver_sql(statement, {"by": timedelta(days=30)})
    with pytest.raises(ApprovalNeededError, match="Ask again"):
        ledger.apply(plan)
    (second,) = people.want(ledger.who, plan)
    assert second != approval
    people.decide(bob, second, approves=False)
    work()
    denied = ledger.plan(plan.id)
    assert (denied.state, denied.wanted) == ("ready", False)
    assert denied.problem is not None
    assert denied.problem.code == "approval_denied"


def test_what_was_approved_is_void_once_something_moves(
    plan: PlanRead, people: People, ledger: Ledger, work: Work, repo: Repo
) -> None:
    bob = people.person("Bob")
    people.rule()
    (approval,) = people.want(ledger.who, plan)
    repo.write({".github/workflows/build.yml": "name: mine\n"})
    people.decide(bob, approval)
    work()
    moved = ledger.plan(plan.id)
    assert moved.state == "moved"
    assert people.look(approval).state == "voided"
    assert repo.read(".github/workflows/build.yml") == "name: mine"


def test_in_one_go_it_is_held_and_goes_on(
    publish: Do, repo: Repo, people: People, ledger: Ledger, work: Work, database: Database
) -> None:
    publish()
    bob = people.person("Bob")
    people.rule(need={"mode": "all"})
    with database.tenant_session(ledger.who.tenant_id) as session:
        asked = AskInstall(asset="acme/pipeline", target={"repository": str(repo.path)})
        made = InstallService(session, ledger.settings).plan_install(ledger.who, asked, auto=True)
        install_id = made.install_id
    work()
    assert install_id is not None
    held = ledger.get(install_id)
    assert (held.state, held.failure.code if held.failure else "") == ("held", "approval_needed")
    (waiting,) = ledger.plan(made.id).approvals
    assert waiting.approval is not None
    people.decide(bob, waiting.approval)
    work()
    assert ledger.get(install_id).state == "waiting"
    repo.merge(ledger.get(install_id).proposed["branch"])
    work(periodic=True)
    publish("1.1.0", {"build.yml.j2": WORKFLOW + "      - run: make package\n"})
    upgrade = ledger.ask("plan_upgrade", install_id, AskUpgrade())
    (second,) = people.want(ledger.who, upgrade)
    people.decide(bob, second, approves=False)
    work()
    assert ledger.get(install_id).state == "applied"
