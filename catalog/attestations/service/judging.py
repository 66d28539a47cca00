"""Trust policies, and what is proven about an artifact under one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.assets.service import AssetService
from catalog.attestations import queries
from catalog.attestations.errors import TrustPolicyConflictError
from catalog.attestations.events import TrustPolicyChanged
from catalog.attestations.models import Attestation, Reliance, TrustPolicyVersion
from catalog.attestations.service.signing import Signing
from catalog.attestations.shapes import (
    Assessment,
    Checked,
    Missing,
    SetTrustPolicy,
    TrustPolicyRead,
    VerifySubject,
)
from catalog.attestations.trust import (
    DEFAULT_POLICY,
    Evidence,
    Outcome,
    SubjectKind,
    TrustPolicy,
    Viewpoint,
    assess,
    is_trusted_signer,
)
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.tenancy import Principal

_MOST_EVIDENCE = 500
_FIXES = {
    "publish": "Slipway signs this when a version is published; where it is missing, look at the dead letters.",
    "environment": "Slipway signs this when an environment is ready; where it is missing, look at the dead letters.",
    "provenance": "Let the build sign SLSA provenance, such as with slipway asset build --sign KEY, and send it with "
    "slipway attest.",
    "sbom": "Attach a bill of materials: slipway attest FILE --predicate sbom.json --type cyclonedx",
}


@dataclass(frozen=True)
class _Thing:
    """What is judged: ``label`` as it was asked for, its digest, and who published it where that is known."""

    label: str
    kind: SubjectKind
    digest: str
    publisher_id: UUID | None
    parts: Sequence[Reliance] = ()


class Judging(Signing):
    """What a tenant trusts, and why."""

    def trust_policy(self, tenant_id: UUID) -> TrustPolicyRead:
        """Return the policy that holds for the tenant; version 0 is the one of those who have said nothing."""
        found = queries.trust_policies(self._session, tenant_id, 1)
        if not found:
            return TrustPolicyRead(version=0, document=DEFAULT_POLICY, note="", created_by="Slipway", created_at=None)
        return _policy_read(found[0])

    def trust_policy_versions(self, tenant_id: UUID, limit: int = 50) -> list[TrustPolicyRead]:
        """Return the versions of the tenant's policy, newest first."""
        return [_policy_read(each) for each in queries.trust_policies(self._session, tenant_id, limit)]

    def set_trust_policy(self, principal: Principal, asked: SetTrustPolicy) -> TrustPolicyRead:
        """Let another policy hold; raise ``TrustPolicyConflictError`` where it was not written from the present one."""
        principal.require("attestations:admin")
        queries.lock(self._session, principal.tenant_id, "trust-policy")
        present = self.trust_policy(principal.tenant_id)
        if present.version != asked.version:
            raise TrustPolicyConflictError(
                f"The trust policy is at version {present.version} by now, and this was written from {asked.version}. "
                "Look at what changed and send it again."
            )
        row = TrustPolicyVersion(
            tenant_id=principal.tenant_id,
            version=present.version + 1,
            document=asked.document.model_dump(mode="json"),
            note=asked.note,
            created_by=principal.name,
        )
        self._session.add(row)
        self._session.flush()
        data = TrustPolicyChanged(version=row.version, note=row.note)
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject="trust-policies", actor=principal.actor)
        return _policy_read(row)

    def verify(self, tenant_id: UUID, asked: VerifySubject) -> Assessment:
        """Return what is proven about a subject, and what is missing under the tenant's policy or the one given.

        Raises ``NotFoundError`` for an asset, environment or release that the tenant may not see, and
        ``InvalidInputError`` for a subject that names nothing.
        """
        present = None if asked.policy is not None else self.trust_policy(tenant_id)
        policy = asked.policy or (present.document if present is not None else DEFAULT_POLICY)
        thing = self._thing(tenant_id, asked.subject, asked.kind)
        return self._assess(tenant_id, thing, policy, None if present is None else present.version)

    def assess_digest(
        self,
        tenant_id: UUID,
        digest: str,
        kind: SubjectKind,
        publisher_id: UUID | None = None,
        most: int = _MOST_EVIDENCE,
    ) -> Assessment:
        """Return what is proven about the artifact with a SHA-256 digest under the tenant's policy.

        At most ``most`` statements are looked at; ``is_complete`` of the answer says whether these are all.
        """
        present = self.trust_policy(tenant_id)
        thing = _Thing(f"sha256:{digest}", kind, digest, publisher_id)
        return self._assess(tenant_id, thing, present.document, present.version, most)

    def _assess(
        self, tenant_id: UUID, thing: _Thing, policy: TrustPolicy, version: int | None, most: int = _MOST_EVIDENCE
    ) -> Assessment:
        view = Viewpoint(tenant_id, thing.publisher_id, now())
        whose = {tenant_id, *([thing.publisher_id] if thing.publisher_id is not None else [])}
        heard = queries.heard(self._session, whose, thing.digest, most + 1)
        rows = sorted(heard[:most], key=lambda row: (row.received_at, row.id), reverse=True)
        evidence = [_evidence(row) for row in rows]
        # What is asked of a release is asked of each of its artifacts.
        is_whole = thing.kind == "release" and any(not part.is_itself for part in thing.parts)
        outcomes = () if is_whole else assess(policy, thing.kind, evidence, view)
        uses = [
            self._assess(tenant_id, self._part(part, thing.kind), policy, version)
            for part in thing.parts
            if not part.is_itself
        ]
        return Assessment(
            subject=thing.label,
            kind=thing.kind,
            digest=f"sha256:{thing.digest}",
            trusted=all(each.is_met for each in outcomes) and all(each.trusted for each in uses),
            policy_version=version,
            checked=[
                Checked(
                    attestation=read,
                    is_trusted_signer=is_trusted_signer(policy.signers, each, view),
                    counts_for=[name(o) for o in outcomes if each.id in o.counted],
                )
                for read, each in zip(self._read(tenant_id, rows), evidence, strict=True)
            ],
            met=[name(each) for each in outcomes if each.is_met],
            missing=[
                Missing(evidence=name(each), detail=each.detail, fix=_FIXES.get(each.requirement.evidence, _FIX))
                for each in outcomes
                if not each.is_met
            ],
            uses=uses,
            is_complete=len(heard) <= most and all(each.is_complete for each in uses),
            judged_at=view.moment,
        )

    def _thing(self, tenant_id: UUID, subject: str, kind: SubjectKind) -> _Thing:
        if subject.startswith("sha256:"):
            digest = subject.removeprefix("sha256:")
            if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
                raise _no_subject("A SHA-256 digest has 64 digits, in lower case.")
            return _Thing(subject, kind, digest, queries.publisher_of(self._session, digest))
        area, _, rest = subject.partition("/")
        if area in {"environments", "releases"}:
            return self._made_thing(tenant_id, area, rest, subject)
        reference, _, version = subject.partition("@")
        namespace, slash, asset = reference.partition("/")
        if not slash:
            raise _no_subject("Name sha256:DIGEST, NAMESPACE/NAME@VERSION, environments/ID or releases/ID.")
        service = AssetService(self._session)
        found = service.get_version(tenant_id, namespace, asset, version or "latest")
        owner = service.version_by_id(tenant_id, found.id).tenant_id
        return _Thing(f"{namespace}/{asset}@{found.version}", "asset", found.blob_digest, owner)

    def _made_thing(self, tenant_id: UUID, area: str, identifier: str, subject: str) -> _Thing:
        kind: SubjectKind = "environment" if area == "environments" else "release"
        try:
            thing_id = UUID(identifier)
        except ValueError:
            raise _no_subject(f"{identifier} is not the id of anything.") from None
        parts = queries.reliances_of(self._session, tenant_id, kind, thing_id)
        own = next((each for each in parts if each.is_itself), None)
        if own is None:
            raise NotFoundError(f"Nothing is recorded of {subject}.")
        return _Thing(f"{area}/{thing_id}", kind, own.digest, tenant_id, parts)

    def _part(self, part: Reliance, whole: SubjectKind) -> _Thing:
        publisher = queries.publisher_of(self._session, part.digest)
        if whole == "release":
            return _Thing(part.used_as, "release", part.digest, publisher)
        return _Thing(part.used_as, "asset" if publisher is not None else "file", part.digest, publisher)


def name(outcome: Outcome) -> str:
    """Return what a requirement asks for, as reports call it."""
    wanted = outcome.requirement
    level = f" at SLSA level {wanted.least_slsa_level}" if wanted.least_slsa_level is not None else ""
    return f"{wanted.evidence}{level}"


_FIX = "Send it with slipway attest, signed by a signer that the trust policy names."


def _evidence(row: Attestation) -> Evidence:
    return Evidence(
        id=row.id,
        tenant_id=row.tenant_id,
        evidence=row.evidence,
        predicate_type=row.predicate_type,
        facts=row.facts,
        key_id=row.key_id,
        issuer=row.issuer,
        identity=row.identity,
        at=_at(row),
    )


def _at(row: Attestation) -> datetime:
    return row.signed_at or row.received_at


def _policy_read(row: TrustPolicyVersion) -> TrustPolicyRead:
    return TrustPolicyRead(
        version=row.version,
        document=TrustPolicy.model_validate(row.document),
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _no_subject(detail: str) -> InvalidInputError:
    return InvalidInputError("The subject is not valid.", [FieldError("/subject", detail)])
