"""How far agents may go, and the switch that stops them at once."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.proposals import queries, rules
from catalog.proposals.errors import AgentStoppedError
from catalog.proposals.events import AgentLimited
from catalog.proposals.models import EVERY_AGENT, AgentLimit, Autonomy, KnownAgent
from catalog.proposals.service.reading import Reading
from catalog.proposals.shapes import AgentRead, AgentsRead, ChangeLimit, RunRead, StopAgent
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


def declare(session: Session, agents: Iterable[KnownAgent]) -> None:
    """Write down which agents this installation has; needs a session of the system role."""
    for each in agents:
        session.merge(each)


class Limits(Reading):
    """What a tenant lets its agents do."""

    def agents(self, tenant_id: UUID) -> AgentsRead:
        """Return every agent as it stands for the tenant."""
        known = queries.agents(self._session)
        limits = queries.limits(self._session, tenant_id, [EVERY_AGENT, *(each.name for each in known)])
        every = limits.get(EVERY_AGENT)
        counts = queries.count_open(self._session, tenant_id)
        return AgentsRead(
            items=[self._agent(tenant_id, each, limits, counts.get(each.name, 0)) for each in known],
            bound=None if every is None else every.autonomy,
            is_stopped=every is not None and every.is_stopped,
            reason="" if every is None else every.reason,
        )

    def agent(self, tenant_id: UUID, name: str) -> AgentRead:
        """Return an agent as it stands for the tenant; raise ``NotFoundError`` where there is none of that name."""
        known = self._known(name)
        limits = queries.limits(self._session, tenant_id, [EVERY_AGENT, name])
        return self._agent(tenant_id, known, limits, queries.count_open(self._session, tenant_id).get(name, 0))

    def runs_of(
        self, tenant_id: UUID, name: str, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[RunRead]:
        """Return the runs of an agent, newest first; raise ``NotFoundError`` where there is none of that name."""
        return self.runs(tenant_id, self._known(name).name, before, limit)

    def limit(self, principal: Principal, name: str, asked: ChangeLimit) -> AgentRead | AgentsRead:
        """Choose how far an agent (all of them together, where ``name`` is empty) may go from now on."""
        row = self._change(principal, name)
        row.autonomy = asked.autonomy
        return self._limited(principal, row, asked.reason, "agent.limit")

    def stop(self, principal: Principal, name: str, asked: StopAgent) -> AgentRead | AgentsRead:
        """Stop an agent (every one where ``name`` is empty); once this is committed, none of them has any effect.

        It waits for an effect that is just being committed. What agents have blocked stays blocked.
        """
        row = self._change(principal, name)
        row.is_stopped = True
        return self._limited(principal, row, asked.reason, "agent.stop")

    def start(self, principal: Principal, name: str, asked: StopAgent) -> AgentRead | AgentsRead:
        """Let an agent (every one where ``name`` is empty) go on, as far as it may."""
        row = self._change(principal, name)
        row.is_stopped = False
        return self._limited(principal, row, asked.reason, "agent.start")

    def hold(self, tenant_id: UUID, name: str, usual: Autonomy) -> Autonomy:
        """Return how far an agent may go until the end of this transaction: nobody stops it in the meantime.

        Each effect of an agent begins with this, in the transaction that writes it. Raises ``AgentStoppedError``.
        """
        queries.hold_agents(self._session, tenant_id, alone=False)
        level = self._level(name, usual, queries.limits(self._session, tenant_id, [EVERY_AGENT, name]))
        if level is Autonomy.OFF:
            raise AgentStoppedError(f"The agent {name} is stopped or switched off.")
        return level

    def _known(self, name: str) -> KnownAgent:
        found = queries.agent(self._session, name)
        if found is None:
            raise NotFoundError(f"There is no agent {name}.")
        return found

    def _level(self, name: str, usual: Autonomy, limits: dict[str, AgentLimit]) -> Autonomy:
        own, every = limits.get(name), limits.get(EVERY_AGENT)
        return rules.autonomy(
            usual,
            None if own is None else own.autonomy,
            None if every is None else every.autonomy,
            is_stopped=any(each is not None and each.is_stopped for each in (own, every)),
        )

    def _agent(self, tenant_id: UUID, known: KnownAgent, limits: dict[str, AgentLimit], count: int) -> AgentRead:
        own = limits.get(known.name)
        last = self.runs(tenant_id, known.name, None, 1)
        return AgentRead(
            name=known.name,
            title=known.title,
            summary=known.summary,
            watches=known.watches,
            actions=known.actions,
            usual=known.usual,
            chosen=None if own is None else own.autonomy,
            autonomy=self._level(known.name, known.usual, limits),
            is_stopped=own is not None and own.is_stopped,
            reason="" if own is None else own.reason,
            changed_by="" if own is None else own.changed_by,
            changed_at=None if own is None else own.changed_at,
            open_proposals=count,
            last_run=last[0] if last else None,
        )

    def _change(self, principal: Principal, name: str) -> AgentLimit:
        principal.require("proposals:admin")
        if name:
            self._known(name)
        queries.hold_agents(self._session, principal.tenant_id, alone=True)
        found = queries.limits(self._session, principal.tenant_id, [name]).get(name)
        return found or AgentLimit(tenant_id=principal.tenant_id, agent=name, changed_by=principal.name)

    def _limited(self, principal: Principal, row: AgentLimit, reason: str, done: str) -> AgentRead | AgentsRead:
        row.reason, row.changed_by, row.changed_at = reason, principal.name, now()
        self._session.add(row)
        self._session.flush()
        level = None if row.autonomy is None else str(row.autonomy)
        data = AgentLimited(agent=row.agent, autonomy=level, is_stopped=row.is_stopped, reason=reason)
        subject = f"agents/{row.agent}" if row.agent else "agents"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)
        detail = {"autonomy": level, "is_stopped": row.is_stopped, "reason": reason}
        TenantService(self._session).audit(row.tenant_id, principal.actor, done, subject, detail)
        return self.agent(row.tenant_id, row.agent) if row.agent else self.agents(row.tenant_id)
