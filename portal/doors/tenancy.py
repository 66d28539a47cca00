"""Whose door it is: a caller sees that of its own tenant, and no other exists for it."""

from catalog.errors import NotFoundError
from catalog.tenancy import Principal


def check_tenant(principal: Principal, tenant: str) -> None:
    """Raise ``NotFoundError`` unless the address names the caller's own tenant, whether or not another has it."""
    if principal.tenant_name != tenant:
        raise NotFoundError("There is nothing at this address for this token.")
