"""Trust policies: what they ask for, and that leaving evidence out never helps."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from catalog.attestations.predicates import EVIDENCE, PROVENANCE, VSA
from catalog.attestations.trust import (
    DEFAULT_POLICY,
    Builder,
    Evidence,
    IdentityRule,
    Requirement,
    Signers,
    TrustPolicy,
    Viewpoint,
    assess,
    matches,
    trust_policy_schema,
)

OWN, PUBLISHER, STRANGER = (UUID(int=number) for number in (1, 2, 3))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
VALIDATOR = Draft202012Validator(trust_policy_schema())
VIEW = Viewpoint(OWN, PUBLISHER, NOW)
KEYS = [f"sha256:{digit * 64}" for digit in "abc"]


def evidence(
    kind: str = "provenance", tenant: UUID = OWN, key: str = KEYS[0], days: float = 0, **facts: Any
) -> Evidence:
    types = {"provenance": PROVENANCE, "vsa": VSA}
    at = NOW - timedelta(days=days)
    return Evidence(uuid4(), tenant, kind, types.get(kind, kind), facts, key, "", "", at)


def is_met(policy: TrustPolicy, *found: Evidence) -> bool:
    return all(each.is_met for each in assess(policy, "asset", found, VIEW))


def asking(evidence: str = "provenance", **more: Any) -> TrustPolicy:
    return TrustPolicy(requirements=[Requirement(evidence=evidence, **more)])


def test_a_policy_without_requirements_asks_for_nothing() -> None:
    assert is_met(TrustPolicy())


def test_evidence_must_be_there_and_of_its_kind() -> None:
    assert not is_met(asking())
    assert not is_met(asking(), evidence("sbom"))
    assert is_met(asking(), evidence())
    assert is_met(asking(PROVENANCE), evidence())


def test_whose_signature_counts() -> None:
    nobody = Signers(own=False, publisher=False)
    assert is_met(asking(), evidence(tenant=PUBLISHER))
    assert not is_met(asking(), evidence(tenant=STRANGER))
    assert not is_met(asking(signers=nobody), evidence())
    assert is_met(asking(signers=Signers(own=False, publisher=False, keys=[KEYS[1]])), evidence(key=KEYS[1]))
    rule = IdentityRule(issuer="https://id.example.com", subject="https://example.com/acme/*@refs/tags/*")
    policy = asking(signers=Signers(own=False, publisher=False, identities=[rule]))
    signed = Evidence(
        uuid4(), OWN, "provenance", PROVENANCE, {}, "", rule.issuer, "https://example.com/acme/ci@refs/tags/v1", NOW
    )
    assert is_met(policy, signed)
    other = Evidence(
        uuid4(), OWN, "provenance", PROVENANCE, {}, "", rule.issuer, "https://example.com/evil/ci@refs/tags/v1", NOW
    )
    assert not is_met(policy, other)


def test_age_builder_level_and_number() -> None:
    assert not is_met(asking(max_age_days=30), evidence(days=31))
    assert is_met(asking(max_age_days=30), evidence(days=31), evidence(days=1))
    named = asking(builders=["https://ci.example.com/*"])
    assert is_met(named, evidence(builder="https://ci.example.com/7"))
    assert not is_met(named, evidence(builder="https://laptop.example.com"))
    levels = TrustPolicy(
        builders=[Builder(id="https://ci.example.com/*", level=3)],
        requirements=[Requirement(evidence="provenance", least_slsa_level=2)],
    )
    assert is_met(levels, evidence(builder="https://ci.example.com/7"))
    assert not is_met(levels, evidence(builder="https://laptop.example.com"))
    assert is_met(levels, evidence("vsa", result="PASSED", levels=["SLSA_BUILD_LEVEL_3"]))
    assert not is_met(levels, evidence("vsa", result="FAILED", levels=["SLSA_BUILD_LEVEL_3"]))
    assert not is_met(asking(at_least=2), evidence(), evidence())
    assert is_met(asking(at_least=2), evidence(), evidence(key=KEYS[1]))


def test_failures_do_not_count_and_do_not_harm() -> None:
    policy = asking("test-result")
    assert not is_met(policy, evidence("test-result", result="FAILED"))
    assert is_met(policy, evidence("test-result", result="FAILED"), evidence("test-result", result="PASSED"))


patterns = st.sampled_from(["*", "https://a/*", "https://b", "*b"])
signers = st.builds(
    Signers,
    own=st.booleans(),
    publisher=st.booleans(),
    keys=st.lists(st.sampled_from(KEYS), max_size=2),
    identities=st.lists(st.builds(IdentityRule, issuer=st.sampled_from(["i", "j"]), subject=patterns), max_size=2),
)
requirements = st.builds(
    Requirement,
    evidence=st.sampled_from(EVIDENCE),
    applies_to=st.sets(st.sampled_from(["asset", "environment"]), min_size=1).map(sorted),
    signers=st.none() | signers,
    builders=st.lists(patterns, max_size=2),
    least_slsa_level=st.none() | st.integers(1, 4),
    max_age_days=st.none() | st.integers(1, 60),
    at_least=st.integers(1, 3),
)
policies = st.builds(
    TrustPolicy,
    signers=signers,
    builders=st.lists(st.builds(Builder, id=patterns, level=st.integers(0, 4)), max_size=3),
    requirements=st.lists(requirements, max_size=4),
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "builder": st.sampled_from(["https://a/1", "https://b"]),
        "result": st.sampled_from(["PASSED", "FAILED"]),
        "levels": st.lists(st.sampled_from(["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_3", "nonsense"]), max_size=2),
    },
)
attestations = st.builds(
    Evidence,
    id=st.uuids(),
    tenant_id=st.sampled_from([OWN, PUBLISHER, STRANGER]),
    evidence=st.sampled_from(EVIDENCE),
    predicate_type=st.just(PROVENANCE),
    facts=facts,
    key_id=st.sampled_from(["", *KEYS]),
    issuer=st.sampled_from(["i", "j"]),
    identity=st.sampled_from(["https://a/x", "https://b"]),
    at=st.integers(0, 90).map(lambda days: NOW - timedelta(days=days)),
)


@given(policies, st.lists(attestations, max_size=8), st.data())
def test_leaving_an_attestation_out_never_helps(
    policy: TrustPolicy, found: list[Evidence], data: st.DataObject
) -> None:
    kept = [each for each in found if data.draw(st.booleans())]
    for kind in ("asset", "environment"):
        with_all = assess(policy, kind, found, VIEW)
        with_less = assess(policy, kind, kept, VIEW)
        for whole, less in zip(with_all, with_less, strict=True):
            assert whole.is_met or not less.is_met
            assert set(less.counted) <= set(whole.counted)


@given(policies)
def test_policies_are_what_their_schema_says(policy: TrustPolicy) -> None:
    VALIDATOR.validate(policy.model_dump(mode="json"))
    assert TrustPolicy.model_validate(policy.model_dump(mode="json")) == policy


def test_the_schema_and_the_model_refuse_alike() -> None:
    documents: list[dict[str, Any]] = [
        {"unknown": 1},
        {"requirements": [{}]},
        {"requirements": [{"evidence": "x", "at_least": 0}]},
    ]
    for document in documents:
        assert not VALIDATOR.is_valid(document)
        with pytest.raises(ValidationError):
            TrustPolicy.model_validate(document)


def test_the_default_asks_what_slipway_signs_itself() -> None:
    assert not is_met(DEFAULT_POLICY)
    assert is_met(DEFAULT_POLICY, evidence("publish", PUBLISHER))


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_patterns_mean_what_they_say(pattern: str, text: str) -> None:
    def naive(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(naive(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and text[0] == pattern[0] and naive(pattern[1:], text[1:])

    assert matches(pattern, text) == naive(pattern, text)
