"""PolicyAsCodeService on real WebAssembly and a real database: bound, decided, waived, overridden, replayed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from catalog.assets.errors import AssetNotFoundError
from catalog.assets.references import AssetReference
from catalog.clock import now
from catalog.db import Database
from catalog.errors import InvalidInputError, NotFoundError
from catalog.gating import GatePoint, Level
from catalog.policies.bundles import LoadedBundle
from catalog.policies.engine import CompiledBundle, OpaServerEngine, WasmEngine
from catalog.policies.errors import EngineMissingError, NotOverridableError, PersonNeededError
from catalog.policies.models import Mode, ScopeKind
from catalog.policies.rules import UNEVALUATED, Subject
from catalog.policies.service import Asked, Assessment, PolicyAsCodeService, read_evaluation
from catalog.policies.shapes import (
    CreateBinding,
    CreateOverride,
    CreateWaiver,
    EvaluationFilter,
    ReplayedEvaluation,
    Scope,
    Stage,
)
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService

OWNER = """
deny contains {"rule": "owner", "level": "mandatory", "message": "Nobody owns it.", "path": "/release/owner"} if {
    not input.release.owner
}
deny contains {"rule": "notes", "level": "advisory", "message": "There are no notes."} if {
    not input.release.notes
}
"""
CLOCK = 'deny contains {"rule": "clock", "message": sprintf("%d %s", [time.now_ns(), uuid.rfc4122("a")])}'
UNDEFINED = "allow if input.never"
WEB = Subject(
    "releases/web@1.4.0",
    GatePoint.RELEASE,
    service="web",
    labels={"tier": "critical"},
    judged={"digests": ["sha256:a"]},
)


@dataclass
class Shelf:
    """Compiled bundles by name, standing in for those of the marketplace."""

    versions: dict[str, LoadedBundle] = field(default_factory=dict)

    def put(self, asset: str, compiled: CompiledBundle, *roots: str) -> None:
        self.versions[asset] = LoadedBundle(asset, "1.0.0", compiled, roots or ("t",))

    def newest(self, _session: Session, _tenant_id: UUID, reference: AssetReference) -> LoadedBundle:
        return self.exactly(_session, _tenant_id, f"{reference.namespace}/{reference.name}", "")

    def exactly(self, _session: Session, _tenant_id: UUID, asset: str, _version: str) -> LoadedBundle:
        if asset not in self.versions:
            raise AssetNotFoundError(f"There is no asset {asset}.")
        return self.versions[asset]


@dataclass
class Office:
    """A tenant's policies, each call in a transaction of its own."""

    database: Database
    principal: Principal
    shelf: Shelf
    engine: WasmEngine

    def __call__(self, act: Callable[[PolicyAsCodeService], Any]) -> Any:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return act(PolicyAsCodeService(session, self.shelf, self.engine))

    def bind(self, bundle: str = "acme/owner", **asked: Any) -> Any:
        return self(lambda service: service.bind(self.principal, CreateBinding(bundle=bundle, **asked)))

    def unbind(self, binding_id: UUID) -> None:
        self(lambda service: service.unbind(self.principal, binding_id))

    def replay(self, before: Assessment) -> ReplayedEvaluation:
        replayed: ReplayedEvaluation = self(
            lambda service: service.replay(self.principal.tenant_id, before.record.id, self.engine)
        )
        return replayed

    def assess(self, document: Any, subject: Subject = WEB) -> Assessment:
        def act(service: PolicyAsCodeService) -> Assessment:
            assessment = service.assess(Asked(self.principal.tenant_id, "test", subject, document))
            service.keep(assessment)
            return assessment

        found: Assessment = self(act)
        return found


@pytest.fixture
def office(
    database: Database, acme: Principal, compile_policy: Callable[..., CompiledBundle], wasm_engine: WasmEngine
) -> Office:
    shelf = Shelf()
    shelf.put("acme/owner", compile_policy(OWNER, "deny"))
    shelf.put("acme/clock", compile_policy(CLOCK, "deny"), "t/inner")
    shelf.put("acme/undefined", compile_policy(UNDEFINED, "allow"), "other")
    return Office(database, acme, shelf, wasm_engine)


@pytest.fixture
def ann(database: Database, acme: Principal) -> Principal:
    """A person, which the operator of a test is not."""
    with database.tenant_session(acme.tenant_id) as session:
        member = TenantService(session).add_member(acme.tenant_id, "Ann", "ann@example.com", Role.APPROVER)
        return replace(acme, member_id=member.id)


def ruled(assessment: Assessment) -> Mapping[str, str]:
    return {each.rule: str(each.level) for each in assessment.verdict.violations}


def test_nothing_bound_allows_everything_and_is_recorded(office: Office) -> None:
    assessment = office.assess({"release": {}})
    assert assessment.verdict.allowed
    stored = office(lambda service: service.evaluation(office.principal.tenant_id, assessment.record.id))
    assert read_evaluation(stored).input == {"release": {}}


def test_a_binding_decides_and_ends(office: Office) -> None:
    bound = office.bind()
    refused = office.assess({"release": {}})
    assert not refused.verdict.allowed
    assert ruled(refused) == {"owner": "mandatory", "notes": "advisory"}
    assert [each.asset for each in refused.verdict.bundles] == ["acme/owner"]
    assert office.assess({"release": {"owner": "ann"}}).verdict.allowed
    office(lambda service: service.unbind(office.principal, bound.id))
    assert office.assess({"release": {}}).verdict.allowed


def test_scope_and_point_choose_the_subjects(office: Office) -> None:
    office.bind(scope=Scope(kind=ScopeKind.SERVICE, labels={"tier": "critical"}), points=[GatePoint.RELEASE])
    assert not office.assess({}).verdict.allowed
    assert office.assess({}, Subject("releases/x@1", GatePoint.RELEASE, service="x")).verdict.allowed
    elsewhere = Subject("environments/e", GatePoint.ENVIRONMENT_REQUEST, service="web", labels=WEB.labels)
    assert office.assess({}, elsewhere).verdict.allowed


def test_levels_sit_on_the_binding(office: Office) -> None:
    office.bind(level=Level.ADVISORY)
    advised = office.assess({})
    assert advised.verdict.allowed
    assert advised.verdict.level is Level.ADVISORY
    office.bind(level=Level.MANDATORY)
    assert not office.assess({}).verdict.allowed


def test_shadow_is_seen_and_does_not_count(office: Office) -> None:
    office.bind(stages=[Stage(mode=Mode.SHADOW, starts_at=now() - timedelta(hours=1))])
    watched = office.assess({})
    assert watched.verdict.allowed
    assert {each.rule for each in watched.verdict.shadow} == {"owner", "notes"}
    assert watched.verdict.violations == ()


def test_a_policy_without_an_answer_denies(office: Office) -> None:
    office.bind("acme/undefined")
    denied = office.assess({})
    assert not denied.verdict.allowed
    assert ruled(denied) == {UNEVALUATED: "mandatory"}
    assert denied.unanswered


def test_an_answer_that_a_database_cannot_hold_is_kept_and_denies(
    office: Office, compile_policy: Callable[..., CompiledBundle]
) -> None:
    office.shelf.put("acme/nul", compile_policy('deny contains "a\\u0000b"\n', "deny"))
    office.bind("acme/nul")
    denied = office.assess({})
    assert [each.message for each in denied.verdict.violations] == ["a\ufffdb"]
    replayed = office(lambda service: service.replay(office.principal.tenant_id, denied.record.id, office.engine))
    assert (replayed.equal, replayed.differences) == (True, [])


def test_a_bundle_that_is_gone_denies(office: Office) -> None:
    office.bind()
    del office.shelf.versions["acme/owner"]
    assert not office.assess({"release": {"owner": "ann", "notes": "n"}}).verdict.allowed
    effective = office(lambda service: service.effective(office.principal.tenant_id, WEB))
    assert effective.bundles[0].problem == "There is no asset acme/owner."


def test_a_waiver_lets_a_rule_pass_until_it_ends(office: Office) -> None:
    office.bind()
    asked = CreateWaiver(
        rule="owner",
        scope=Scope(kind=ScopeKind.SERVICE, name="web"),
        reason="moving teams",
        owner="ann",
        expires_at=now() + timedelta(days=1),
    )
    waiver = office(lambda service: service.waive(office.principal, asked))
    assessment = office.assess({})
    assert assessment.verdict.allowed
    assert [each.rule for each in assessment.verdict.waived] == ["owner"]
    other = Subject("releases/billing@1", GatePoint.RELEASE, service="billing")
    assert not office.assess({}, other).verdict.allowed
    office(lambda service: service.end_waiver(office.principal, waiver.id))
    assert not office.assess({}).verdict.allowed


@pytest.mark.parametrize("days", [-1, 0, 400])
def test_a_waiver_has_an_end_within_reach(office: Office, days: int) -> None:
    asked = CreateWaiver(
        rule="owner", scope=Scope(), reason="r", owner="ann", expires_at=now() + timedelta(days=days, seconds=-1)
    )
    with pytest.raises(InvalidInputError):
        office(lambda service: service.waive(office.principal, asked))


def test_an_override_is_recorded_and_holds_for_its_subject(office: Office, ann: Principal) -> None:
    office.bind(level=Level.OVERRIDABLE)
    refused = office.assess({})
    assert refused.verdict.level is Level.OVERRIDABLE
    asked = CreateOverride(evaluation=refused.record.id, reason="incident 12", expires_at=now() + timedelta(hours=2))
    with pytest.raises(PersonNeededError):
        office(lambda service: service.override(office.principal, asked))
    override = office(lambda service: service.override(ann, asked))
    assert (override.person, override.about, override.covers) == ("Ann", WEB.about, WEB.judged)
    again = office.assess({})
    assert again.verdict.allowed
    assert [each.rule for each in again.verdict.overridden] == ["owner"]
    others = ({"about": "releases/web@1.5.0"}, {"point": GatePoint.ROLLOUT_STEP}, {"judged": {"digests": ["x"]}})
    for other in others:
        assert not office.assess({}, replace(WEB, **other)).verdict.allowed, other


def test_what_is_mandatory_cannot_be_overridden(office: Office, ann: Principal) -> None:
    office.bind()
    refused = office.assess({})
    asked = CreateOverride(evaluation=refused.record.id, reason="please", expires_at=now() + timedelta(hours=2))
    with pytest.raises(NotOverridableError, match="owner"):
        office(lambda service: service.override(ann, asked))


def test_a_decision_is_made_again_bit_for_bit(office: Office) -> None:
    office.bind()
    office.bind("acme/clock")
    first = office.assess({"release": {"owner": "ä", "n": 1.5}})
    (said,) = (each.message for each in first.verdict.violations if each.rule == "clock")
    assert said.startswith(f"{first.record.now_ns} ")
    # A later question reads another clock and draws anew; making this one again reads what was recorded.
    later = office.assess({"release": {"owner": "ä", "n": 1.5}})
    assert said not in [each.message for each in later.verdict.violations]
    assert later.record.results_digest != first.record.results_digest
    replayed = office.replay(first)
    assert (replayed.equal, replayed.verdict_equal, replayed.differences) == (True, True, [])
    assert (replayed.engine, replayed.engine_version) == (first.record.engine, first.record.engine_version)
    assert "wasmtime " in replayed.engine_version


def test_a_verdict_is_made_again_from_what_counted_then(office: Office, ann: Principal) -> None:
    shadow = Stage(mode=Mode.SHADOW, starts_at=now() - timedelta(hours=1))
    bound = [office.bind(level=Level.OVERRIDABLE), office.bind("acme/clock", stages=[shadow])]
    refused = office.assess({})
    asked = CreateOverride(evaluation=refused.record.id, reason="incident 12", expires_at=now() + timedelta(hours=2))
    office(lambda service: service.override(ann, asked))
    passed = office.assess({})
    assert passed.verdict.allowed
    for each in bound:
        office.unbind(each.id)
    for before in (refused, passed):
        replayed = office.replay(before)
        assert (replayed.equal, replayed.verdict_equal, replayed.differences) == (True, True, [])


def test_a_verdict_that_does_not_follow_is_noticed_by_a_replay(office: Office) -> None:
    office.bind()
    first = office.assess({})

    def change(service: PolicyAsCodeService) -> None:
        row = service.evaluation(office.principal.tenant_id, first.record.id)
        row.allowed, row.violations = True, []

    office(change)
    replayed = office.replay(first)
    assert (replayed.equal, replayed.verdict_equal) == (False, False)
    assert replayed.differences == ["verdict: allowed", "verdict: violations"]


def test_another_kind_of_engine_replays_nothing(office: Office) -> None:
    office.bind()
    first = office.assess({})
    other = OpaServerEngine("http://127.0.0.1:1")
    with pytest.raises(EngineMissingError, match="wasm decided"):
        office(lambda service: service.replay(office.principal.tenant_id, first.record.id, other))
    other.close()


def test_another_bundle_is_noticed_by_a_replay(office: Office, compile_policy: Callable[..., CompiledBundle]) -> None:
    office.bind()
    first = office.assess({})
    office.shelf.put("acme/owner", compile_policy('deny contains "always"', "deny"))
    replayed = office.replay(first)
    assert not replayed.equal
    assert replayed.differences == ["acme/owner t/deny", "verdict: violations"]


def test_secrets_are_neither_seen_nor_stored(office: Office) -> None:
    assessment = office.assess({"environment": {"inputs": {"password": "hunter2"}}})
    assert b"hunter2" not in assessment.record.input


def test_overlapping_roots_are_told_when_a_bundle_is_bound(office: Office) -> None:
    assert office.bind().overlaps == []
    bound = office.bind("acme/clock")
    assert [(each.root, each.bundles) for each in bound.overlaps] == [("t/inner", ("acme/clock", "acme/owner"))]
    effective = office(lambda service: service.effective(office.principal.tenant_id, WEB))
    assert [each.root for each in effective.overlaps] == ["t/inner"]


def test_what_does_not_exist_cannot_be_bound(office: Office) -> None:
    with pytest.raises(InvalidInputError) as refused:
        office.bind("acme/nothing")
    assert refused.value.errors[0].pointer == "/bundle"


def test_evaluations_are_found_by_what_they_say(office: Office) -> None:
    office.bind()
    office.assess({})
    office.assess({"release": {"owner": "ann"}})

    def count(**wanted: Any) -> int:
        found = office(lambda service: service.evaluations(office.principal.tenant_id, EvaluationFilter(**wanted)))
        return len(found)

    assert (count(), count(allowed=False), count(rule="owner"), count(rule="notes")) == (2, 1, 1, 2)
    assert (count(about="releases/web"), count(about="releases/w%"), count(point=GatePoint.PUBLISH)) == (2, 0, 0)


def test_old_evaluations_are_forgotten(office: Office) -> None:
    assessment = office.assess({})
    tenant = office.principal.tenant_id
    assert office(lambda service: service.forget_before(tenant, now() - timedelta(days=1))) == 0
    assert office(lambda service: service.forget_before(tenant, now() + timedelta(seconds=1))) == 1
    with pytest.raises(NotFoundError):
        office(lambda service: service.evaluation(tenant, assessment.record.id))


def test_other_tenants_have_policies_of_their_own(office: Office, rival: Principal) -> None:
    bound = office.bind()
    refused = office.assess({})
    theirs = Office(office.database, rival, office.shelf, office.engine)
    assert theirs.assess({}).verdict.allowed
    with pytest.raises(NotFoundError):
        theirs(lambda service: service.evaluation(rival.tenant_id, refused.record.id))
    with pytest.raises(NotFoundError):
        theirs(lambda service: service.unbind(rival, bound.id))
    asked = CreateOverride(evaluation=refused.record.id, reason="r", expires_at=now() + timedelta(hours=2))
    with theirs.database.tenant_session(rival.tenant_id) as session:
        bob = TenantService(session).add_member(rival.tenant_id, "Bob", "bob@example.com", Role.APPROVER)
        person = replace(rival, member_id=bob.id)
    with pytest.raises(InvalidInputError):
        theirs(lambda service: service.override(person, asked))
    with pytest.raises(NotFoundError):
        theirs(lambda service: service.end_waiver(rival, uuid4()))
