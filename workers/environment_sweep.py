"""The sweep: what is at the target is compared with what should be there, both ways."""

import logging
import shutil
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from catalog.environments.models import Phase
from catalog.environments.service import EnvironmentSweeps, environment_at
from catalog.errors import UnavailableError
from catalog.providers.targets import Found, offered, target
from catalog.settings import Settings
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("environment_sweep", queue="clock")

log = logging.getLogger(__name__)


@WORKER.every(timedelta(seconds=60))
@WORKER.job("environments.sweep", time_limit=timedelta(minutes=5))
def sweep(context: JobContext) -> None:
    """Remove what is left of environments that are gone; make those again of which nothing is found.

    What belongs to no environment that is known here is none of the sweep's business, and is told to the log alone.
    """
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
    for unknown in there - standing.keys():
        log.warning("something is there of %s, which is no environment known here", unknown)
    for environment_id, (tenant_id, phase) in sorted(standing.items()):
        if phase is Phase.DESTROYED and not context.should_stop():
            _clear(context, tenant_id, environment_id)
    for each in expected:
        if each.target in compared and each.environment_id not in there and not context.should_stop():
            _make(context, each.tenant_id, each.environment_id)


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


def _make(context: JobContext, tenant_id: UUID, environment_id: UUID) -> None:
    try:
        with context.session(tenant_id) as session:
            made = EnvironmentSweeps(session, context.settings).make_missing(tenant_id, environment_id)
    except UnavailableError:
        return
    if made:
        log.warning("nothing was found of %s, which is made again", environment_id)
