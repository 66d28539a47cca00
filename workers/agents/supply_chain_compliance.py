"""SupplyChainComplianceAgent: holds each release and environment to what the tenant's trust policy asks for."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.attestations.events import (
    AttestationAged,
    AttestationInvalidated,
    AttestationVerified,
    RelianceAffected,
    TrustPolicyChanged,
)
from catalog.attestations.models import Verdict
from catalog.attestations.predicates import ALIASES, predicate
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Assessment, VerifySubject
from catalog.environments.events import EnvironmentDestroyed, EnvironmentReady
from catalog.environments.models import Environment, Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import NotFoundError
from catalog.events.registry import EventData
from catalog.proposals.models import Autonomy, Proposal
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import BLOCK, BlockAsked, Fact, Finding, MissingEvidence, ProposedAction, Remedy
from catalog.releases.events import ReleaseCreated
from catalog.releases.service import ReleaseService
from workers.runtime.agent import AT_ONCE, Agent, Facts, Later

AGENT = Agent(
    "supply_chain_compliance",
    title="Supply-chain compliance",
    summary="Checks each release and environment against your trust policy, blocks what falls short, and says how to "
    "mend it. When the evidence arrives, the block ends.",
    usual=Autonomy.ACT,
)
_COMMANDS = {predicate(uri).evidence: alias for alias, uri in reversed(ALIASES.items())} | {"sbom": "cyclonedx"}
"""What ``slipway attest --type`` calls each kind of evidence."""
_MOST_INVALIDATED = 20


@dataclass(frozen=True)
class _Thing:
    """What is judged, as people know it: ``names`` gives digests (``sha256:...``) the names of artifacts."""

    subject: str
    label: str
    names: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | None = None


@dataclass(frozen=True)
class _Shortfall:
    """One piece of evidence that one part lacks; ``part`` is the assessment of that part."""

    part: Assessment
    about: str
    evidence: str
    detail: str
    key: str


@AGENT.concerns(
    ReleaseCreated,
    EnvironmentReady,
    EnvironmentDestroyed,
    AttestationVerified,
    AttestationInvalidated,
    AttestationAged,
    RelianceAffected,
    TrustPolicyChanged,
)
def concerned(facts: Facts, happened: EventData, after: str) -> Sequence[str]:
    """Return the releases and environments that an event is about; a change of what is trusted concerns all of them."""
    service = SupplyChainAttestationService(facts.session, facts.settings)
    tenant_id = facts.principal.tenant_id
    match happened:
        case ReleaseCreated():
            return [f"releases/{happened.release_id}"]
        case EnvironmentReady() | EnvironmentDestroyed():
            return [f"environments/{happened.environment_id}"]
        case AttestationVerified() | AttestationInvalidated() | AttestationAged() | RelianceAffected():
            return service.things_with(tenant_id, _digests(service, tenant_id, happened))
        case _:
            return service.things(tenant_id, after, AT_ONCE)


def _digests(
    service: SupplyChainAttestationService,
    tenant_id: UUID,
    happened: AttestationVerified | AttestationInvalidated | AttestationAged | RelianceAffected,
) -> list[str]:
    """Return the SHA-256 digests that a statement is about; the event itself names some of its subjects only."""
    try:
        subjects = service.get(tenant_id, happened.attestation_id).subjects
    except NotFoundError:  # its publisher shows it no longer
        return [each.removeprefix("sha256:") for each in happened.subjects]
    return [each.digest for each in subjects if each.algorithm == "sha256"]


@AGENT.looks
def look(facts: Facts, subject: str) -> Finding | None:
    """Return what a release or an environment lacks under the tenant's trust policy, None where nothing is missing."""
    thing = _thing(facts, subject)
    if thing is None:
        return None
    service = SupplyChainAttestationService(facts.session, facts.settings)
    try:
        judged = service.verify(facts.principal.tenant_id, VerifySubject(subject=subject))
    except NotFoundError as error:
        raise Later(error.detail) from None
    shortfalls = list(_shortfalls(thing, judged))
    version = f"version {judged.policy_version}" if judged.policy_version else "the default"
    verdict = f"lacks {_listed(shortfalls)}" if shortfalls else "has all that is asked for"
    facts.see(f"{thing.label} {verdict}", f"Trust policy: {version}.", f"/{subject}", is_fault=bool(shortfalls))
    if not shortfalls:
        return None
    asked = BlockAsked(missing=_missing(thing, shortfalls), holds=[subject])
    return Finding(
        kind="missing_evidence",
        label=thing.label,
        title=f"{thing.label} lacks {_listed(shortfalls)}"[:300],
        summary=" ".join(dict.fromkeys(f"{each.about}: {each.detail}" for each in shortfalls))[:5000],
        evidence=_facts(service, facts, thing, shortfalls, f"Trust policy, {version}"),
        action=ProposedAction(
            kind=BLOCK,
            title=f"Block whatever uses it until {_listed(shortfalls)} is there",
            parameters=asked.model_dump(mode="json"),
        ),
        steps=_steps(service, facts, thing, shortfalls),
        same_by={"missing": sorted([each.key, each.evidence] for each in shortfalls)},
        days=90,
    )


@AGENT.acts(BLOCK)
def block(facts: Facts, proposal: Proposal) -> str:
    """Let gates stop what falls short until the evidence is there."""
    asked = BlockAsked.model_validate(proposal.action["parameters"])
    ProposalService(facts.session).block(proposal, asked)
    evidence = ", ".join(dict.fromkeys(each.evidence for each in asked.missing))
    return f"Blocked {proposal.label} until {evidence} is there."


def _thing(facts: Facts, subject: str) -> _Thing | None:
    """Return what a subject is, None where it is gone: nothing is asked of what is not there."""
    area, _, identifier = subject.partition("/")
    tenant_id = facts.principal.tenant_id
    try:
        if area == "releases":
            release = ReleaseService(facts.session).get(tenant_id, UUID(identifier))
            names = {each["digest"]: each["name"] for each in release.artifacts}
            return _Thing(subject, f"{release.service} {release.version}", names)
        environment = EphemeralEnvironmentService(facts.session, facts.settings).get(tenant_id, UUID(identifier))
    except NotFoundError:
        return None
    if environment.phase is Phase.DESTROYED:
        return None
    names = {each["digest"]: f"{each['asset']}@{each['version']}" for each in environment.locked}
    return _Thing(subject, environment.name, names, environment)


def _shortfalls(thing: _Thing, judged: Assessment) -> Iterator[_Shortfall]:
    for part in (judged, *judged.uses):
        is_whole = part is judged
        about = thing.label if is_whole else thing.names.get(part.digest, part.subject)
        # A release and an environment are held by their own names, what they are made of by its digest and role.
        key = thing.subject if is_whole else f"{part.kind}:{part.digest}"
        for each in part.missing:
            yield _Shortfall(part, about, each.evidence, each.detail, key)


def _missing(thing: _Thing, shortfalls: Sequence[_Shortfall]) -> list[MissingEvidence]:
    return [
        MissingEvidence(
            key=each.key,
            about=each.about[:300],
            evidence=each.evidence,
            detail=each.detail[:2000],
            fix=_fix(thing, each).command or _fix(thing, each).title,
        )
        for each in shortfalls
    ]


def _facts(
    service: SupplyChainAttestationService,
    facts: Facts,
    thing: _Thing,
    shortfalls: Sequence[_Shortfall],
    policy: str,
) -> list[Fact]:
    listed = [Fact(title=f"{thing.label}, as it was judged", href=f"/{thing.subject}")]
    listed += [
        Fact(title=f"{each.about} has no {each.evidence} that counts"[:300], detail=each.detail[:2000], is_fault=True)
        for each in shortfalls
    ]
    listed += [
        Fact(title=f"{each.attestation.title} by {each.attestation.signer}"[:300], href=_page(each.attestation.id))
        for part in {id(each.part): each.part for each in shortfalls}.values()
        for each in part.checked
    ]
    listed += [
        Fact(
            title=f"{each.title} by {each.signer} no longer counts"[:300],
            detail=(each.detail or each.reason or "")[:2000],
            href=_page(each.id),
            is_fault=True,
        )
        for each in _invalidated(service, facts, shortfalls)
    ]
    return [*listed, Fact(title=policy, href="/attestations/trust-policy")][:200]


def _invalidated(service: SupplyChainAttestationService, facts: Facts, shortfalls: Sequence[_Shortfall]) -> list[Any]:
    """Return statements about the parts that fall short and that were evidence before their signer was revoked."""
    digests = dict.fromkeys(each.part.digest.removeprefix("sha256:") for each in shortfalls)
    found = [
        each
        for digest in digests
        for each in service.page(
            facts.principal.tenant_id,
            verdicts=(Verdict.INVALIDATED,),
            digest=("sha256", digest),
            limit=_MOST_INVALIDATED,
        )
    ]
    return list({each.id: each for each in found}.values())


def _steps(
    service: SupplyChainAttestationService, facts: Facts, thing: _Thing, shortfalls: Sequence[_Shortfall]
) -> list[Remedy]:
    steps = []
    if _invalidated(service, facts, shortfalls) and service.signing_key(facts.principal.tenant_id) is None:
        steps.append(
            Remedy(
                title="Rotate the key",
                detail="The key behind earlier evidence is revoked: make another one, then sign again.",
                href="/attestations/keys",
            )
        )
    steps += [_fix(thing, each) for each in shortfalls]
    return list({(each.title, each.command): each for each in steps}.values())[:50]


def _fix(thing: _Thing, shortfall: _Shortfall) -> Remedy:
    evidence = shortfall.evidence.partition(" at SLSA level ")[0]
    if evidence == "environment" and thing.environment is not None:
        return Remedy(
            title="Rebuild the environment, so that it is signed again",
            command=_rebuild(thing.environment),
        )
    if evidence in {"publish", "release", "environment"}:
        title = f"Slipway signs the {evidence} statement of {shortfall.about} itself: see why it could not"
        return Remedy(title=title[:300], command="slipway dead-letters list")
    kind = shlex.quote(_COMMANDS.get(evidence, evidence))
    file = shlex.quote(f"{evidence if evidence in _COMMANDS else 'predicate'}.json")
    return Remedy(
        title=f"Attest {shortfall.evidence} of {shortfall.about}"[:300],
        command=f"slipway attest {shortfall.part.digest} --predicate {file} --type {kind}",
        detail=shortfall.detail[:2000],
    )


def _rebuild(environment: Environment) -> str:
    request = [
        *("slipway", "env", "request", "--repo", environment.repository, "--pr", str(environment.pull_request)),
        *("--blueprint", f"{environment.blueprint}@{environment.blueprint_version}"),
    ]
    for name, value in environment.inputs.items():
        if isinstance(value, str | int | float | bool):
            request += ["--set", f"{name}={value}" if isinstance(value, str) else f"{name}:={str(value).lower()}"]
    return f"slipway env destroy {shlex.quote(environment.name)} --wait && {shlex.join(request)}"


def _listed(shortfalls: Sequence[_Shortfall]) -> str:
    names = list(dict.fromkeys(each.evidence for each in shortfalls))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _page(attestation_id: UUID) -> str:
    return f"/attestations/{attestation_id}"
