"""The sweep: what is at the target is compared with what should be there, both ways."""

import logging
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
from catalog.providers.targets import Found, target
from catalog.settings import Settings
from workers.engine import EngineError
from workers.engine_resource import ENGINE
from workers.environment_sources import stack_request
from workers.installers.previewing import concealed
from workers.item_by_item import kept_apart
from workers.leases import HeldLease, held
from workers.removal import remove_folder
from workers.runtime.worker import JobContext, Retry, Worker

WORKER = Worker("environment_sweep", queue="clock")

MOST_MADE = 100
"""How many lost environments are asked for again in one pass: where a target has lost all, the work is spread."""
log = logging.getLogger(__name__)


@WORKER.every(timedelta(seconds=60))
@WORKER.job("environments.sweep", time_limit=timedelta(minutes=5))
def sweep(context: JobContext) -> None:
    """Remove what is left of environments that are gone; make those again of which nothing is found.

    What belongs to no environment that is known here is none of the sweep's business: it is told of, and left alone.
    """
    _note_offers(context)
    with kept_apart(log, "no stacks were compared"):
        _sweep_stacks(context)
    seen: list[Found] = []
    compared = set()
    with context.system_session() as session:
        places = EnvironmentSweeps.places(session, context.settings)
    for name in places:
        with kept_apart(log, f"nothing was compared at the target {name}"):
            seen += target(name, context.settings).census()
            compared.add(name)
    if not compared:
        return
    there = {*_owners(context, seen), *_folders(context.settings)}
    with context.system_session() as session:
        standing = EnvironmentSweeps.standing(session, there)
        expected = EnvironmentSweeps.expected(session)
    is_all = compared == set(places)
    _tell_strangers(context, "targets", {str(each) for each in there - standing.keys()}, is_all=is_all)
    for environment_id, (tenant_id, phase) in sorted(standing.items()):
        if phase is Phase.DESTROYED and not context.should_stop():
            with kept_apart(log, f"what is left of {environment_id} was not removed"):
                _clear(context, tenant_id, environment_id)
    lost = (each for each in expected if each.target in compared and each.environment_id not in there)
    _make_some(context, lost, partial(_make, context))


def _note_offers(context: JobContext) -> None:
    """Have environments say whether their target is still offered; what the operator takes away stays where it is."""
    with context.system_session() as session:
        tenants = EphemeralEnvironmentService.watched(session)
    for tenant_id in tenants:
        if context.should_stop():
            return
        what = f"which targets are offered was not noted of tenant {tenant_id}"
        with kept_apart(log, what), context.session(tenant_id) as session:
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
    _tell_strangers(context, "stacks", {f"the stack {each}" for each in known - owners.keys()}, is_all=True)
    for name, (tenant_id, environment_id) in sorted(owners.items()):
        if not context.should_stop():
            with kept_apart(log, f"the stack {name} was not removed"):
                _clear_stack(context, tenant_id, environment_id, name)
    owned = {environment_id for _, environment_id in owners.values()}
    lost = (each for each in expected if each.environment_id not in owned)
    _make_some(context, lost, partial(_make_lost, context, known))


def _make_some(context: JobContext, lost: Iterable[Placed], make: Callable[[UUID, UUID], bool]) -> None:
    made = 0
    for each in lost:
        if made >= MOST_MADE or context.should_stop():
            return
        with kept_apart(log, f"{each.environment_id} was not made again"):
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


def _tell_strangers(context: JobContext, place: str, found: set[str], *, is_all: bool) -> None:
    """Keep what belongs to no environment known here for figures and the doctor, and log each thing once."""
    with kept_apart(log, f"what is of no environment known here was not kept of the {place}"):
        with context.system_session() as session:
            fresh = EnvironmentSweeps.keep_strangers(session, place, found, is_all=is_all)
        for each in fresh:
            log.warning("something is there of %s, which is no environment known here", each)


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
    with context.session(tenant_id) as session:
        found = EnvironmentSweeps(session, context.settings).clear_orphan(tenant_id, environment_id)
        # Under the row's lock as well: a new life would have its files there.
        if EnvironmentSweeps.is_gone(session, tenant_id, environment_id):
            remove_folder(folder)
    if found:
        log.warning("removed what was left of %s: %s", environment_id, ", ".join(found))


def _make(context: JobContext, tenant_id: UUID, environment_id: UUID) -> bool:
    with context.session(tenant_id) as session:
        made = EnvironmentSweeps(session, context.settings).make_missing(tenant_id, environment_id)
    if made:
        log.warning("nothing was found of %s, which is made again", environment_id)
    return made
