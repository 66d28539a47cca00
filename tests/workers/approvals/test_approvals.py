"""Gates that nobody decided are closed by themselves, each once, with their event."""

from datetime import timedelta

from catalog.approvals.models import Ask
from catalog.approvals.service import ApprovalService
from catalog.clock import now
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService
from workers.approvals import WORKER
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry


def test_what_nobody_decided_expires(settings: Settings, database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        TenantService(session).add_member(acme.tenant_id, "Bob", "bob@example.com", Role.APPROVER)
        for number in range(2):
            asked = Ask(kind="test", subject=f"tests/{number}", title="Test", plan_digest="9f" * 32)
            ApprovalService(session).ask(acme, asked)
        session.connection().exec_driver_sql(
            "UPDATE approvals SET expires_at = %(when)s WHERE subject = 'tests/0'", {"when": now() - timedelta(hours=1)}
        )
    app = App(settings, registry([WORKER]))
    try:
        assert drain(app, periodic=True) == ["approvals.expire"]
        assert drain(app) == []
    finally:
        app.close()
    with database.tenant_session(acme.tenant_id) as session:
        states = {each.subject: each.state for each in ApprovalService(session).page(acme.tenant_id)}
        told = session.connection().exec_driver_sql("SELECT type FROM events WHERE type LIKE '%%approval.expired%%'")
        assert len(list(told)) == 1
    assert states == {"tests/0": "expired", "tests/1": "pending"}
