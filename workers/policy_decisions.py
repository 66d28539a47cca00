"""PolicyDecisionWorker: assesses the impact of bundles, sends decision logs, forgets what is old."""

import gzip
import json
from datetime import timedelta
from uuid import UUID

import httpx

from catalog.clock import now
from catalog.gates import ImpactDesk, PolicyDesk
from catalog.policies.decision_log import as_decision
from catalog.policies.events import PolicyEvaluated, PolicyImpactRequested
from catalog.policies.service import PolicyAsCodeService
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("policy_decisions", queue="policies", concurrency=2)

AT_ONCE = 20
SEND_TIMEOUT = 10.0


def _tenant(context: JobContext) -> UUID:
    if context.tenant_id is None:
        raise ValueError(f"{context.job} needs a tenant")
    return context.tenant_id


def _give_up(context: JobContext, reason: str) -> None:
    asked = context.event(PolicyImpactRequested)
    with context.session() as session:
        ImpactDesk(session, context.settings).abandon(_tenant(context), asked.impact_id, reason)


@WORKER.on(PolicyImpactRequested)
@WORKER.job("policies.assess_impact", time_limit=timedelta(minutes=10), max_attempts=3, when_dead=_give_up)
def assess_impact(context: JobContext) -> None:
    """Ask a bundle about what happened before, a few subjects at a time, and write the report."""
    asked, tenant_id = context.event(PolicyImpactRequested), _tenant(context)
    with context.session() as session:
        cases = ImpactDesk(session, context.settings).begin(tenant_id, asked.impact_id)
    found = []
    for start in range(0, len(cases), AT_ONCE):
        if context.should_stop():
            raise Interrupted("The assessment begins anew where it is taken up.")
        with context.session() as session:
            desk = ImpactDesk(session, context.settings)
            found += desk.look(tenant_id, asked.impact_id, cases[start : start + AT_ONCE])
            desk.progress(tenant_id, asked.impact_id, min(start + AT_ONCE, len(cases)), len(cases))
    with context.session() as session:
        ImpactDesk(session, context.settings).finish(tenant_id, asked.impact_id, found)
        context.complete(session)


@WORKER.on(PolicyEvaluated)
@WORKER.job("policies.send_decision", time_limit=timedelta(seconds=30), max_attempts=8, patient=True)
def send_decision(context: JobContext) -> None:
    """Send a decision in the format of OPA's decision logs, where the settings name somebody to send it to."""
    url = context.settings.decision_log_url
    if not url:
        return
    evaluated, tenant_id = context.event(PolicyEvaluated), _tenant(context)
    with context.session() as session:
        evaluation = PolicyDesk(session, context.settings).policies.evaluation(tenant_id, evaluated.evaluation_id)
        decisions = [as_decision(evaluation)]
    body = gzip.compress(json.dumps(decisions).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    httpx.post(url, content=body, headers=headers, timeout=SEND_TIMEOUT).raise_for_status()


@WORKER.every(timedelta(hours=1))
@WORKER.job("policies.forget_old", time_limit=timedelta(minutes=5))
def forget_old(context: JobContext) -> None:
    """Remove evaluations that are older than the settings say."""
    before = now() - timedelta(days=context.settings.policy_retention_days)
    with context.system_session() as session:
        tenants = PolicyAsCodeService.tenants_with_old(session, before)
    for tenant_id in tenants:
        with context.session(tenant_id) as session:
            PolicyDesk(session, context.settings).policies.forget_before(tenant_id, before)
