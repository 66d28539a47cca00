"""What is signed and verified in the background: publications, environments, logs, and history after revocations."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import rfc8785
from sqlmodel import Session

from catalog.assets.events import AssetVersionPublished
from catalog.assets.service import AssetService
from catalog.attestations.errors import AttestationBytesError
from catalog.attestations.events import AttestationInvalidated, PublisherIdentityRemoved, SigningKeyRevoked
from catalog.attestations.service import SupplyChainAttestationService
from catalog.clock import now
from catalog.environments.events import EnvironmentDestroyed, EnvironmentReady
from catalog.environments.made import Made
from catalog.environments.models import Phase
from catalog.environments.service import EnvironmentStatements, EphemeralEnvironmentService
from catalog.errors import NotFoundError
from catalog.events.registry import EventData
from catalog.gates import DecisionDesk
from catalog.policies.events import PolicyEvaluated
from catalog.releases.events import ReleaseCreated
from catalog.stacks.graph import ResourceGraph, read_graph
from catalog.tenancy import Principal, system_principal
from catalog.tenants.service import TenantService
from workers.asset_life import STATES
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("attestation", queue="attestations", concurrency=2)

SWEEP = timedelta(minutes=10)
AT_ONCE = 200
"""How many tenants one sweep looks at; each comes up again an hour after it was."""

_STATES: dict[type[EventData], str] = {AssetVersionPublished: "published", **STATES}


@WORKER.on(AssetVersionPublished)
@WORKER.job("attestations.sign_published", time_limit=timedelta(seconds=60), max_attempts=8, patient=True)
def sign_published(context: JobContext) -> None:
    """Say, signed with the publisher's key, that the registry took a version in; bind to it what came before it."""
    published = context.event(AssetVersionPublished)
    with context.session() as session:
        principal = _principal(session, context)
        version = AssetService(session).version_by_id(principal.tenant_id, published.version_id)
        service = _service(session, context)
        service.bind(principal.tenant_id, version.id)
        service.sign_published(principal, version.model_dump())
        context.complete(session)


@WORKER.on(*_STATES)
@WORKER.job("attestations.countersign", time_limit=timedelta(seconds=60), max_attempts=8, patient=True)
def countersign(context: JobContext) -> None:
    """Write what happened to a version into its asset's log."""
    envelope = context.envelope
    if envelope is None:
        return
    happened: Any = envelope.event()
    with context.session() as session:
        version = AssetService(session).version_by_id(envelope.tenantid, happened.version_id)
        _service(session, context).countersign(version, _STATES[type(happened)], envelope.id, envelope.time)
        context.complete(session)


@WORKER.on(EnvironmentReady)
@WORKER.job("attestations.sign_environment", time_limit=timedelta(seconds=60), max_attempts=8)
def sign_environment(context: JobContext) -> None:
    """Say from what an environment came up: blueprint, lock, inputs, commit, and what was made.

    That was written down when it was ready: it may sleep, have moved on, or be gone by now.
    """
    ready = context.event(EnvironmentReady)
    with context.session() as session:
        principal = _principal(session, context)
        statements = EnvironmentStatements(session)
        which = (ready.environment_id, ready.incarnation, ready.generation)
        made = statements.made(principal.tenant_id, *which)
        if made is not None:
            relies = statements.is_newest(principal.tenant_id, made)
            content = _environment_content(made, ready.url)
            _service(session, context).sign_environment(principal, made.environment, content, relies=relies)
            statements.signed(made)
        context.complete(session)


@WORKER.on(EnvironmentDestroyed)
@WORKER.job("attestations.forget_environment", time_limit=timedelta(seconds=60))
def forget_environment(context: JobContext) -> None:
    """Remember no longer what an environment relied on; what was signed about it stays."""
    destroyed = context.event(EnvironmentDestroyed)
    with context.session() as session:
        principal = _principal(session, context)
        environments = EphemeralEnvironmentService(session, context.settings)
        if environments.get(principal.tenant_id, destroyed.environment_id).phase is Phase.DESTROYED:
            _service(session, context).forget(principal.tenant_id, "environment", destroyed.environment_id)


@WORKER.on(ReleaseCreated)
@WORKER.job("attestations.sign_release", time_limit=timedelta(seconds=60), max_attempts=8)
def sign_release(context: JobContext) -> None:
    """Say which artifacts a release consists of, and remember that it relies on what is proven about them."""
    created = context.event(ReleaseCreated)
    label = f"{created.service} {created.version}"
    digests = [each.removeprefix("sha256:") for each in created.digests]
    with context.session() as session:
        principal = _principal(session, context)
        _service(session, context).sign_release(principal, created.release_id, label, created.commit, digests)
        context.complete(session)


@WORKER.on(PolicyEvaluated)
@WORKER.job("attestations.sign_decision", time_limit=timedelta(seconds=60), max_attempts=8, patient=True)
def sign_decision(context: JobContext) -> None:
    """Say what policies decided at a gate; what somebody only asked is nothing to vouch for."""
    evaluated = context.event(PolicyEvaluated)
    if evaluated.point is None:
        return
    with context.session() as session:
        principal = _principal(session, context)
        DecisionDesk(session, context.settings).sign(principal, evaluated.evaluation_id)
        context.complete(session)


@WORKER.on(SigningKeyRevoked)
@WORKER.job("attestations.verify_history", time_limit=timedelta(minutes=20), max_attempts=8)
def verify_history(context: JobContext) -> None:
    """Settle everything that a revoked key signed, some at a time; then tell what relied on it."""
    revoked = context.event(SigningKeyRevoked)
    after: UUID | None = None
    unread = 0
    while True:
        if context.should_stop():
            raise Interrupted
        with context.session() as session:
            principal = _principal(session, context)
            step = _service(session, context).verify_history(principal, revoked.signing_key_id, after)
        after, unread = step.after, unread + step.unread
        if after is None:
            break
    if unread:
        # All others are settled by now; the next try finds only what is left.
        raise AttestationBytesError(f"The bytes of {unread} statements cannot be read at the moment.")
    with context.session() as session:
        principal = _principal(session, context)
        _service(session, context).conclude_history(principal, revoked.signing_key_id)
        context.complete(session)


@WORKER.on(PublisherIdentityRemoved)
@WORKER.job("attestations.tell_of_identity", time_limit=timedelta(minutes=20), max_attempts=8)
def tell_of_identity(context: JobContext) -> None:
    """Tell of everything that was taken back with an identity that is no longer trusted, some at a time."""
    removed = context.event(PublisherIdentityRemoved)
    after: UUID | None = None
    while removed.is_revoked:
        if context.should_stop():
            raise Interrupted
        with context.session() as session:
            principal = _principal(session, context)
            after = _service(session, context).tell_of_identity(principal, removed.issuer, removed.subject, after)
        if after is None:
            break


@WORKER.on(AttestationInvalidated)
@WORKER.job("attestations.tell_reliant", time_limit=timedelta(minutes=10), max_attempts=8)
def tell_reliant(context: JobContext) -> None:
    """Tell each other tenant that relied on a publisher's statement, in that tenant's own feed, that it is none."""
    envelope = context.envelope
    if envelope is None:
        return
    lost = context.event(AttestationInvalidated).attestation_id
    with context.session() as session:
        digests = _service(session, context).travelling_digests(envelope.tenantid, lost)
    if not digests:
        return
    with context.system_session() as session:
        tenants = SupplyChainAttestationService.tenants_relying(session, envelope.tenantid, digests)
    for tenant_id in tenants:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            _service(session, context).tell_reliant(tenant_id, lost, envelope.id)


def _service(session: Session, context: JobContext) -> SupplyChainAttestationService:
    return SupplyChainAttestationService(session, context.settings)


def _principal(session: Session, context: JobContext) -> Principal:
    if context.tenant_id is None:
        raise NotFoundError(f"{context.job} needs a tenant.")
    tenant = TenantService(session).get(context.tenant_id)
    return system_principal(tenant.id, tenant.name)


def _environment_content(made: Made, url: str) -> dict[str, Any]:
    resources = sorted([each["type"], each["name"]] for each in made.resources)
    graph = read_graph(made.graph)
    return {
        "environment": str(made.environment),
        "name": made.name,
        "generation": made.generation,
        "incarnation": made.incarnation,
        "blueprint": next(each for each in made.lock if each["asset"] == made.blueprint),
        "lock": made.lock,
        "inputs": _digest(made.inputs),
        "source": {"repository": made.repository, "commit": made.commit, "pullRequest": made.pull_request},
        "sources": [{"name": name, **each} for name, each in sorted(made.sources.items())],
        "target": made.target,
        "withheld": made.withheld,
        "plan": _digest(resources) if graph is None else _plan_digest(graph),
        "url": url,
        **({"readyAt": made.ready_at.isoformat()} if made.ready_at is not None else {}),
    }


def _plan_digest(graph: ResourceGraph) -> str:
    """Return the digest of what the engine did, as it is kept: without secrets, and without when that was."""
    plan = graph.as_plan()
    del plan["at"]
    try:
        return _digest(plan)
    except rfc8785.CanonicalizationError:  # numbers of a provider that canonical JSON has no form for
        return _digest(json.dumps(plan, sort_keys=True, separators=(",", ":")))


def _digest(value: Any) -> str:
    return f"sha256:{sha256(rfc8785.dumps(value)).hexdigest()}"


@WORKER.every(SWEEP)
@WORKER.job("attestations.sweep_ages", time_limit=timedelta(minutes=2))
def sweep_ages(context: JobContext) -> None:
    """Tell which evidence has become too old for the trust policy of its tenant, so that it is judged again."""
    with context.system_session() as session:
        due = SupplyChainAttestationService.due_for_sweep(session, now(), AT_ONCE)
    for tenant_id in due:
        if context.should_stop():
            return
        with context.session(tenant_id) as session:
            _service(session, context).sweep_ages(tenant_id)
