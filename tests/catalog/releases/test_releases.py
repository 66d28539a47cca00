"""Releases: what may be recorded, what never changes, and what stops at a gate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlmodel import Session

from catalog.db import Database
from catalog.errors import InvalidInputError, NotFoundError
from catalog.events.models import EventRecord
from catalog.gating import GateMissingError, GatePoint, Level, PolicyRefusedError, Verdict, Violation
from catalog.releases.errors import ReleaseExistsError, ServiceElsewhereError
from catalog.releases.models import CreateRelease, Release
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal

COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
DIGEST = "sha256:" + "9f" * 32


@dataclass
class Shown:
    """What an environment shows."""

    repository: str = "https://git.example.com/acme/web"
    deployed_sha: str | None = COMMIT


@dataclass
class Environments:
    """The environments that there are, standing in for the area above."""

    known: dict[UUID, Shown] = field(default_factory=dict)

    def get(self, _tenant_id: UUID, environment_id: UUID) -> Shown:
        if environment_id not in self.known:
            raise NotFoundError(f"There is no environment {environment_id}.")
        return self.known[environment_id]


NONE = Environments()


def asked(**changes: object) -> CreateRelease:
    values: dict[str, object] = {
        "service": "web",
        "version": "1.4.0",
        "repository": "https://git.example.com/acme/web",
        "commit": COMMIT,
        "artifacts": [{"name": "web", "type": "oci-image", "digest": DIGEST}],
    }
    return CreateRelease.model_validate({**values, **changes})


def create(database: Database, principal: Principal, request: CreateRelease) -> tuple[Release, bool]:
    with database.tenant_session(principal.tenant_id) as session:
        return ReleaseService(session).create(principal, request, NONE)


def events(session: Session) -> list[str]:
    rows = session.connection().execute(text("SELECT type FROM events WHERE subject LIKE 'releases/%'"))
    return [row[0] for row in rows]


def test_a_release_is_recorded_once(database: Database, acme: Principal) -> None:
    first, created = create(database, acme, asked())
    again, created_again = create(database, acme, asked())
    assert (created, created_again, again.id) == (True, False, first.id)
    with database.tenant_session(acme.tenant_id) as session:
        service = ReleaseService(session)
        assert [each.name for each in service.services(acme.tenant_id)] == ["web"]
        assert [each.id for each in service.with_artifact(acme.tenant_id, DIGEST)] == [first.id]
        assert events(session) == ["dev.slipway.release.created.v1"]


@pytest.mark.parametrize("change", [{"commit": "a" * 40}, {"artifacts": []}])
def test_a_release_never_changes(database: Database, acme: Principal, change: dict[str, object]) -> None:
    create(database, acme, asked())
    with pytest.raises(ReleaseExistsError):
        create(database, acme, asked(**change))


def test_a_service_stays_where_it_is_built(database: Database, acme: Principal) -> None:
    create(database, acme, asked())
    with pytest.raises(ServiceElsewhereError):
        create(database, acme, asked(version="1.5.0", repository="https://evil.example.com/web"))
    following, _ = create(database, acme, asked(version="1.5.0", repository=None))
    assert following.repository == "https://git.example.com/acme/web"


def test_labels_and_owner_are_the_services(database: Database, acme: Principal) -> None:
    create(database, acme, asked(owner="Storefront", labels={"tier": "critical"}))
    release, _ = create(database, acme, asked(version="1.5.0"))
    with database.tenant_session(acme.tenant_id) as session:
        found = ReleaseService(session).service_of(release)
    assert (found.owner, found.labels) == ("Storefront", {"tier": "critical"})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"commit": None}, "/commit"), ({"repository": None}, "/repository"), ({"environment": uuid4()}, "/environment")],
)
def test_what_is_missing_is_named(database: Database, acme: Principal, change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        create(database, acme, asked(**change))
    assert [each.pointer for each in refused.value.errors] == [pointer]


def test_an_environment_gives_repository_and_commit(database: Database, acme: Principal) -> None:
    place = uuid4()
    environments = Environments({place: Shown()})
    request = asked(environment=place, commit=COMMIT[:10], repository=None)
    with database.tenant_session(acme.tenant_id) as session:
        release, _ = ReleaseService(session).create(acme, request, environments)
    assert (release.repository, release.commit, release.environment_id) == (Shown().repository, COMMIT, place)
    environments.known[place].deployed_sha = None
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(InvalidInputError):
        ReleaseService(session).create(acme, request.model_copy(update={"version": "2.0.0"}), environments)


def test_two_tenants_ship_the_same_name(database: Database, acme: Principal, rival: Principal) -> None:
    mine, _ = create(database, acme, asked())
    theirs, created = create(database, rival, asked(repository="https://other.example.com/web"))
    assert created
    with database.tenant_session(rival.tenant_id) as session:
        service = ReleaseService(session)
        assert [each.id for each in service.page(rival.tenant_id)] == [theirs.id]
        assert list(service.with_artifact(acme.tenant_id, DIGEST)) == []
        with pytest.raises(NotFoundError):
            service.get(acme.tenant_id, mine.id)


def test_without_a_gate_nothing_is_released(settings: Settings, acme: Principal) -> None:
    database = Database(settings)
    with pytest.raises(GateMissingError):
        create(database, acme, asked())
    database.close()


class Closed:
    """A gate that refuses everything and keeps a record of it."""

    def wants_plan(
        self, _session: Session, _tenant_id: UUID, _point: GatePoint, _subject: str, *, enforced: bool = False
    ) -> bool:
        del enforced
        return False

    def ask(
        self,
        _session: Session,
        tenant_id: UUID,
        point: GatePoint,
        subject: str,
        actor: str,
        plan: Mapping[str, Any] | None = None,
    ) -> Verdict:
        assert plan is None, "a release has none of its own"
        violation = Violation(rule="frozen", level=Level.MANDATORY, message=f"No {point} of {subject} by {actor}.")

        def keep(session: Session) -> None:
            record = EventRecord(
                tenant_id=tenant_id,
                type="kept",
                subject="releases/kept",
                actor=actor,
                correlation_id=uuid4(),
                data={"point": point},
            )
            session.add(record)

        raise PolicyRefusedError(Verdict(allowed=False, level=Level.MANDATORY, violations=(violation,)), keep)


def test_what_is_refused_leaves_only_the_record_of_it(settings: Settings, acme: Principal) -> None:
    database = Database(settings, Closed())
    with pytest.raises(PolicyRefusedError, match="frozen"):
        create(database, acme, asked())
    with database.tenant_session(acme.tenant_id) as session:
        service = ReleaseService(session)
        assert list(service.page(acme.tenant_id)) == []
        assert list(service.services(acme.tenant_id)) == []
        assert events(session) == ["kept"]
    database.close()
