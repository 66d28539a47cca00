"""Policy bundles, strategies and pins: rows of the database, exactly once, and undone as they were done."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, func, select, update

from catalog.db import METADATA, Database
from catalog.gates import PolicyDesk
from catalog.gating import PolicyRefusedError
from catalog.installs.errors import (
    InstallBusyError,
    InstallExistsError,
    InstallNotFoundError,
    PlanMovedError,
    PlanNotReadyError,
)
from catalog.installs.models import Install
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, AskRollback, AskUninstall, AskUpgrade
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.workers.installation.conftest import Do, Ledger

TABLES = METADATA.tables
ALLOW = "deny contains v if { false; v := {} }"
REFUSE = """deny contains v if {
    input.point == "install"
    v := {"rule": "no-installs", "message": "not now", "path": "/install", "remediation": "wait"}
}"""


def bound(database: Database, settings: Settings, who: Principal) -> list[tuple[str, str]]:
    """Return what is bound, with its constraint."""
    with database.tenant_session(who.tenant_id) as session:
        return [(e.asset, e.constraint) for e in PolicyDesk(session, settings).policies.bindings(who.tenant_id)]


def test_a_bundle_is_bound_moved_and_unbound(
    publish_policy: Do, ledger: Ledger, database: Database, settings: Settings, acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    install = ledger.install("acme/rules", {"level": "advisory"})
    assert (install.state, install.applied_revision) == ("applied", 1), install.failure
    assert bound(database, settings, acme) == [("acme/rules", "==1.0.0")]
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    assert ledger.get(install.id).standing.outdated  # type: ignore[union-attr]
    ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade()))
    assert bound(database, settings, acme) == [("acme/rules", "==1.1.0")]
    ledger.apply(ledger.ask("plan_rollback", install.id, AskRollback()))
    assert bound(database, settings, acme) == [("acme/rules", "==1.0.0")]
    chain = ledger.revisions(install.id)
    assert [(each.number, each.action, each.state) for each in chain] == [
        (3, "rollback", "applied"),
        (2, "upgrade", "applied"),
        (1, "install", "applied"),
    ]
    assert [each.parent_digest for each in chain] == [chain[1].content_digest, chain[2].content_digest, None]
    gone = ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall()))
    assert gone.state == "removed"
    assert bound(database, settings, acme) == []


def test_the_same_place_takes_an_asset_once(publish_policy: Do, ledger: Ledger, acme: Principal) -> None:
    publish_policy(acme, "rules", ALLOW)
    install = ledger.install("acme/rules", {"level": "advisory"})
    with pytest.raises(InstallExistsError, match=str(install.id)):
        ledger.ask("plan_install", AskInstall(asset="acme/rules", target={"level": "mandatory"}))


def test_a_plan_that_moved_changes_nothing_and_is_made_again(
    publish_policy: Do, ledger: Ledger, database: Database, settings: Settings, acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    publish_policy(acme, "other", ALLOW)
    plan = ledger.ask("plan_install", AskInstall(asset="acme/rules", target={"level": "advisory"}))
    ledger.install("acme/other", {"level": "advisory"})  # now they share a root, and another bundle has its say
    moved = ledger.apply(plan)
    assert moved.failure is not None
    assert moved.failure.code == "plan_moved"
    assert moved.desired_revision is None
    assert bound(database, settings, acme) == [("acme/other", "==1.0.0")]
    with database.tenant_session(acme.tenant_id) as session:
        fresh = InstallService(session, settings).plans(acme.tenant_id, moved.id)[0]
    assert (fresh.follows, fresh.state) == (plan.id, "ready")
    assert fresh.document["changes"]["overlaps"] == [{"root": "guard", "bundles": ["acme/other", "acme/rules"]}]
    assert ledger.apply(fresh).state == "applied"


def test_two_upgrades_at_once(publish_policy: Do, ledger: Ledger, database: Database, acme: Principal) -> None:
    publish_policy(acme, "rules", ALLOW)
    install = ledger.install("acme/rules", {"level": "advisory"})
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    one, other = (ledger.ask("plan_upgrade", install.id, AskUpgrade()) for _ in range(2))
    with database.tenant_session(acme.tenant_id) as session:
        InstallService(session, ledger.settings).apply(acme, ApplyPlan(plan=one.id, digest=one.digest or ""))
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(InstallBusyError):
        InstallService(session, ledger.settings).apply(acme, ApplyPlan(plan=other.id, digest=other.digest or ""))
    ledger.work()
    late = ledger.apply(other)
    assert late.failure is not None
    assert late.failure.code == "plan_moved"
    assert (late.state, late.applied_revision) == ("applied", 2)


def test_a_plan_is_applied_once_and_by_its_digest(publish_policy: Do, ledger: Ledger, acme: Principal) -> None:
    publish_policy(acme, "rules", ALLOW)
    plan = ledger.ask("plan_install", AskInstall(asset="acme/rules", target={"level": "advisory"}))
    with pytest.raises(PlanMovedError, match="Look at it again"):
        ledger.apply(plan.model_copy(update={"digest": "sha256:" + "0" * 64}))
    ledger.apply(plan)
    with pytest.raises(PlanNotReadyError, match="applied already"):
        ledger.apply(plan)


def test_a_policy_at_the_gate_is_shown_in_the_plan_and_stops_the_apply(
    publish_policy: Do, ledger: Ledger, acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    publish_policy(acme, "guard", REFUSE)
    ledger.install("acme/guard", {"level": "mandatory"})
    plan = ledger.ask("plan_install", AskInstall(asset="acme/rules", target={"level": "advisory"}))
    assert plan.state == "ready"
    assert not plan.is_allowed
    assert [each["rule"] for each in plan.document["gates"][0]["violations"]] == ["no-installs"]
    with pytest.raises(PolicyRefusedError):
        ledger.apply(plan)


def test_the_ledger_cannot_be_rewritten(
    publish_policy: Do, ledger: Ledger, database: Database, acme: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    ledger.install("acme/rules", {"level": "advisory"})
    for table in ("install_revisions", "install_outcomes", "install_secrets"):
        for change in (update(TABLES[table]).values(tenant_id=acme.tenant_id), delete(TABLES[table])):
            with (
                pytest.raises(Exception, match="permission denied"),
                database.tenant_session(acme.tenant_id) as session,
            ):
                session.connection().execute(change)


def test_another_tenant_sees_nothing(
    publish_policy: Do, ledger: Ledger, database: Database, settings: Settings, acme: Principal, rival: Principal
) -> None:
    publish_policy(acme, "rules", ALLOW)
    install = ledger.install("acme/rules", {"level": "advisory"})
    with database.tenant_session(rival.tenant_id) as session:
        for table in ("installs", "install_plans", "install_revisions", "install_outcomes", "install_secrets"):
            assert session.connection().execute(select(func.count()).select_from(TABLES[table])).scalar_one() == 0
        service = InstallService(session, settings)
        with pytest.raises(InstallNotFoundError):
            service.get(rival.tenant_id, install.id)


def test_killed_between_any_two_steps_it_resumes(
    publish_policy: Do,
    ledger: Ledger,
    database: Database,
    settings: Settings,
    acme: Principal,
    run_until: Callable[[Install, int], bool],
) -> None:
    publish_policy(acme, "rules", ALLOW)
    plan = ledger.ask("plan_install", AskInstall(asset="acme/rules", target={"level": "advisory"}))
    with database.tenant_session(acme.tenant_id) as session:
        install = InstallService(session, settings).apply(acme, ApplyPlan(plan=plan.id, digest=plan.digest or ""))
    # First up to the revision that is written down, then up to its being brought about, and then without an end.
    assert [run_until(install, lives) for lives in (0, 1, 2, 0, 1, 9)] == [True, True, True, True, True, False]
    settled = ledger.get(install.id)
    assert (settled.state, settled.applied_revision) == ("applied", 1)
    assert bound(database, settings, acme) == [("acme/rules", "==1.0.0")]
    assert len(ledger.revisions(install.id)) == 1
