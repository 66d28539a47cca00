"""What a tenant trusts: the policy as a document, and its evaluation over evidence.

A policy only ever asks for evidence to be there; nothing in it can be failed by evidence that is there. So leaving an
attestation out never makes a requirement easier to meet (the monotonic principle of the in-toto framework).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from catalog.assets.findings import storable

SCHEMA_ID = "https://slipway.dev/schemas/trust-policy/v1"
SubjectKind = Literal["asset", "environment", "release", "file"]
_LEVEL = re.compile(r"SLSA_BUILD_LEVEL_([0-4])")
_UNLISTED_BUILDER = 1
"""The level of a build whose provenance is signed by somebody trusted but whose builder the policy does not rate."""

Text = Annotated[str, AfterValidator(storable)]
Pattern = Annotated[Text, Field(min_length=1, max_length=500, description="A text in which * stands for anything.")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"additionalProperties": False})


class IdentityRule(_Part):
    """A workflow or person that an OpenID provider vouches for, by issuer and subject."""

    issuer: Text = Field(min_length=1, max_length=500, examples=["https://token.actions.githubusercontent.com"])
    subject: Pattern = Field(examples=["https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*"])

    def fits(self, issuer: str, subject: str) -> bool:
        """Tell whether an identity is meant."""
        return issuer == self.issuer and matches(self.subject, subject)


class Signers(_Part):
    """Whose signature counts; any one of these is enough."""

    own: bool = Field(default=True, description="Keys and identities of this tenant.")
    publisher: bool = Field(default=True, description="Keys and identities of the asset's publisher.")
    keys: list[Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = Field(
        default=[], max_length=200, description="Keys by their id, whoever registered them."
    )
    identities: list[IdentityRule] = Field(default_factory=list, max_length=200)


class Builder(_Part):
    """How far a builder is trusted: the SLSA build level that its provenance is worth."""

    id: Pattern = Field(examples=["https://github.com/actions/runner/*"])
    level: int = Field(ge=0, le=4)


class Requirement(_Part):
    """One piece of evidence that must be there, for each kind of thing in ``applies_to``."""

    evidence: Text = Field(
        min_length=1, max_length=500, description="Such as provenance, sbom or publish, or the URI of a predicate type."
    )
    applies_to: list[SubjectKind] = Field(default=["asset"], min_length=1)
    signers: Signers | None = Field(default=None, description="Whose signature counts here, instead of the policy's.")
    builders: list[Pattern] = Field(default=[], max_length=100, description="Builders that provenance may name.")
    least_slsa_level: int | None = Field(default=None, ge=1, le=4)
    max_age_days: int | None = Field(default=None, ge=1, le=36500)
    at_least: int = Field(default=1, ge=1, le=20, description="How many different signers must have said so.")


class TrustPolicy(_Part):
    """What must be proven before this tenant trusts an artifact."""

    schema_version: Literal["slipway/trust/v1"] = "slipway/trust/v1"
    signers: Signers = Field(default_factory=Signers)
    builders: list[Builder] = Field(default_factory=list, max_length=200)
    requirements: list[Requirement] = Field(default_factory=list, max_length=100)


DEFAULT_POLICY = TrustPolicy(
    requirements=[
        Requirement(evidence="publish"),
        Requirement(evidence="environment", applies_to=["environment"]),
    ]
)
"""What holds for a tenant that has not said otherwise: its registry vouches for each version and environment."""


def trust_policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of trust policies."""
    schema = TrustPolicy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


@dataclass(frozen=True)
class Evidence:
    """A verified attestation as a policy sees it.

    ``tenant_id`` is whose keys verified it, ``at`` when it was signed where that is proven, else when it arrived.
    """

    id: UUID
    tenant_id: UUID
    evidence: str
    predicate_type: str
    facts: dict[str, Any]
    key_id: str
    issuer: str
    identity: str
    at: datetime

    @property
    def signer(self) -> str:
        """Return what tells one signer from another."""
        return self.key_id or f"{self.issuer} {self.identity}"


@dataclass(frozen=True)
class Viewpoint:
    """From where evidence is judged: the tenant that asks, the publisher of the artifact if it is one, and when."""

    tenant_id: UUID
    publisher_id: UUID | None
    moment: datetime


@dataclass(frozen=True)
class Outcome:
    """How a requirement came out: the evidence that met it, or what keeps each candidate from counting."""

    requirement: Requirement
    is_met: bool
    counted: tuple[UUID, ...]
    detail: str


def assess(
    policy: TrustPolicy, kind: SubjectKind, evidence: Sequence[Evidence], view: Viewpoint
) -> tuple[Outcome, ...]:
    """Return how each requirement for this kind of thing comes out."""
    wanted = [each for each in policy.requirements if kind in each.applies_to]
    return tuple(_outcome(policy, requirement, evidence, view) for requirement in wanted)


def is_trusted_signer(signers: Signers, each: Evidence, view: Viewpoint) -> bool:
    """Tell whether a signature counts for a viewer."""
    if signers.own and each.tenant_id == view.tenant_id:
        return True
    if signers.publisher and view.publisher_id is not None and each.tenant_id == view.publisher_id:
        return True
    if each.key_id:
        return each.key_id in signers.keys
    return any(rule.fits(each.issuer, each.identity) for rule in signers.identities)


def matches(pattern: str, text: str) -> bool:
    """Tell whether ``text`` fits ``pattern``, in which ``*`` stands for anything; linear in the length of both."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    place = len(first)
    *middle, last = rest
    for part in middle:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - len(last) >= place and text.endswith(last)


def _outcome(policy: TrustPolicy, wanted: Requirement, evidence: Iterable[Evidence], view: Viewpoint) -> Outcome:
    counted: list[Evidence] = []
    refused: list[str] = []
    for each in evidence:
        if not _is_candidate(wanted, each):
            continue
        obstacle = _obstacle(policy, wanted, each, view)
        if obstacle:
            refused.append(obstacle)
        else:
            counted.append(each)
    signers = {each.signer for each in counted}
    if len(signers) >= wanted.at_least:
        return Outcome(wanted, is_met=True, counted=tuple(each.id for each in counted), detail="")
    if counted:
        detail = f"{len(signers)} of {wanted.at_least} signers vouch for it."
    else:
        detail = " ".join(dict.fromkeys(refused)) or f"There is no {wanted.evidence} attestation."
    return Outcome(wanted, is_met=False, counted=tuple(each.id for each in counted), detail=detail)


def _is_candidate(wanted: Requirement, each: Evidence) -> bool:
    if wanted.evidence in {each.evidence, each.predicate_type}:
        return True
    # A verification summary may stand for the provenance that its verifier saw.
    return wanted.evidence == "provenance" and wanted.least_slsa_level is not None and each.evidence == "vsa"


def _obstacle(policy: TrustPolicy, wanted: Requirement, each: Evidence, view: Viewpoint) -> str:
    """Return what keeps a candidate from counting, "" where nothing does."""
    return next(_obstacles(policy, wanted, each, view), "")


def _obstacles(policy: TrustPolicy, wanted: Requirement, each: Evidence, view: Viewpoint) -> Iterator[str]:
    if not is_trusted_signer(wanted.signers or policy.signers, each, view):
        yield f"The {each.evidence} attestation is signed by somebody whom the policy does not name."
    if wanted.max_age_days is not None and view.moment - each.at > timedelta(days=wanted.max_age_days):
        yield f"The {each.evidence} attestation is older than {wanted.max_age_days} days."
    if each.evidence == "vsa" and each.facts.get("result") != "PASSED":
        yield "The verification summary says FAILED."
    if each.evidence == "test-result" and each.facts.get("result") == "FAILED":
        yield "The test result says FAILED."
    builder = str(each.facts.get("builder", ""))
    if wanted.builders and each.evidence == "provenance" and not any(matches(p, builder) for p in wanted.builders):
        yield f"The builder {builder} is not one of those that the policy names."
    if wanted.builders and each.evidence == "vsa" and wanted.evidence == "provenance":
        yield "A verification summary does not say which builder was used."
    level = _level(policy, each)
    if wanted.least_slsa_level is not None and level < wanted.least_slsa_level:
        yield f"It reaches SLSA build level {level}, and {wanted.least_slsa_level} is asked for."


def _level(policy: TrustPolicy, each: Evidence) -> int:
    if each.evidence == "vsa":
        found = [_LEVEL.fullmatch(str(level)) for level in each.facts.get("levels", ())]
        return max((int(level[1]) for level in found if level), default=0)
    if each.evidence != "provenance":
        return 0
    builder = str(each.facts.get("builder", ""))
    return max((rule.level for rule in policy.builders if matches(rule.id, builder)), default=_UNLISTED_BUILDER)
