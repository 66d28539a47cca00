"""Row-level security holds for every table that belongs to tenants, whatever the query says."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.models import CreateToken
from catalog.tenants.service import SignInService, TenantService


def test_every_table_with_a_tenant_forces_row_security(settings: Settings) -> None:
    engine = create_engine(settings.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relkind = 'r' AND (c.relname = 'tenants' OR EXISTS"
                " (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))"
            )
        ).all()
    assert len(rows) >= 8
    assert [row.relname for row in rows if not (row.relrowsecurity and row.relforcerowsecurity)] == []


def test_the_application_role_is_no_superuser_and_cannot_bypass(database: Database) -> None:
    with database.tenant_session(None) as session:
        row = session.connection().execute(
            text("SELECT rolsuper, rolbypassrls, rolname FROM pg_roles WHERE rolname = current_user")
        )
        assert tuple(row.one()) == (False, False, "slipway_app")


def test_a_query_without_a_where_sees_only_the_own_tenant(
    database: Database, acme: Principal, rival: Principal
) -> None:
    for principal in (acme, rival):
        with database.tenant_session(principal.tenant_id) as session:
            TenantService(session).add_member(principal.tenant_id, "Ann", "ann@example.com", Role.VIEWER)
    with database.tenant_session(acme.tenant_id) as session:
        connection = session.connection()
        assert connection.execute(text("SELECT count(*) FROM members")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 1
        assert connection.execute(text("SELECT name FROM tenants")).scalars().all() == ["acme"]
        assert connection.execute(text("UPDATE members SET name = 'x' RETURNING tenant_id")).scalars().all() == [
            acme.tenant_id
        ]


def test_without_a_tenant_nothing_is_seen(database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        TenantService(session).add_member(acme.tenant_id, "Ann", "ann@example.com", Role.VIEWER)
    with database.tenant_session(None) as session:
        assert session.connection().execute(text("SELECT count(*) FROM members")).scalar_one() == 0


def test_a_row_cannot_be_written_into_another_tenant(database: Database, acme: Principal, rival: Principal) -> None:
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        database.tenant_session(acme.tenant_id) as session,
    ):
        TenantService(session).add_member(rival.tenant_id, "Eve", "eve@example.com", Role.ADMIN)


def test_the_tenant_ends_with_its_transaction(database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        TenantService(session).add_member(acme.tenant_id, "Ann", "ann@example.com", Role.VIEWER)
    database.app.pool.recreate()
    for _ in range(3):
        with database.tenant_session(None) as session:
            assert session.connection().execute(text("SELECT count(*) FROM members")).scalar_one() == 0


def test_the_system_role_reaches_no_tenant_data(database: Database, acme: Principal) -> None:
    del acme
    with pytest.raises(ProgrammingError, match="permission denied"), database.system_session() as session:
        session.connection().execute(text("SELECT * FROM members"))


def test_a_token_works_until_it_is_revoked(database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        request = CreateToken(name="ci", scopes=["environments:write"])
        created = TenantService(session).create_token(acme, request)
    with database.tenant_session(None) as session:
        holder = SignInService(session).by_token(created.token)
    assert (holder.tenant_id, holder.name) == (acme.tenant_id, "ci")
    assert holder.may("environments:read")
    assert not holder.may("assets:read")
    with database.tenant_session(acme.tenant_id) as session:
        TenantService(session).revoke_token(acme, created.id)
    with database.tenant_session(None) as session, pytest.raises(Exception, match="not known"):
        SignInService(session).by_token(created.token)


def test_a_sign_in_link_works_once(database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        service = TenantService(session)
        member = service.add_member(acme.tenant_id, "Ann", "ann@example.com", Role.DEVELOPER)
        secret = service.create_sign_in_link(member)
    with database.tenant_session(None) as session:
        assert SignInService(session).redeem_link(secret) == (acme.tenant_id, member.id)
    with database.tenant_session(None) as session:
        assert SignInService(session).redeem_link(secret) is None
