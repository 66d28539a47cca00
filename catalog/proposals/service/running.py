"""Runs of agents, written down while they happen."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events.envelope import Envelope
from catalog.proposals import queries, rules
from catalog.proposals.models import AgentRun, Autonomy, RunState
from catalog.proposals.service.limits import Limits
from catalog.proposals.shapes import Fact

KEPT = timedelta(days=90)
"""How long runs are kept that made no proposal."""


class Running(Limits):
    """What an agent writes down of itself."""

    def begin(self, tenant_id: UUID, agent: str, level: Autonomy, envelope: Envelope) -> AgentRun:
        """Return the run that an event started: the same one, where it was interrupted and begins again."""
        found = queries.run_of_event(self._session, tenant_id, agent, envelope.id)
        if found is None:
            found = AgentRun(
                tenant_id=tenant_id,
                agent=agent,
                event_id=envelope.id,
                event=envelope.type,
                about=(envelope.subject or "")[:300],
                autonomy=level,
            )
        elif found.finished_at is None or found.state is not RunState.DONE:
            found.attempts += 1
            found.state, found.error, found.finished_at = RunState.RUNNING, "", None
        self._session.add(found)
        self._session.flush()
        return found

    def run_of(self, tenant_id: UUID, agent: str, event_id: UUID) -> AgentRun | None:
        """Return the run of an agent that an event started, None where it has not begun."""
        return queries.run_of_event(self._session, tenant_id, agent, event_id)

    def note(
        self, tenant_id: UUID, run_id: UUID, place: str, saw: Sequence[Fact], did: Sequence[Fact], *, found: bool
    ) -> None:
        """Write down that a subject was looked at, and what was seen and done."""
        run = self._run(tenant_id, run_id)
        run.looked += 1
        run.found += found
        run.place = place
        run.saw = rules.noted(run.saw, [each.model_dump(mode="json") for each in saw])
        run.did = rules.noted(run.did, [each.model_dump(mode="json") for each in did])
        self._session.add(run)

    def finish(self, tenant_id: UUID, run_id: UUID, state: RunState, error: str = "") -> None:
        """End a run; runs that are older than ``KEPT`` and made no proposal are forgotten."""
        run = self._run(tenant_id, run_id)
        moment = now()
        run.state, run.error, run.finished_at = state, error[:1000], moment
        self._session.add(run)
        old = queries.forgettable_runs(self._session, tenant_id, run.agent, moment - KEPT, 500)
        if old:
            forgotten = delete(AgentRun).where(col(AgentRun.tenant_id) == tenant_id, col(AgentRun.id).in_(old))
            self._session.connection().execute(forgotten)

    def _run(self, tenant_id: UUID, run_id: UUID) -> AgentRun:
        found = queries.run(self._session, tenant_id, run_id)
        if found is None:
            raise NotFoundError(f"There is no run {run_id}.")
        return found
