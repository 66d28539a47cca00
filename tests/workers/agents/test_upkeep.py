"""What agents need by the clock: the portal knows them, and proposals end when their time is up."""

from datetime import timedelta
from typing import Any

from catalog.clock import now
from catalog.db import Database
from catalog.proposals.models import Autonomy, Proposal, ProposalState
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import Fact, Finding
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers.agent_upkeep import WORKER
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry


def test_agents_become_known_and_what_nobody_carried_out_expires(
    database: Database, settings: Settings, acme: Principal, proposals: Any
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        service = ProposalService(session)
        for subject in ("things/1", "things/2"):
            finding = Finding(
                kind="untidy", label=subject, title=subject, summary="Dust.", evidence=[Fact(title="It lies about")]
            )
            service.settle(acme.tenant_id, "tidy", subject, finding, level=Autonomy.PROPOSE)
    first, _ = proposals()
    with database.tenant_session(acme.tenant_id) as session:
        row = session.get_one(Proposal, first.id)
        row.expires_at = now() - timedelta(seconds=1)
        session.add(row)
    app = App(settings, registry([WORKER]))
    ran = drain(app, periodic=True, patience=timedelta(seconds=0.3))
    app.close()
    assert sorted(ran) == ["proposals.declare_agents", "proposals.expire_due"]
    assert [each.state for each in proposals()] == [ProposalState.EXPIRED, ProposalState.PROPOSED]
    with database.tenant_session(acme.tenant_id) as session:
        known = ProposalService(session).agents(acme.tenant_id).items
        (compliance,) = [each for each in known if each.name == "supply_chain_compliance"]
        assert (compliance.autonomy, compliance.actions) == (Autonomy.ACT, ["block"])
        assert "trust_policy.changed" in compliance.watches
