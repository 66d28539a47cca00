"""A publisher's evidence that is taken back: every tenant that relied on it hears so and is judged again, apart."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import AssetVersion, AssetVersionRead, Visibility
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.attestations.events import RelianceAffected
from catalog.attestations.models import RelianceNotice
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import RevokeKey, SetTrustPolicy
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.db import Database
from catalog.environments.service import EphemeralEnvironmentService
from catalog.events.models import EventRecord
from catalog.proposals.models import ProposalState
from catalog.proposals.service import ProposalService
from catalog.providers.blobs import open_blobs
from catalog.releases.models import CreateRelease
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers import attestation
from workers.agents.supply_chain_compliance import AGENT

Service = SupplyChainAttestationService
INSTALL = f"installs/{UUID(int=3)}"
Run = Callable[[], None]


@pytest.fixture
def run(work: Any, known: Any) -> Run:
    """Return what runs whatever is due, the agent included."""
    known(AGENT)
    return lambda: work(attestation.WORKER, AGENT, patience=3.5)


@pytest.fixture
def published(database: Database, settings: Settings, acme: Principal) -> AssetVersionRead:
    """Let acme publish an asset that everybody sees."""
    files = skeleton("deployment-blueprint", "acme", "web")
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    with database.tenant_session(acme.tenant_id) as session:
        received = UploadService(session, open_blobs(settings)).receive(acme, io.BytesIO(archive), Visibility.PUBLIC)
        assert received.version is not None
        return received.version


def events(database: Database, principal: Principal, kind: str) -> list[EventRecord]:
    with database.tenant_session(principal.tenant_id) as session:
        rows = session.exec(select(EventRecord).where(EventRecord.type == kind).order_by(col(EventRecord.sequence)))
        return list(rows)


def test_whoever_relied_on_a_publisher_is_told_in_his_own_feed_and_judged_again(
    acme: Principal,
    rival: Principal,
    database: Database,
    settings: Settings,
    published: AssetVersionRead,
    run: Run,
) -> None:
    run()  # the publisher's statement is there before anybody relies on it
    asked = CreateRelease.model_validate(
        {
            "service": "shop",
            "version": "1.0.0",
            "repository": "https://git.example.com/rival/shop",
            "commit": "a" * 40,
            "artifacts": [{"name": "web", "type": "archive", "digest": f"sha256:{published.blob_digest}"}],
        }
    )
    policy = TrustPolicy(requirements=[Requirement(evidence="publish", applies_to=["release"])])
    with database.tenant_session(rival.tenant_id) as session:
        Service(session, settings).set_trust_policy(rival, SetTrustPolicy(version=0, document=policy))
        environments = EphemeralEnvironmentService(session, settings)
        release = ReleaseService(session).create(rival, asked, environments)[0].id
        version = session.exec(select(AssetVersion).where(AssetVersion.id == published.id)).one()
        AssetService(session).use(rival.tenant_id, INSTALL, "web", [version])
    run()
    with database.tenant_session(rival.tenant_id) as session:
        assert ProposalService(session).page(rival.tenant_id) == []

    with database.tenant_session(acme.tenant_id) as session:
        (key,) = Service(session, settings).keys(acme.tenant_id)
        Service(session, settings).revoke_key(acme, key.id, RevokeKey(reason="a secret of acme's"))
    run()
    (told,) = events(database, rival, RelianceAffected.event_type())
    assert told.data["uses"] == sorted([INSTALL, f"releases/{release}"])
    assert (told.data["subjects"], told.data["reason"]) == ([f"sha256:{published.blob_digest}"], "key_revoked")
    assert "a secret of acme's" not in str(told.data)
    with database.tenant_session(rival.tenant_id) as session:
        (proposal,) = ProposalService(session).page(rival.tenant_id)
        assert (proposal.state, proposal.title) == (ProposalState.APPLIED, "shop 1.0.0 lacks publish")
    # Its publisher learns of nobody.
    with database.tenant_session(acme.tenant_id) as session:
        rows = session.exec(select(EventRecord).where(EventRecord.tenant_id == acme.tenant_id)).all()
        assert not any(str(rival.tenant_id) in str(row.data) or str(release) in str(row.data) for row in rows)
        assert session.exec(select(RelianceNotice)).all() == []
    assert events(database, acme, RelianceAffected.event_type()) == []


def test_a_tenant_is_told_once_for_an_event_and_only_of_what_it_uses(
    acme: Principal,
    rival: Principal,
    database: Database,
    settings: Settings,
    published: AssetVersionRead,
    run: Run,
) -> None:
    run()
    with database.tenant_session(acme.tenant_id) as session:
        service = Service(session, settings)
        (statement,) = service.page(acme.tenant_id)
        (key,) = service.keys(acme.tenant_id)
        service.revoke_key(acme, key.id, RevokeKey(reason="it leaked"))
        assert service.travelling_digests(acme.tenant_id, statement.id) == [published.blob_digest]
    event = UUID(int=9)
    with database.tenant_session(rival.tenant_id) as session:
        assert not Service(session, settings).tell_reliant(rival.tenant_id, statement.id, event)
        uses = {published.blob_digest: "acme/web@0.1.0"}
        Service(session, settings).rely(rival.tenant_id, "environment", UUID(int=4), "pr-1", itself="c" * 64, uses=uses)
    with database.system_session() as session:
        assert Service.tenants_relying(session, acme.tenant_id, [published.blob_digest]) == [rival.tenant_id]
        assert Service.tenants_relying(session, rival.tenant_id, [published.blob_digest]) == []
    for is_new in (True, False):
        with database.tenant_session(rival.tenant_id) as session:
            assert Service(session, settings).tell_reliant(rival.tenant_id, statement.id, event) is is_new
    (told,) = events(database, rival, RelianceAffected.event_type())
    assert told.data["uses"] == [f"environments/{UUID(int=4)}"]
