"""What is signed of environments: each generation that was ready, also where it has moved on since, or is gone."""

from uuid import UUID

from sqlmodel import Session

from catalog.environments.made import EnvironmentMade, Made, made_of
from catalog.environments.models import Environment, Phase
from catalog.environments.service.rows import find
from catalog.stacks.models import Stack
from catalog.stacks.service import MultiCloudProvisioningService


def write_down(session: Session, environment: Environment) -> None:
    """Keep what the generation came up from that has just become ready, until it is signed."""
    session.add(
        EnvironmentMade(
            tenant_id=environment.tenant_id,
            environment_id=environment.id,
            incarnation=environment.incarnation,
            generation=environment.generation,
            made=made_of(environment, _stack(session, environment)).model_dump(mode="json"),
        )
    )


class EnvironmentStatements:
    """One unit of work on what is signed of environments; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def made(self, tenant_id: UUID, environment_id: UUID, incarnation: int, generation: int) -> Made | None:
        """Return what a generation came up from; None where nobody knows, because it is signed already.

        One that became ready before that was written down is taken from the environment, as long as it is at it.
        """
        row = self._session.get(EnvironmentMade, (environment_id, incarnation, generation))
        if row is not None:
            return Made.model_validate(row.made)
        environment = find(self._session, tenant_id, environment_id)
        is_that = (environment.incarnation, environment.generation) == (incarnation, generation)
        if environment.phase is not Phase.READY or not is_that:
            return None
        return made_of(environment, _stack(self._session, environment))

    def signed(self, made: Made) -> None:
        """Keep no longer what is signed."""
        row = self._session.get(EnvironmentMade, (made.environment, made.incarnation, made.generation))
        if row is not None:
            self._session.delete(row)

    def is_newest(self, tenant_id: UUID, made: Made) -> bool:
        """Tell whether nothing newer of the environment was ready since, and it is not gone."""
        environment = find(self._session, tenant_id, made.environment, lock=True)
        newest = (environment.incarnation, environment.observed_generation or made.generation)
        return environment.phase is not Phase.DESTROYED and newest == (made.incarnation, made.generation)


def _stack(session: Session, environment: Environment) -> Stack | None:
    if environment.stack_id is None:
        return None
    return MultiCloudProvisioningService(session).get(environment.tenant_id, environment.stack_id)
