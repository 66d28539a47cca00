"""SupplyChainComplianceAgent: what falls short is blocked with the missing evidence named, until it arrives."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Session, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.attestations.models import Attestation, EvidenceWatch, KeyState
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewSigningKey, RevokeKey, SetTrustPolicy, SignStatement, SubjectRead
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.clock import now
from catalog.db import Database
from catalog.environments.events import EnvironmentDestroyed, EnvironmentReady
from catalog.environments.models import Environment, Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.events import outbox
from catalog.gates import PolicyDesk
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate
from catalog.installs.models import Action, InstallPlan
from catalog.operations.service import OperationService
from catalog.policies.models import ScopeKind
from catalog.policies.shapes import CreateWaiver, Evaluate, Scope
from catalog.proposals.models import Autonomy, Proposal, ProposalState
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import ChangeLimit, Decide
from catalog.providers.blobs import open_blobs
from catalog.releases.models import CreateRelease, Release
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers import attestation
from workers.agents.supply_chain_compliance import AGENT

SBOM_TYPE = "https://cyclonedx.org/bom"
DIGEST = f"sha256:{'9f' * 32}"
OTHER = f"sha256:{'ab' * 32}"
State = ProposalState
ASKS_FOR_SBOM = [Requirement(evidence="sbom", applies_to=["release"])]


@dataclass
class Stage:
    """A tenant with its agent, its releases and its trust policy."""

    database: Database
    settings: Settings
    acme: Principal
    run: Callable[..., list[str]]
    proposals: Callable[[], list[Proposal]]

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self.database.tenant_session(self.acme.tenant_id) as session:
            yield session

    def work(self) -> None:
        """Run whatever is due, signing included."""
        self.run(attestation.WORKER, AGENT, patience=3.5)

    def trust(self, requirements: Sequence[Requirement]) -> None:
        with self.session() as session:
            service = SupplyChainAttestationService(session, self.settings)
            document = TrustPolicy(requirements=list(requirements))
            version = service.trust_policy(self.acme.tenant_id).version
            service.set_trust_policy(self.acme, SetTrustPolicy(version=version, document=document))

    def release(self, version: str, digest: str = DIGEST, environment: UUID | None = None) -> Release:
        with self.session() as session:
            asked = CreateRelease.model_validate(
                {
                    "service": "web",
                    "version": version,
                    "repository": None if environment else "https://git.example.com/acme/web",
                    "commit": None if environment else "a" * 40,
                    "environment": environment,
                    "artifacts": [{"name": "registry/web", "type": "oci-image", "digest": digest}],
                }
            )
            environments = EphemeralEnvironmentService(session, self.settings)
            return ReleaseService(session).create(self.acme, asked, environments)[0]

    def update(self, environment: UUID) -> None:
        """Pass the gate that stands before each change of an environment."""
        with self.session() as session:
            subject = f"environments/{environment}"
            pass_gate(session, self.acme.tenant_id, GatePoint.ENVIRONMENT_UPDATE, subject, "test")

    def install(self, environment: UUID, action: Action = Action.INSTALL) -> None:
        """Pass the gate that stands before what changes an install of what the environment is made of."""
        with self.session() as session:
            tenant_id = self.acme.tenant_id
            lock = session.get_one(Environment, environment).lock
            operation = OperationService(session).start(tenant_id, "install.plan", "installs", (), "test")
            document = {
                "asset": "acme/web",
                "name": "web",
                "version": lock[0]["version"],
                "lock": lock,
                "target": {},
                "labels": {},
                "action": str(action),
                "owner": "",
                "becomes": "",
                "verification": {},
                "inputs": {},
                "permissions": [],
                "changes": {},
            }
            plan = InstallPlan(
                tenant_id=tenant_id,
                action=action,
                document=document,
                operation_id=operation.id,
                actor="test",
                created_by="test",
            )
            session.add(plan)
            session.flush()
            pass_gate(session, tenant_id, GatePoint.INSTALL, f"install-plans/{plan.id}", "test")

    def attest(self, digest: str = DIGEST) -> None:
        with self.session() as session:
            subject = SubjectRead(name="web", algorithm="sha256", digest=digest.removeprefix("sha256:"))
            bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}
            asked = SignStatement(subjects=[subject], predicate_type=SBOM_TYPE, predicate=bom)
            SupplyChainAttestationService(session, self.settings).sign_for(self.acme, asked)

    @property
    def states(self) -> list[State]:
        return [each.state for each in self.proposals()]


@pytest.fixture
def stage(database: Database, settings: Settings, acme: Principal, work: Any, proposals: Any, known: Any) -> Stage:
    """The agent at its usual level, which is to act."""
    known(AGENT)
    return Stage(database, settings, acme, work, proposals)


def test_a_release_without_its_evidence_is_blocked_until_it_arrives(stage: Stage) -> None:
    stage.trust(ASKS_FOR_SBOM)
    release = stage.release("1.4.0")
    stage.work()
    (proposal,) = stage.proposals()
    assert (proposal.state, proposal.subject) == (State.APPLIED, f"releases/{release.id}")
    assert proposal.title == "web 1.4.0 lacks sbom"
    assert proposal.outcome == "Blocked web 1.4.0 until sbom is there."
    (step,) = proposal.steps
    assert step["command"] == f"slipway attest {DIGEST} --predicate sbom.json --type cyclonedx"
    assert f"/releases/{release.id}" in [each["href"] for each in proposal.evidence]

    with pytest.raises(PolicyRefusedError) as refused:
        stage.release("1.4.1")  # the same artifact under another version
    (violation,) = refused.value.verdict.violations
    assert (violation.rule, violation.path) == ("slipway.missing-evidence", "/release/artifacts/0")
    assert "registry/web has no sbom attestation that counts" in violation.message
    assert violation.remediation.startswith(f"slipway attest {DIGEST}")
    assert f"/proposals/{proposal.id}" in violation.remediation
    with stage.session() as session:
        asked = Evaluate.model_validate({"release": release.id})
        answer = PolicyDesk(session, stage.settings).evaluate(stage.acme, asked)
        assert (answer.allowed, [each.rule for each in answer.violations]) == (False, ["slipway.missing-evidence"])
    stage.release("2.0.0", OTHER)  # what is made of other things is not held

    stage.attest()
    stage.work()
    assert stage.proposals()[0].state is State.SUPERSEDED
    stage.release("1.4.1")
    with stage.session() as session:
        (block,) = ProposalService(session).blocks_of(stage.acme.tenant_id, proposal.id)
        assert block.lifted_by == "agent:supply_chain_compliance"


def test_evidence_that_has_grown_too_old_is_missed(stage: Stage) -> None:
    stage.trust([Requirement(evidence="sbom", applies_to=["release"], max_age_days=30)])
    release = stage.release("1.4.0")
    stage.attest()
    stage.work()
    assert State.APPLIED not in stage.states
    with stage.session() as session:  # thirty days and half an hour later, an hour after the last look
        for row in session.exec(select(Attestation).where(Attestation.predicate_type == SBOM_TYPE)):
            row.received_at, row.signed_at = now() - timedelta(days=30, minutes=30), None
            session.add(row)
        watch = session.get_one(EvidenceWatch, stage.acme.tenant_id)
        watch.swept_at = now() - timedelta(hours=1)
        session.add(watch)
    with stage.database.system_session() as session:
        due = SupplyChainAttestationService.due_for_sweep(session, now(), 10)
    assert due == [stage.acme.tenant_id]
    with stage.session() as session:
        service = SupplyChainAttestationService(session, stage.settings)
        assert [service.sweep_ages(stage.acme.tenant_id) for _ in range(2)] == [1, 0]
    stage.work()
    proposal = stage.proposals()[-1]
    assert (proposal.state, proposal.subject) == (State.APPLIED, f"releases/{release.id}")
    assert "older than 30 days" in proposal.summary
    stage.trust(ASKS_FOR_SBOM)
    with stage.session() as session:
        assert session.get(EvidenceWatch, stage.acme.tenant_id) is None, "no age matters any more"


def test_another_trust_policy_reaches_what_is_there_already(stage: Stage) -> None:
    release = stage.release("1.4.0")
    stage.work()
    assert stage.proposals() == []
    stage.trust([*ASKS_FOR_SBOM, Requirement(evidence="provenance", applies_to=["release"], least_slsa_level=2)])
    stage.work()
    assert [(each.subject, each.title) for each in stage.proposals()] == [
        (f"releases/{release.id}", "web 1.4.0 lacks sbom and provenance at SLSA level 2")
    ]
    stage.trust(ASKS_FOR_SBOM)
    stage.work()
    assert (stage.states, stage.proposals()[-1].title) == ([State.SUPERSEDED, State.APPLIED], "web 1.4.0 lacks sbom")
    stage.trust([])
    stage.work()
    assert stage.states == [State.SUPERSEDED, State.SUPERSEDED]


def test_a_person_who_rejects_lets_it_through_on_record_and_a_waiver_does_too(stage: Stage) -> None:
    stage.trust(ASKS_FOR_SBOM)
    stage.release("1.4.0")
    stage.work()
    with stage.session() as session:
        waiver = CreateWaiver(
            rule="slipway.missing-evidence",
            reason="The image is from before.",
            owner="Ada",
            scope=Scope(kind=ScopeKind.TENANT),
            expires_at=now() + timedelta(days=1),
        )
        PolicyDesk(session, stage.settings).policies.waive(stage.acme, waiver)
    stage.release("1.4.1")
    with stage.session() as session:
        ProposalService(session).reject(stage.acme, stage.proposals()[0].id, Decide(comment="It is a test image."))
        assert ProposalService(session).standing(stage.acme.tenant_id, [f"release:{DIGEST}"]) == []
    stage.work()
    assert stage.states == [State.REJECTED, State.APPLIED]  # the second release is a subject of its own


def test_an_agent_that_may_only_propose_blocks_nothing(stage: Stage) -> None:
    with stage.session() as session:
        ProposalService(session).limit(stage.acme, AGENT.name, ChangeLimit(autonomy=Autonomy.ACT_WITH_APPROVAL))
    stage.trust(ASKS_FOR_SBOM)
    stage.release("1.4.0")
    stage.work()
    assert stage.states == [State.PROPOSED]
    stage.release("1.4.1")
    with stage.session() as session:
        ProposalService(session).approve(stage.acme, stage.proposals()[0].id, Decide())
    stage.work()
    with pytest.raises(PolicyRefusedError):
        stage.release("1.4.2")


@pytest.fixture
def environment(stage: Stage) -> UUID:
    """An environment that has just become ready, with the event that says so."""
    files = skeleton("deployment-blueprint", "acme", "web")
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    moment = now()
    with stage.session() as session:
        version = UploadService(session, open_blobs(stage.settings)).receive(stage.acme, io.BytesIO(archive)).version
        assert version is not None
        row = Environment(
            tenant_id=stage.acme.tenant_id,
            repository="https://git.example.com/acme/web",
            pull_request=42,
            name="pr-42-hello",
            hostname="pr-42-hello.preview.localhost",
            phase=Phase.READY,
            blueprint="acme/web",
            blueprint_version=version.version,
            lock=[{"asset": "acme/web", "version": version.version, "digest": f"sha256:{version.blob_digest}"}],
            inputs={"greeting": "hello you"},
            head_sha="a" * 40,
            seen_sha="a" * 40,
            deployed_sha="a" * 40,
            requested_by="test",
            ttl_seconds=3600,
            last_deploy_at=moment,
            expires_at=moment + timedelta(hours=1),
            hard_expires_at=moment + timedelta(hours=2),
        )
        session.add(row)
        session.flush()
        url = "http://x.preview.localhost/"
        data = EnvironmentReady(environment_id=row.id, incarnation=1, generation=1, url=url, head_sha="a" * 40)
        outbox.append(session, data, tenant_id=row.tenant_id, subject=f"environments/{row.id}", actor="system")
        return row.id


def test_a_revoked_key_blocks_the_environment_that_relied_on_it(stage: Stage, environment: UUID) -> None:
    stage.work()
    assert stage.proposals() == []
    with stage.session() as session:
        service = SupplyChainAttestationService(session, stage.settings)
        (key,) = service.keys(stage.acme.tenant_id)
        assert key.state is KeyState.ACTIVE
        service.revoke_key(stage.acme, key.id, RevokeKey(reason="it leaked"))
    stage.work()
    proposal = stage.proposals()[-1]
    assert (proposal.subject, proposal.state) == (f"environments/{environment}", State.APPLIED)
    assert proposal.title == "pr-42-hello lacks environment and publish"
    assert any("no longer counts" in each["title"] for each in proposal.evidence)
    commands = {each["title"].partition(",")[0]: each["command"] for each in proposal.steps}
    assert "Rotate the key" in commands
    assert commands["Rebuild the environment"] == (
        "slipway env destroy pr-42-hello --wait && slipway env request --repo https://git.example.com/acme/web --pr 42 "
        "--blueprint acme/web@0.1.0 --set 'greeting=hello you'"
    )
    with pytest.raises(PolicyRefusedError) as refused:
        stage.release("1.0.0", OTHER, environment)
    assert "/environment" in {each.path for each in refused.value.verdict.violations}
    with pytest.raises(PolicyRefusedError) as held:
        stage.update(environment)
    (violation,) = held.value.verdict.violations
    assert violation.path == "/environment/blueprint"
    with stage.session() as session:
        told = PolicyDesk(session, stage.settings).blocks_of(stage.acme.tenant_id, f"environments/{environment}")
    # The page names what the environment itself lacks too. Its own gates do not: making it anew mends that.
    assert {each.path for each in told} == {"/environment", "/environment/blueprint"}
    assert "acme/web@0.1.0 has no publish" in violation.message
    with pytest.raises(PolicyRefusedError) as not_installed:
        stage.install(environment)
    assert [each.path for each in not_installed.value.verdict.violations] == ["/install"]
    stage.install(environment, Action.UNINSTALL)

    with stage.session() as session:
        service = SupplyChainAttestationService(session, stage.settings)
        service.create_key(stage.acme, NewSigningKey(name="the next one"))
        row = session.get_one(Environment, environment)
        row.phase = Phase.DESTROYED
        session.add(row)
        data = EnvironmentDestroyed(environment_id=environment, incarnation=1, generation=1)
        outbox.append(session, data, tenant_id=row.tenant_id, subject=f"environments/{row.id}", actor="system")
    stage.work()
    assert set(stage.states) == {State.SUPERSEDED}


def test_nothing_of_another_tenant_is_seen_or_held(stage: Stage, rival: Principal) -> None:
    stage.trust(ASKS_FOR_SBOM)
    stage.release("1.4.0")
    stage.work()
    (proposal,) = stage.proposals()
    with stage.database.tenant_session(rival.tenant_id) as session:
        service = ProposalService(session)
        assert list(service.page(rival.tenant_id)) == []
        assert service.counts(rival.tenant_id) == {}
        assert service.runs(rival.tenant_id, AGENT.name) == []
        assert service.agent(rival.tenant_id, AGENT.name).open_proposals == 0
        assert service.standing(rival.tenant_id, [f"release:{DIGEST}"]) == []
        assert service.standing(stage.acme.tenant_id, [f"release:{DIGEST}"]) == []
        assert service.blocks_of(stage.acme.tenant_id, proposal.id) == []
