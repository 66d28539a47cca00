"""Each generation that was ready has its signed statement, however late that is signed."""

from typing import Any

from sqlmodel import select

from catalog.attestations import queries
from catalog.attestations.service import SupplyChainAttestationService
from catalog.environments.events import EnvironmentDestroyed, EnvironmentReady
from catalog.environments.made import EnvironmentMade
from catalog.environments.models import Phase
from catalog.events.models import EventRecord
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway
from workers.attestation import forget_environment, sign_environment


def told(one: One, kind: type[EnvironmentReady | EnvironmentDestroyed]) -> list[EventRecord]:
    return [each for each in one.slipway.events(one.id) if each.type == kind.event_type()]


def sign(one: One, *records: EventRecord) -> None:
    for each in records:
        sign_environment(one.slipway.context(each))


def statements(one: One) -> list[dict[str, Any]]:
    """Return what is signed of it, by generation."""
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        service = SupplyChainAttestationService(session, one.slipway.settings)
        found = [service.statement(each.id).predicate for each in service.page(one.tenant_id, evidence="environment")]
    return sorted(map(dict, found), key=lambda each: (int(each["incarnation"]), int(each["generation"])))


def itself(one: One) -> list[str]:
    """Return the digest by which what runs of it is known."""
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        return [
            each.digest
            for each in queries.reliances_of(session, one.tenant_id, "environment", one.id)
            if each.is_itself
        ]


def kept(one: One) -> int:
    with one.slipway.database.tenant_session(one.tenant_id) as session:
        return len(session.exec(select(EnvironmentMade)).all())


def test_what_slept_moved_on_or_is_gone_is_signed_as_it_was(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    first, second = one.head, one.push()
    one.work()
    one.ask("sleep")
    one.work_all()
    one.close()
    one.work_all()
    assert (one.row.phase, kept(one)) == (Phase.DESTROYED, 2)
    forget_environment(slipway.context(told(one, EnvironmentDestroyed)[0]))
    sign(one, *reversed(told(one, EnvironmentReady)))
    said = statements(one)
    assert [(each["generation"], each["source"]["commit"]) for each in said] == [(1, first), (2, second)]
    assert all(each["readyAt"] and each["plan"] and each["blueprint"] for each in said)
    assert (kept(one), itself(one)) == (0, []), "what is gone relies on nothing"
    sign(one, *told(one, EnvironmentReady))
    assert len(statements(one)) == 2, "each is said once"


def test_what_is_signed_late_takes_nothing_from_what_runs(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.push()
    one.work()
    first, second = told(one, EnvironmentReady)
    sign(one, second)
    known = itself(one)
    sign(one, first)
    assert ([each["generation"] for each in statements(one)], itself(one)) == ([1, 2], known)
    assert len(known) == 1


def test_one_that_sleeps_relies_on_what_it_was_made_of(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    one.ask("sleep")
    one.work_all()
    sign(one, *told(one, EnvironmentReady))
    assert (len(statements(one)), len(itself(one))) == (1, 1)
    one.ask("wake")
    one.work_all()
    sign(one, *told(one, EnvironmentReady)[1:])
    assert [each["generation"] for each in statements(one)] == [1, one.row.generation]
