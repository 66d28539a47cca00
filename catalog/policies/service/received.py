"""Decisions that agents made elsewhere: received, kept once each, and listed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.clock import now
from catalog.policies import queries
from catalog.policies.decision_log import KEPT_APART, as_decision, as_received, clean, moment_of, pages
from catalog.policies.masking import mask
from catalog.policies.models import ReceivedDecision
from catalog.policies.service.history import History
from catalog.policies.shapes import DecisionRead, LogPage
from catalog.tenancy import Principal

Place = tuple[datetime, UUID]
"""Where a decision stands in a log: its time, and its id among those of the same time."""


class Received(History):
    """What agents of the tenant decided."""

    def receive_decisions(
        self, principal: Principal, events: Sequence[dict[str, Any]], masks: Sequence[str] = ()
    ) -> int:
        """Keep decisions that agents sent, secrets masked; return how many are new. An agent may send one twice."""
        principal.require("policies:write")
        at = now()
        named = {str(each.get("decision_id") or "")[:200]: each for each in events}
        named.pop("", None)
        known = queries.known_decisions(self._session, principal.tenant_id, list(named))
        fresh = [(identifier, event) for identifier, event in named.items() if identifier not in known]
        for identifier, event in fresh:
            masked = clean(mask(event, masks=[f"/input{each}" for each in masks]))
            self._session.add(
                ReceivedDecision(
                    tenant_id=principal.tenant_id,
                    decision_id=identifier,
                    path=str(masked.get("path") or "")[:1000],
                    labels=_mapping(masked.get("labels")),
                    bundles=_mapping(masked.get("bundles")),
                    result=masked.get("result"),
                    event={name: value for name, value in masked.items() if name not in KEPT_APART},
                    decided_at=moment_of(event, at),
                )
            )
        self._session.flush()
        return len(fresh)

    def decision_log(
        self, tenant_id: UUID, wanted: LogPage, *, of_agents: bool
    ) -> tuple[bytes, tuple[Any, ...] | None]:
        """Return a page of what was decided, one event of OPA's format a line, and where the next page begins.

        ``of_agents`` gives what OPA agents sent instead of what Slipway decided itself. A page holds ``wanted.limit``
        lines or about 16 MiB, whichever comes first.
        """
        more = wanted.model_copy(update={"limit": wanted.limit + 1})
        places: list[tuple[Place, dict[str, Any]]]
        if of_agents:
            received = queries.logged_by_agents(self._session, tenant_id, more)
            places = [((each.decided_at, each.id), as_received(each)) for each in received]
        else:
            decided = queries.logged(self._session, tenant_id, more)
            places = [((each.created_at, each.id), as_decision(each)) for each in decided]
        lines = list(pages(places[: wanted.limit]))
        following = lines[-1][0] if lines and len(lines) < len(places) else None
        return b"".join(line for _, line in lines), following

    def decisions(
        self, tenant_id: UUID, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> Sequence[DecisionRead]:
        """Return what agents decided, newest first."""
        return [
            DecisionRead.model_validate(each) for each in queries.decisions(self._session, tenant_id, before, limit)
        ]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
