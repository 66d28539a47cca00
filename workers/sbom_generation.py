"""SbomGenerationWorker: makes bills of materials, attaches them, and keeps the index of packages true to evidence."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.assets.events import AssetVersionPublished
from catalog.attestations.events import AttestationInvalidated, AttestationVerified
from catalog.attestations.sbom_events import SbomMade, SbomRequested
from catalog.attestations.sboms.models import MakingState
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.service.sbom_making import Result
from catalog.environments.events import EnvironmentDestroyed
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import NotFoundError
from catalog.providers.registries import RegistryError
from catalog.tenancy import Principal, system_principal
from catalog.tenants.service import TenantService
from workers.runtime.resources import Resource, Runtime
from workers.runtime.worker import Interrupted, JobContext, Retry, Worker
from workers.sandbox import Outcome, SandboxError, Stopped, Task
from workers.sandbox.run import Sandbox
from workers.sbom_generators import GenerationError, Material, generator_for
from workers.sbom_materials import MaterialService, Remote

WORKER = Worker("sbom_generation", queue="sboms", concurrency=1)


def _sandbox(_: Runtime) -> Sandbox:
    return Sandbox(spares=True)


SANDBOX: Resource[Sandbox] = Resource("sbom_sandbox", _sandbox)


@WORKER.on(AssetVersionPublished, AttestationVerified, SbomRequested)
@WORKER.job("attestations.generate_sbom", time_limit=timedelta(minutes=8), max_attempts=4, patient=True)
def generate_sbom(context: JobContext) -> None:
    """Describe every artifact of a thing in both formats; what is described already is left, unless it is asked for.

    What could not be described is written down with the reason, so that nobody takes silence for an empty list.
    """
    with context.session() as session:
        principal = _principal(session, context)
        thing, is_asked_for = _thing(session, context)
        if thing is None:
            return
        jobs = list(MaterialService(session, context.settings).jobs(principal.tenant_id, thing))
        service = _service(session, context)
        due = [each for each in jobs if is_asked_for or not service.has_made(principal.tenant_id, each.wanted)]
    for job in due:
        result = _result(context, job.material)
        with context.session() as session:
            service = _service(session, context)
            if isinstance(job.material, Remote):
                problem = result.detail if result.state is MakingState.UNSUPPORTED else ""
                service.note_registry(principal.tenant_id, job.material.registry_id, problem)
            service.keep_making(_principal(session, context), job.wanted, result)
            if thing.startswith("environments/"):  # of which there is one at a time
                service.forget_sboms(principal.tenant_id, thing, keep=job.wanted.digest)
            if job is due[-1]:
                context.complete(session)


@WORKER.on(SbomMade)
@WORKER.job("attestations.attach", time_limit=timedelta(minutes=2), max_attempts=8, patient=True)
def attach(context: JobContext) -> None:
    """Sign what was made, byte for byte, and attach it to the version, release or image that it is about."""
    made = context.event(SbomMade)
    with context.session() as session:
        service = _service(session, context)
        service.attach_sboms(_principal(session, context), made.making_id, made.documents)
        context.complete(session)
    with context.session() as session:
        _service(session, context).forget_documents(made.documents)


@WORKER.on(AttestationVerified)
@WORKER.job("attestations.index_sbom", time_limit=timedelta(minutes=5), max_attempts=8, patient=True)
def index_sbom(context: JobContext) -> None:
    """Read the packages of a bill of materials into the index, whoever sent it."""
    verified = context.event(AttestationVerified)
    if verified.evidence != "sbom":
        return
    with context.session() as session:
        tenant_id = _principal(session, context).tenant_id
        try:
            _service(session, context).index_sbom(tenant_id, verified.attestation_id, context.should_stop)
        except InterruptedError:
            raise Interrupted("the reading of a bill of materials was stopped") from None
        context.complete(session)


@WORKER.on(AttestationVerified)
@WORKER.job("attestations.refer_sbom", time_limit=timedelta(minutes=10), max_attempts=5, patient=True)
def refer_sbom(context: JobContext) -> None:
    """Attach a signed bill of materials to the images that it is about, in registries that take it from the tenant.

    It is done before it is told: after a crash in between it is done again, which changes nothing there.
    """
    verified = context.event(AttestationVerified)
    if verified.evidence != "sbom" or context.tenant_id is None:
        return
    with context.session() as session:
        wanted = list(MaterialService(session, context.settings).referrals(context.tenant_id, verified.attestation_id))
    refused = ""
    for each in wanted:
        problem, referrer = "", ""
        try:
            referrer = each.refer()
        except RegistryError as error:
            problem = refused = str(error)
        with context.session() as session:
            service = _service(session, context)
            service.note_registry(context.tenant_id, each.registry_id, problem)
            if referrer:
                service.note_referrer(_principal(session, context), each.told(referrer))
    if refused:
        raise Retry(timedelta(minutes=5), refused)


@WORKER.every(timedelta(hours=12))
@WORKER.job("attestations.index_older_sboms", time_limit=timedelta(minutes=30))
def index_older_sboms(context: JobContext) -> None:
    """Read bills of materials into the index that are in none, because they are older than it."""
    with context.system_session() as session:
        tenants = TenantService.ids(session)
    for tenant_id in tenants:
        after: UUID | None = None
        while True:
            with context.session(tenant_id) as session:
                found = _service(session, context).not_indexed(tenant_id, after)
            for attestation_id in found:
                if context.should_stop():
                    return
                with context.session(tenant_id) as session, suppress(InterruptedError):
                    _service(session, context).index_sbom(tenant_id, attestation_id, context.should_stop)
            if not found:
                break
            after = found[-1]


@WORKER.on(AttestationInvalidated)
@WORKER.job("attestations.drop_sbom", time_limit=timedelta(minutes=2), max_attempts=8)
def drop_sbom(context: JobContext) -> None:
    """Take the packages of what is no longer evidence out of the index."""
    invalidated = context.event(AttestationInvalidated)
    if invalidated.evidence != "sbom":
        return
    with context.session() as session:
        tenant_id = _principal(session, context).tenant_id
        _service(session, context).drop_sbom(tenant_id, invalidated.attestation_id)
        context.complete(session)


@WORKER.on(EnvironmentDestroyed)
@WORKER.job("attestations.forget_sboms", time_limit=timedelta(minutes=2), max_attempts=8)
def forget_sboms(context: JobContext) -> None:
    """Take what an environment was made of out of the index, once it is gone; what was signed about it stays."""
    destroyed = context.event(EnvironmentDestroyed)
    with context.session() as session:
        tenant_id = _principal(session, context).tenant_id
        environments = EphemeralEnvironmentService(session, context.settings)
        if environments.get(tenant_id, destroyed.environment_id).phase is Phase.DESTROYED:
            _service(session, context).forget_sboms(tenant_id, f"environments/{destroyed.environment_id}")
        context.complete(session)


def _thing(session: Session, context: JobContext) -> tuple[str | None, bool]:
    """Return what is to be described, and whether somebody asked for it.

    Releases and environments are described once Slipway has attested what they are.
    """
    kind = "" if context.envelope is None else context.envelope.type
    if kind == SbomRequested.event_type():
        return context.event(SbomRequested).thing, True
    if kind == AttestationVerified.event_type():
        attested = context.event(AttestationVerified)
        if attested.evidence not in {"release", "environment"} or context.tenant_id is None:
            return None, False
        return _service(session, context).thing_attested(context.tenant_id, attested.subjects), False
    return f"asset-versions/{context.event(AssetVersionPublished).version_id}", False


def _result(context: JobContext, material: Material | Remote | Result) -> Result:
    """Fetch what lies elsewhere and make the documents; neither happens inside a transaction."""
    if isinstance(material, Result):
        return material
    if isinstance(material, Material):
        return _make(context, material)
    try:
        return _make(context, material.made(material.fetch()))
    except RegistryError as error:
        return Result(MakingState.UNSUPPORTED, f"It could not be fetched: {error}")


def _make(context: JobContext, material: Material) -> Result:
    generator, missing = generator_for(material.kind, context.settings)
    if generator is None:
        return Result(MakingState.NOT_POSSIBLE, missing)

    def run(task: Task) -> Outcome:
        outcome = context.resource(SANDBOX).run(task, context.should_stop)
        if outcome.stopped is Stopped.CANCELLED:
            raise Interrupted("the making of a bill of materials was stopped")
        return outcome

    try:
        made = generator.generate(material, context.settings, run)
    except SandboxError as error:
        return Result(MakingState.NOT_POSSIBLE, f"Content is not looked into here: {error}.")
    except GenerationError as error:
        return Result(MakingState.FAILED, str(error), generator.name)
    detail = " ".join(f"Not read: {each}." for each in made.problems)
    return Result(MakingState.MADE, detail, made.generator, made.documents)


def _service(session: Session, context: JobContext) -> SupplyChainAttestationService:
    return SupplyChainAttestationService(session, context.settings)


def _principal(session: Session, context: JobContext) -> Principal:
    if context.tenant_id is None:
        raise NotFoundError(f"{context.job} needs a tenant.")
    tenant = TenantService(session).get(context.tenant_id)
    return system_principal(tenant.id, tenant.name)
