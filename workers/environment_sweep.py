"""The sweep: what is at the target is compared with what should be there, both ways."""

import logging
import shutil
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from functools import partial
from uuid import UUID

from catalog.environments.models import Phase
from catalog.environments.service import (
    PROJECT,
    EnvironmentReports,
    EnvironmentSweeps,
    EphemeralEnvironmentService,
    Placed,
    environment_at,
)
from catalog.errors import UnavailableError
from catalog.providers.targets import Found, offered, target
from catalog.settings import Settings
from workers.engine import EngineError
from workers.engine_resource import ENGINE
from workers.environment_sources import stack_request
from workers.installers.previewing import concealed
from workers.leases import HeldLease, held
from workers.runtime.worker import JobContext, Retry, Worker

WORKER = Worker("environment_sweep", queue="clock")

MOST_MADE = 100
"""How many lost environments are asked for again in one pass: where a target has lost all, the work is spread."""
_STRANGERS: set[str] = set()
log = logging.getLogger(__name__)


@WORKER.every(timedelta(seconds=60))
@WORKER.job("environments.sweep", time_limit=timedelta(minutes=5))
def sweep(context: JobContext) -> None:
    """Remove what is left of environments that are gone; make those again of which nothing is found.

    What belongs to no environment that is known here is none of the sweep's business, and is told to the log alone.
    """
    _note_offers(context)
    _sweep_stacks(context)
    seen: list[Found] = []
    compared = set()
    for name in offered(context.settings):
        try:
            seen += target(name, context.settings).census()
        except UnavailableError as error:
            log.warning("nothing was compared at the target %s: %s", name, error.detail)
        else:
            compared.add(name)
    if not compared:
        return
    there = {*_owners(context, seen), *_folders(context.settings)}
    with context.system_session() as session:
        standing = EnvironmentSweeps.standing(session, there)
        expected = EnvironmentSweeps.expected(session)
    _tell_strangers({str(each) for each in there - standing.keys()})
    for environment_id, (tenant_id, phase) in sorted(standing.items()):
        if phase is Phase.DESTROYED and not context.should_stop():
            _clear(context, tenant_id, environment_id)
    lost = (each for each in expected if each.target in compared and each.environment_id not in there)
    _make_some(context, lost, partial(_make, context))


def _note_offers(context: JobContext) -> None:
    """Have environments say whether their target is still offered; what the operator takes away stays where it is."""
    with context.system_session() as session:
        tenants = EphemeralEnvironmentService.watched(session)
    for tenant_id in tenants:
        if not context.should_stop():
            with context.session(tenant_id) as session:
                EnvironmentSweeps(session, context.settings).note_offers(tenant_id)


def _sweep_stacks(context: JobContext) -> None:
    """Compare the stacks that the engine knows with those that environments have, both ways."""
    try:
        known = {each.stack for each in context.resource(ENGINE).stacks(PROJECT)}
    except EngineError as error:
        log.warning("no stacks were compared: %s", error.message)
        return
    with context.system_session() as session:
        owners = EnvironmentSweeps.owners(session, known)
        expected = EnvironmentSweeps.expected(session)
    _tell_strangers({f"the stack {each}" for each in known - owners.keys()})
    for name, (tenant_id, environment_id) in sorted(owners.items()):
        if not context.should_stop():
            _clear_stack(context, tenant_id, environment_id, name)
    owned = {environment_id for _, environment_id in owners.values()}
    lost = (each for each in expected if each.environment_id not in owned)
    _make_some(context, lost, partial(_make_lost, context, known))


def _make_some(context: JobContext, lost: Iterable[Placed], make: Callable[[UUID, UUID], bool]) -> None:
    made = 0
    for each in lost:
        if made >= MOST_MADE or context.should_stop():
            return
        made += make(each.tenant_id, each.environment_id)


def _make_lost(context: JobContext, known: Collection[str], tenant_id: UUID, environment_id: UUID) -> bool:
    with context.session(tenant_id) as session:
        made = EnvironmentSweeps(session, context.settings).make_lost(tenant_id, environment_id, known)
    if made:
        log.warning("the stack of %s is not known any more; it is made again", environment_id)
    return made


def _clear_stack(context: JobContext, tenant_id: UUID, environment_id: UUID, name: str) -> None:
    """Remove a stack that outlived its environment, under its lease."""
    with context.session(tenant_id) as session:
        stack = EnvironmentSweeps(session, context.settings).leftover(tenant_id, environment_id, name)
    if stack is None:
        return
    problem, hidden = "", frozenset[str]()
    try:
        with held(context, tenant_id, stack.id) as hand:
            with context.session(tenant_id) as session:
                hidden = EnvironmentReports(session, context.settings).hidden(tenant_id, environment_id)
            request = stack_request(context.settings, stack)
            context.resource(ENGINE).recover(request)
            stop = partial(_stops, context, hand)
            context.resource(ENGINE).destroy(request, should_stop=stop)
    except Retry:
        return  # somebody works on it
    except EngineError as error:
        problem = concealed(error.message, hidden)
    with context.session(tenant_id) as session:
        sweeps = EnvironmentSweeps(session, context.settings)
        if sweeps.stack_removed(tenant_id, environment_id, name, problem):
            log.warning("the stack %s outlived its environment, %s", name, problem or "and was removed")


def _stops(context: JobContext, hand: HeldLease) -> bool:
    return context.should_stop() or hand.lost.is_set()


def _tell_strangers(found: set[str]) -> None:
    """Log what belongs to no environment known here, each thing once as long as this process lives."""
    for each in sorted(found - _STRANGERS):
        log.warning("something is there of %s, which is no environment known here", each)
    _STRANGERS.update(found)


def _owners(context: JobContext, seen: Iterable[Found]) -> set[UUID]:
    owners = {each.environment_id for each in seen if each.environment_id is not None}
    hosts = sorted({each.hostname for each in seen if each.hostname})
    with context.database.tenant_session(None) as session:
        named = [environment_at(session, host) for host in hosts]
    return owners | {found[1] for found in named if found is not None}


def _folders(settings: Settings) -> set[UUID]:
    found = set()
    folder = settings.data_dir / "environments"
    for each in folder.iterdir() if folder.is_dir() else ():
        try:
            found.add(UUID(each.name))
        except ValueError:
            continue
    return found


def _clear(context: JobContext, tenant_id: UUID, environment_id: UUID) -> None:
    folder = context.settings.data_dir / "environments" / str(environment_id)
    try:
        with context.session(tenant_id) as session:
            found = EnvironmentSweeps(session, context.settings).clear_orphan(tenant_id, environment_id)
            # Under the row's lock as well: a new life would have its files there.
            if EnvironmentSweeps.is_gone(session, tenant_id, environment_id):
                shutil.rmtree(folder, ignore_errors=True)
    except UnavailableError as error:
        log.warning("what is left of %s was not removed: %s", environment_id, error.detail)
        return
    if found:
        log.warning("removed what was left of %s: %s", environment_id, ", ".join(found))


def _make(context: JobContext, tenant_id: UUID, environment_id: UUID) -> bool:
    try:
        with context.session(tenant_id) as session:
            made = EnvironmentSweeps(session, context.settings).make_missing(tenant_id, environment_id)
    except UnavailableError:
        return False
    if made:
        log.warning("nothing was found of %s, which is made again", environment_id)
    return made
