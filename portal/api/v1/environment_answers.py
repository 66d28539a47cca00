"""What requests answer that start work on an environment: where it will be, and the operation that makes it."""

from catalog.environments.models import Environment, EnvironmentAccepted
from catalog.environments.service import address_of
from catalog.settings import Settings
from portal.idempotency import API_BASE, Answer


def accepted(environment: Environment, settings: Settings) -> Answer[EnvironmentAccepted]:
    """Answer 202 with the address of the operation."""
    headers = {}
    if environment.operation_id is not None:
        headers["Location"] = f"{API_BASE}/operations/{environment.operation_id}"
    return Answer(summary(environment, settings), status_code=202, headers=headers)


def summary(environment: Environment, settings: Settings) -> EnvironmentAccepted:
    """Return how an environment stands now, in short."""
    return EnvironmentAccepted(
        id=environment.id,
        phase=environment.phase,
        url=address_of(environment, settings),
        expires_at=environment.expires_at,
        operation=environment.operation_id,
    )
