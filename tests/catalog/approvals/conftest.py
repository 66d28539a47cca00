"""A tenant with people in it, and gates that they are asked to open."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog.approvals.models import ApprovalRead, Ask, Decide, Need
from catalog.approvals.service import ApprovalService
from catalog.db import Database
from catalog.tenancy import ROLE_SCOPES, Principal, Role
from catalog.tenants.service import TenantService

PLAN = "9f" * 32
OTHER_PLAN = "ab" * 32


class Gates:
    """Everything that people do with gates of one tenant, each in a transaction of its own."""

    def __init__(self, database: Database, operator: Principal) -> None:
        self.database, self.operator = database, operator

    def person(self, name: str, role: Role = Role.APPROVER) -> Principal:
        with self.database.tenant_session(self.operator.tenant_id) as session:
            member = TenantService(session).add_member(
                self.operator.tenant_id, name, f"{name.lower()}@example.com", role
            )
        return self.as_member(member.id, name, role)

    def as_member(self, member_id: Any, name: str, role: Role) -> Principal:
        tenant = self.operator
        return Principal(
            tenant.tenant_id, tenant.tenant_name, f"member:{member_id}", name, ROLE_SCOPES[role], member_id
        )

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        with self.database.tenant_session(self.operator.tenant_id) as session:
            return getattr(ApprovalService(session), method)(*arguments, **named)

    def ask(self, by: Principal, plan: str = PLAN, policy: Any = None, **changes: Any) -> ApprovalRead:
        values = {"kind": "install-plan", "subject": "installs/1", "title": "Install acme/web", "plan_digest": plan}
        need = changes.pop("need", Need())
        return self.call("ask", by, Ask(**{**values, **changes}, need=need), policy)  # type: ignore[no-any-return]

    def decide(self, by: Principal, approval: ApprovalRead, *, approves: bool = True, **said: Any) -> ApprovalRead:
        return self.call("decide", by, approval.id, Decide(**said), approves=approves)  # type: ignore[no-any-return]

    def granted(self, plan: str = PLAN) -> Any:
        return self.call("granted_for", self.operator.tenant_id, "install-plan", "installs/1", plan)

    def sql(self, statement: str, **values: Any) -> None:
        with self.database.tenant_session(self.operator.tenant_id) as session:
            session.connection().exec_driver_sql(statement, values)

    def leave(self, person: Principal) -> None:
        self.sql("UPDATE members SET removed_at = now() WHERE id = %(id)s", id=person.member_id)

    def role(self, person: Principal, role: Role) -> None:
        self.sql("UPDATE members SET role = %(role)s WHERE id = %(id)s", id=person.member_id, role=role.value)


@pytest.fixture
def gates(database: Database, acme: Principal) -> Gates:
    return Gates(database, acme)


@pytest.fixture
def events(database: Database, acme: Principal) -> Callable[[], list[str]]:
    """The names of the events of gates, in order."""

    def names() -> list[str]:
        with database.tenant_session(acme.tenant_id) as session:
            found = session.connection().exec_driver_sql(
                "SELECT type FROM events WHERE type LIKE 'dev.slipway.approval%%' ORDER BY sequence"
            )
            return [each.removeprefix("dev.slipway.").removesuffix(".v1") for each in found.scalars()]

    return names
