"""Plans over HTTP: a worker makes them, and they are waited for as long as a caller will."""

from collections.abc import Callable
from time import monotonic
from uuid import UUID

from sqlmodel import Session

from catalog.installs.models import InstallPlan, PlanState
from catalog.installs.service import InstallService, read_plan
from catalog.installs.shapes import PlanRead
from catalog.settings import Settings
from portal.streams import OperationStreams
from portal.threads import Threads

_LOOK_SECONDS = 1.0


class PlanDesk:
    """Asks for plans in the request's session, and waits for them without holding a connection."""

    def __init__(self, session: Session, settings: Settings, threads: Threads, streams: OperationStreams) -> None:
        self._session = session
        self._settings = settings
        self._threads = threads
        self._streams = streams
        self.service = InstallService(session, settings)

    async def settle(self, ask: Callable[[], InstallPlan]) -> PlanRead:
        """Return the plan that ``ask`` asks for, as it stands when it is made or when the time is up.

        What was asked for is committed before the wait, because the worker has to see it.
        """
        plan = read_plan(await self._threads.run(ask))
        # Followed before it is handed over: the plan may be made while this process still looks away.
        with self._streams.following(plan.operation_id) as wait:
            tenant_id = await self._threads.run(self._hand_over, plan.id)
            deadline = monotonic() + self._settings.upload_wait_seconds
            while plan.state is PlanState.PLANNING and (left := deadline - monotonic()) > 0:
                if not await wait(min(left, _LOOK_SECONDS)):
                    break
                plan = await self._threads.run(self._look, tenant_id, plan.id)
        return plan

    def _hand_over(self, plan_id: UUID) -> UUID:
        plan = self._session.get(InstallPlan, plan_id)
        if plan is None:
            raise LookupError(plan_id)
        tenant_id = plan.tenant_id
        self._session.commit()
        self._session.expunge_all()
        return tenant_id

    def _look(self, tenant_id: UUID, plan_id: UUID) -> PlanRead:
        found = self.service.plan(tenant_id, plan_id)
        # Waiting must not hold a connection.
        self._session.rollback()
        self._session.expunge_all()
        return found
