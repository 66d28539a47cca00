"""Looks whether publishers are who they say: at their domains and repositories, when asked and daily."""

from datetime import timedelta
from uuid import UUID

from catalog.assets.events import AssetVersionPublished
from catalog.clock import now
from catalog.publishers.events import PublisherProofRequested
from catalog.publishers.service import PublisherProofService
from catalog.publishers.service.proofs import look
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("publisher_proofs", concurrency=2)

DUE_AT_ONCE = 50


@WORKER.on(PublisherProofRequested)
@WORKER.job("publishers.look", time_limit=timedelta(seconds=90))
def look_at(context: JobContext) -> None:
    """Look for the challenge that was asked about."""
    if context.tenant_id is not None:
        _look(context, context.tenant_id, context.event(PublisherProofRequested).proof_id)


@WORKER.every(timedelta(minutes=1))
@WORKER.job("publishers.look_again", time_limit=timedelta(minutes=10))
def look_again(context: JobContext) -> None:
    """Look again where it is time: a proof that is gone for a week lapses."""
    with context.system_session() as session:
        due = PublisherProofService.due(session, now(), DUE_AT_ONCE)
    for tenant_id, proof_id in due:
        if context.should_stop():
            raise Interrupted
        _look(context, tenant_id, proof_id)


@WORKER.on(AssetVersionPublished)
@WORKER.job("publishers.mark_assets", time_limit=timedelta(seconds=30), patient=True)
def mark_assets(context: JobContext) -> None:
    """Let a new asset say as whom its publisher is verified."""
    if context.tenant_id is not None:
        with context.session() as session:
            PublisherProofService(session).mark(context.tenant_id)


def _look(context: JobContext, tenant_id: UUID, proof_id: UUID) -> None:
    with context.session(tenant_id) as session:
        proof = PublisherProofService(session).get(tenant_id, proof_id)
    if proof is None:
        return
    problem = look(proof, context.settings)
    with context.session(tenant_id) as session:
        PublisherProofService(session).record(tenant_id, proof_id, problem)
