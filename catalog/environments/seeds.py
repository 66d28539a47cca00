"""What databases of environments may begin with: copies of production data take the operator's word, per tenant."""

from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import BlueprintSpec, PostgresComponent
from catalog.errors import FieldError, InvalidInputError
from catalog.settings import Settings
from catalog.tenants.service import TenantService


class ProductionDataRefusedError(InvalidInputError):
    """A blueprint fills a database with production data, and the tenant may not have that in environments."""

    code = "production_data_refused"


def check_seeds(session: Session, settings: Settings, tenant_id: UUID, spec: BlueprintSpec) -> None:
    """Raise ``ProductionDataRefusedError`` where a database begins with data that the tenant may not use for that."""
    real = [
        name
        for name, each in spec.environment.backing.items()
        if isinstance(each, PostgresComponent) and each.seed is not None and each.seed.data == "production"
    ]
    if not real:
        return
    tenant = TenantService(session).get(tenant_id).name
    if tenant not in settings.production_data_tenants:
        detail = (
            f"The blueprint fills {' and '.join(real)} with production data, which {tenant} may not have in "
            "environments. Use a blueprint whose seed is synthetic or masked, or have the operator add the tenant to "
            "SLIPWAY_PRODUCTION_DATA_TENANTS."
        )
        raise ProductionDataRefusedError(detail, [FieldError("/blueprint", detail)])
