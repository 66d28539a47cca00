"""The worker of attestations: publications and environments are signed and logged, revocations are carried out."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import Session, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import AssetVersionRead, ChangeVersionState, Visibility
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.attestations.models import RegistryRecord, Verdict
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewSigningKey, RevokeKey, VerifySubject
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.clock import now
from catalog.db import Database
from catalog.environments.events import EnvironmentDestroyed, EnvironmentReady
from catalog.environments.models import Environment, Phase
from catalog.events import outbox
from catalog.events.models import EventRecord
from catalog.gates import PolicyDesk
from catalog.policies.shapes import CreateBinding, Evaluate
from catalog.providers.blobs import open_blobs
from catalog.releases.events import ReleaseCreated
from catalog.settings import Settings
from catalog.stacks.graph import GraphResource, GraphSource, resource_graph
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers.attestation import WORKER
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Service = SupplyChainAttestationService
Publish = Callable[..., AssetVersionRead]
Work = Callable[[], list[str]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """Return what runs everything that is due for this worker, and names the jobs that ran."""
    app = App(settings, registry([WORKER]))
    yield lambda: drain(app, patience=timedelta(seconds=1))
    app.close()


@pytest.fixture
def publish(database: Database, settings: Settings) -> Publish:
    """Return what publishes a version of ``namespace/web``."""

    def published(principal: Principal, visibility: Visibility | None = None) -> AssetVersionRead:
        files = skeleton("deployment-blueprint", principal.tenant_name, "web")
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with database.tenant_session(principal.tenant_id) as session:
            service = UploadService(session, open_blobs(settings))
            version = service.receive(principal, io.BytesIO(archive), visibility).version
            assert version is not None
            return version

    return published


def verify(session: Session, settings: Settings, principal: Principal, subject: str) -> Any:
    return Service(session, settings).verify(principal.tenant_id, VerifySubject(subject=subject))


def test_a_publication_is_signed_logged_and_trusted_by_whoever_may_see_it(
    acme: Principal,
    rival: Principal,
    database: Database,
    settings: Settings,
    work: Work,
    publish: Publish,
) -> None:
    version = publish(acme, Visibility.PUBLIC)
    assert sorted(work()) == ["attestations.countersign", "attestations.sign_published"]
    for principal in (acme, rival):
        with database.tenant_session(principal.tenant_id) as session:
            judged = verify(session, settings, principal, "acme/web@0.1.0")
            assert (judged.trusted, judged.kind, judged.met) == (True, "asset", ["publish"])
            (checked,) = judged.checked
            assert checked.attestation.verified
            assert checked.attestation.subjects[0].digest == version.blob_digest
            assert checked.attestation.signer == "acme signing key"
            assert (checked.attestation.owned, checked.attestation.received_by) == (
                (True, "Slipway") if principal is acme else (False, "its publisher")
            )
            log = Service(session, settings).asset_log("acme", "web")
            assert (log.is_sound, [each.record["state"] for each in log.entries]) == (True, ["published"])
    with database.tenant_session(rival.tenant_id) as session:
        assert Service(session, settings).keys(rival.tenant_id) == []
        assert Service(session, settings).page(rival.tenant_id) == []


def test_a_private_publication_shows_nothing_to_others(
    acme: Principal,
    rival: Principal,
    database: Database,
    settings: Settings,
    work: Work,
    publish: Publish,
) -> None:
    version = publish(acme)
    work()
    with database.tenant_session(rival.tenant_id) as session:
        service = Service(session, settings)
        assert service.page(rival.tenant_id, digest=("sha256", version.blob_digest)) == []
        assert session.exec(select(RegistryRecord)).all() == []
        judged = verify(session, settings, rival, f"sha256:{version.blob_digest}")
        assert judged.checked == []


def test_the_log_holds_the_whole_life_and_shows_every_change(
    acme: Principal, database: Database, settings: Settings, work: Work, publish: Publish
) -> None:
    publish(acme)
    with database.tenant_session(acme.tenant_id) as session:
        assets = AssetService(session)
        change = ChangeVersionState(reason="It is broken.")
        assets.yank(acme, "acme", "web", "0.1.0", change)
        assets.restore(acme, "acme", "web", "0.1.0", change)
    work()
    with database.tenant_session(acme.tenant_id) as session:
        log = Service(session, settings).asset_log("acme", "web")
        assert [each.record["state"] for each in log.entries] == ["published", "yanked", "published"]
        assert [each.record["previous"] for each in log.entries] == ["0" * 64, *(each.hash for each in log.entries[:2])]
        assert log.is_sound
        rows = session.exec(select(RegistryRecord).order_by("sequence")).all()
        rows[1].record = {**rows[1].record, "state": "published"}
        session.add(rows[1])
    with database.tenant_session(acme.tenant_id) as session:
        log = Service(session, settings).asset_log("acme", "web")
        assert (log.is_sound, log.fault) == (False, "Entry 2 was changed.")
        session.delete(session.exec(select(RegistryRecord).where(RegistryRecord.sequence == 2)).one())
    with database.tenant_session(acme.tenant_id) as session:
        assert Service(session, settings).asset_log("acme", "web").fault == "Entry 2 is missing."


def test_what_gates_decide_is_signed_by_itself(
    acme: Principal,
    database: Database,
    settings: Settings,
    work: Work,
    publish: Publish,
    publish_policy: Callable[..., str],
) -> None:
    publish_policy(acme, "guard", "deny contains x if x := input.never")
    with database.tenant_session(acme.tenant_id) as session:
        desk = PolicyDesk(session, settings)
        desk.policies.bind(acme, CreateBinding(bundle="acme/guard"))
        desk.evaluate(acme, Evaluate(bundle="acme/guard", input={}))
    version = publish(acme)
    work()
    with database.tenant_session(acme.tenant_id) as session:
        found = {each.evidence: each for each in Service(session, settings).page(acme.tenant_id)}
        assert {"vsa", "policy-decision"} <= set(found)
        assert [each.digest for each in found["vsa"].subjects] == [version.blob_digest]
        assert found["vsa"].facts["result"] == "PASSED"
        about = [each.subjects[0].name for each in found.values() if each.evidence == "policy-decision"]
        assert about == ["assets/acme/web@0.1.0"]


@pytest.fixture
def environment(database: Database, acme: Principal, publish: Publish) -> UUID:
    """An environment that has just become ready, with the event that says so."""
    version = publish(acme)
    moment = now()
    row = Environment(
        tenant_id=acme.tenant_id,
        repository="/srv/hello",
        pull_request=42,
        name="pr-42-hello",
        hostname="pr-42-hello.preview.localhost",
        phase=Phase.READY,
        blueprint="acme/web",
        blueprint_version=version.version,
        lock=[{"asset": "acme/web", "version": version.version, "digest": f"sha256:{version.blob_digest}"}],
        inputs={"greeting": "hello"},
        head_sha="a" * 40,
        seen_sha="a" * 40,
        deployed_sha="a" * 40,
        requested_by="test",
        ttl_seconds=3600,
        last_deploy_at=moment,
        expires_at=moment + timedelta(hours=1),
        hard_expires_at=moment + timedelta(hours=2),
    )
    with database.tenant_session(acme.tenant_id) as session:
        session.add(row)
        session.flush()
        data = EnvironmentReady(
            environment_id=row.id, incarnation=1, generation=1, url="http://x.preview.localhost/", head_sha="a" * 40
        )
        outbox.append(session, data, tenant_id=acme.tenant_id, subject=f"environments/{row.id}", actor="system")
    return row.id


def test_an_environment_is_signed_from_what_it_came_up(
    acme: Principal, database: Database, settings: Settings, work: Work, environment: UUID
) -> None:
    assert "attestations.sign_environment" in work()
    with database.tenant_session(acme.tenant_id) as session:
        judged = verify(session, settings, acme, f"environments/{environment}")
        assert (judged.trusted, judged.met) == (True, ["environment"])
        (part,) = judged.uses
        assert (part.subject, part.kind, part.trusted) == ("acme/web@0.1.0", "asset", True)
        statement = Service(session, settings).statement(judged.checked[0].attestation.id)
        assert statement.predicate["source"]["commit"] == "a" * 40
        assert statement.predicate["blueprint"]["version"] == "0.1.0"


def signed(environment: UUID, database: Database, acme: Principal, settings: Settings) -> dict[str, Any]:
    with database.tenant_session(acme.tenant_id) as session:
        checked = verify(session, settings, acme, f"environments/{environment}").checked
        found = [Service(session, settings).statement(each.attestation.id).predicate for each in checked]
    newest: dict[str, Any] = max(found, key=lambda each: int(each["generation"]))
    return newest


def graph(**inputs: Any) -> dict[str, Any]:
    made = [GraphResource(type="slipway:local:Process", name="web", operation="create", inputs=inputs)]
    return resource_graph(GraphSource.DEPLOYMENT, made, revision="a" * 40).model_dump(mode="json")


def beside(commit: str) -> dict[str, Any]:
    return {"spec": {"environment": {"repositories": {"lib": {"repository": "/srv/lib", "commit": commit}}}}}


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("sources", beside("1" * 40), None),
    ("sources", beside("2" * 40), None),
    ("target", {"target": "docker"}, None),
    ("withheld", {"withheld": ["token"]}, None),
    ("plan", {}, graph(memory=256)),
    ("plan", {}, graph(memory=512)),
    ("plan", {}, graph(memory=2**70)),
]


def test_each_part_of_what_an_environment_was_made_of_changes_what_is_signed(
    acme: Principal, database: Database, settings: Settings, work: Work, environment: UUID
) -> None:
    work()
    statements = [signed(environment, database, acme, settings)]
    for number, (part, columns, told) in enumerate(CHANGES, start=2):
        with database.tenant_session(acme.tenant_id) as session:
            stacks, row = MultiCloudProvisioningService(session), session.exec(select(Environment)).one()
            if row.stack_id is None:
                owner = f"environments/{row.id}"
                row.stack_id = stacks.ensure(acme.tenant_id, "slipway-environments", "one", owner, "local").id
            stack = stacks.get(acme.tenant_id, row.stack_id)
            stack.graph = told or stack.graph
            for name, value in columns.items():
                setattr(row, name, value)
            row.generation = number
            session.add_all((row, stack))
            data = EnvironmentReady(
                environment_id=row.id, incarnation=1, generation=number, url="http://x/", head_sha="a" * 40
            )
            outbox.append(session, data, tenant_id=acme.tenant_id, subject=f"environments/{row.id}", actor="system")
        work()
        statements.append(signed(environment, database, acme, settings))
        assert statements[-1][part] != statements[-2][part], part
        assert statements[-1]["generation"] == number
    assert all("memory" not in str(each) for each in statements), "digests alone"


def test_a_revocation_reaches_versions_and_environments(
    acme: Principal, database: Database, settings: Settings, work: Work, environment: UUID
) -> None:
    work()
    with database.tenant_session(acme.tenant_id) as session:
        service = Service(session, settings)
        (key,) = service.keys(acme.tenant_id)
        service.revoke_key(acme, key.id, RevokeKey(reason="it leaked"))
        assert not service.revocation(acme.tenant_id, key.id).is_complete
    assert work() == ["attestations.verify_history", "attestations.tell_reliant", "attestations.tell_reliant"]
    with database.tenant_session(acme.tenant_id) as session:
        service = Service(session, settings)
        report = service.revocation(acme.tenant_id, key.id)
        assert (report.invalidated, report.still_verified, report.is_complete) == (2, 0, True)
        named = {(each.kind, each.label, each.used_as) for each in report.affected}
        assert named == {
            ("asset", "acme/web@0.1.0", ""),
            ("environment", "pr-42-hello", ""),
            ("environment", "pr-42-hello", "acme/web@0.1.0"),
        }
        judged = verify(session, settings, acme, f"environments/{environment}")
        assert (judged.trusted, [each.evidence for each in judged.missing]) == (False, ["environment"])
        assert service.counts(acme.tenant_id) == {Verdict.INVALIDATED: 2}
        told = [
            row.data
            for row in session.exec(select(EventRecord).order_by("sequence")).all()
            if "history_verified" in row.type
        ]
        assert [(each["invalidated"], each["affected"]) for each in told] == [(2, 3)]


def test_a_release_is_signed_and_judged_by_its_artifacts(
    acme: Principal, database: Database, settings: Settings, work: Work
) -> None:
    release = UUID(int=7)
    with database.tenant_session(acme.tenant_id) as session:
        data = ReleaseCreated(
            release_id=release,
            service_id=release,
            service="web",
            version="1.4.0",
            commit="a" * 40,
            environment_id=None,
            digests=[f"sha256:{'b' * 64}", f"sha256:{'c' * 64}"],
        )
        outbox.append(session, data, tenant_id=acme.tenant_id, subject=f"releases/{release}", actor="system")
    assert work() == ["attestations.sign_release"]
    requirement = Requirement(evidence="release", applies_to=["release"])
    with database.tenant_session(acme.tenant_id) as session:
        service = Service(session, settings)
        more = Requirement(evidence="sbom", applies_to=["release"])
        for policy, trusted in (([requirement], True), ([requirement, more], False)):
            asked = VerifySubject(subject=f"releases/{release}", policy=TrustPolicy(requirements=policy))
            judged = service.verify(acme.tenant_id, asked)
            assert (judged.trusted, [each.trusted for each in judged.uses]) == (trusted, [trusted, trusted])
        (key,) = service.keys(acme.tenant_id)
        service.revoke_key(acme, key.id, RevokeKey(reason="it leaked"))
    work()
    with database.tenant_session(acme.tenant_id) as session:
        affected = Service(session, settings).revocation(acme.tenant_id, key.id).affected
        assert {(each.kind, each.label) for each in affected} == {("release", "web 1.4.0")}


def test_jobs_may_run_again_and_an_environment_that_is_gone_is_forgotten(
    acme: Principal, database: Database, settings: Settings, work: Work, environment: UUID
) -> None:
    work()
    with database.tenant_session(acme.tenant_id) as session:
        row = session.exec(select(Environment)).one()
        data = EnvironmentReady(
            environment_id=row.id, incarnation=1, generation=1, url="http://x.preview.localhost/", head_sha="a" * 40
        )
        outbox.append(session, data, tenant_id=acme.tenant_id, subject=f"environments/{row.id}", actor="system")
    work()
    with database.tenant_session(acme.tenant_id) as session:
        assert Service(session, settings).counts(acme.tenant_id) == {Verdict.VERIFIED: 2}
        row = session.exec(select(Environment)).one()
        row.phase = Phase.DESTROYED
        session.add(row)
        gone = EnvironmentDestroyed(environment_id=environment, incarnation=1, generation=1)
        outbox.append(session, gone, tenant_id=acme.tenant_id, subject=f"environments/{row.id}", actor="system")
    assert work() == ["attestations.forget_environment"]
    with database.tenant_session(acme.tenant_id) as session:
        service = Service(session, settings)
        (key,) = service.keys(acme.tenant_id)
        service.create_key(acme, NewSigningKey(name="next"))
        service.revoke_key(acme, key.id, RevokeKey(reason="it leaked"))
    work()
    with database.tenant_session(acme.tenant_id) as session:
        affected = Service(session, settings).revocation(acme.tenant_id, key.id).affected
        assert [each.kind for each in affected] == ["asset"]
