"""First start: the tenants, members and tokens that a fresh installation needs; each step may be repeated."""

from collections.abc import Sequence

from catalog.db import Database
from catalog.tenancy import ALL_SCOPES, Principal, Role
from catalog.tenants.models import CreateToken, Tenant
from catalog.tenants.service import TenantService

CURATED_TENANT = "slipway"
DEFAULT_TENANT = "demo"


def ensure_tenant(database: Database, name: str, display_name: str = "") -> Tenant:
    """Return the tenant of that name, made if need be."""
    with database.system_session() as session:
        return TenantService(session).create_tenant(name, display_name)


def create_token(database: Database, tenant_name: str, name: str, scopes: Sequence[str], days: int | None) -> str:
    """Make an API token for a tenant and return its secret."""
    tenant = ensure_tenant(database, tenant_name)
    operator = Principal(tenant.id, tenant.name, actor="operator", name="operator", scopes=ALL_SCOPES)
    with database.tenant_session(tenant.id) as session:
        request = CreateToken(name=name, scopes=list(scopes), expires_in_days=days)
        return TenantService(session).create_token(operator, request).token


def sign_in_link(database: Database, base_url: str, tenant_name: str = DEFAULT_TENANT) -> str:
    """Return the address of a one-time sign-in link for the first administrator of a tenant, made if need be."""
    tenant = ensure_tenant(database, tenant_name, tenant_name.capitalize())
    with database.tenant_session(tenant.id) as session:
        service = TenantService(session)
        admin = service.add_member(tenant.id, "Administrator", f"admin@{tenant_name}.localhost", Role.ADMIN)
        return f"{base_url}/sign-in/{service.create_sign_in_link(admin)}"
