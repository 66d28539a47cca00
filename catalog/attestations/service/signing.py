"""What Slipway signs for a tenant: that a version was published, that an environment came up, what policies decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import rfc8785

from catalog.attestations import queries
from catalog.attestations.decisions import PolicyDecision
from catalog.attestations.dsse import STATEMENT_TYPE, Envelope, pae, write_bundle
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.models import Reliance, SigningKey
from catalog.attestations.predicates import ENVIRONMENT, PUBLISH, RELEASE, VSA, predicate
from catalog.attestations.service.intake import Intake
from catalog.attestations.shapes import AttestationRead, SignStatement
from catalog.attestations.signatures import hint_of, load_public_key
from catalog.attestations.statements import Subject, write_statement
from catalog.attestations.verification import prove
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError
from catalog.tenancy import Principal


class Signing(Intake):
    """Statements of Slipway's own; each goes through the same door as anybody's."""

    def sign(
        self, principal: Principal, subjects: Sequence[Subject], predicate_type: str, content: Mapping[str, Any]
    ) -> AttestationRead:
        """Sign a statement with the tenant's key and keep it; what is signed already by that key is not signed again.

        Raises ``SigningUnavailableError`` where the key cannot be used now.
        """
        key = self.ensure_signing_key(principal)
        known = queries.signed_by(self._session, principal.tenant_id, subjects[0].digest, predicate_type, key.id)
        if known is not None:
            return self._read(principal.tenant_id, [known])[0]
        return self._signed(principal, key, predicate_type, subjects, content)

    def _signed(
        self,
        principal: Principal,
        key: SigningKey,
        predicate_type: str,
        subjects: Sequence[Subject],
        content: Mapping[str, Any],
    ) -> AttestationRead:
        return self.receive(principal, self._bundle(key, predicate_type, subjects, content))[0]

    def _bundle(
        self, key: SigningKey, predicate_type: str, subjects: Sequence[Subject], content: Mapping[str, Any]
    ) -> bytes:
        payload = write_statement(subjects, predicate_type, dict(content))
        signature = self.signature(key, pae(STATEMENT_TYPE, payload))
        return write_bundle(Envelope(payload, STATEMENT_TYPE, signature), hint_of(load_public_key(key.public_key)))

    def seal(self, principal: Principal, subject: Subject, predicate_type: str, content: Mapping[str, Any]) -> bytes:
        """Return a bundle in which the tenant says something of what leaves; nothing of it is kept here.

        Raises ``SigningUnavailableError`` where the key cannot be used now.
        """
        return self._bundle(self.ensure_signing_key(principal), predicate_type, [subject], content)

    def check_seal(self, tenant_id: UUID, data: bytes, about: str, predicate_type: str) -> str:
        """Return who of those that the tenant knows sealed what has the SHA-256 digest ``about`` (hexadecimal).

        Raises ``AttestationRejectedError`` with the reason where nobody did.
        """
        proof = prove(data, self.anchors(tenant_id), now())
        if proof.statement.predicate_type != predicate_type or not proof.statement.is_about(about):
            raise AttestationRejectedError(
                Reason.OTHER_SUBJECT, f"The statement is about something else than sha256:{about}.", "/payload/subject"
            )
        return proof.signer

    def sign_for(self, principal: Principal, asked: SignStatement) -> AttestationRead:
        """Sign what an administrator of the tenant asks for; what only Slipway says is refused."""
        principal.require("attestations:admin")
        if predicate(asked.predicate_type).is_own:
            raise InvalidInputError(
                "This cannot be asked for.",
                [FieldError("/predicate_type", "Slipway signs this kind of statement when the thing itself happens.")],
            )
        subjects = [Subject(each.name, each.algorithm, each.digest) for each in asked.subjects]
        return self.sign(principal, subjects, asked.predicate_type, asked.predicate)

    def sign_published(self, principal: Principal, version: Mapping[str, Any]) -> AttestationRead:
        """Say that the registry took an archive in; ``version`` has the columns of an asset version."""
        asset = f"{version['namespace']}/{version['name']}"
        published: datetime | None = version["published_at"]
        content = {
            "asset": asset,
            "version": version["version"],
            "kind": version["kind"],
            "tree": f"sha256:{version['tree_digest']}",
            "manifest": f"sha256:{version['manifest_digest']}",
            "publisher": principal.tenant_name,
            **({"publishedAt": published.isoformat()} if published is not None else {}),
        }
        subject = Subject(f"{asset}@{version['version']}", "sha256", version["blob_digest"])
        return self.sign(principal, [subject], PUBLISH, content)

    def sign_environment(
        self, principal: Principal, environment_id: UUID, content: Mapping[str, Any], *, relies: bool = True
    ) -> AttestationRead:
        """Say from what an environment came up, and remember that it relies on its blueprint and lock.

        What it came up from before (``relies``: False) is said alone. ``content`` is the predicate; its subject is the
        digest over it without its times (see ``thing_digest``).
        """
        digest = thing_digest(content)
        label = str(content.get("name") or environment_id)
        uses = {
            each["digest"].removeprefix("sha256:"): f"{each['asset']}@{each['version']}"
            for each in [content["blueprint"], *content.get("lock", ())]
            if "digest" in each
        }
        if relies:
            self.rely(principal.tenant_id, "environment", environment_id, label, itself=digest, uses=uses)
        subject = Subject(f"environments/{environment_id}", "sha256", digest)
        return self.sign(principal, [subject], ENVIRONMENT, content)

    def sign_release(
        self, principal: Principal, release_id: UUID, label: str, commit: str, digests: Sequence[str]
    ) -> AttestationRead:
        """Say that artifacts (by SHA-256 digest) are a release, and remember that it relies on them."""
        content = {"releaseId": str(release_id), "name": label, "commit": commit, "artifacts": sorted(digests)}
        itself = thing_digest(content)
        uses = dict.fromkeys(digests, label)
        self.rely(principal.tenant_id, "release", release_id, label, itself=itself, uses=uses)
        subjects = [Subject(f"releases/{release_id}", "sha256", itself)]
        subjects += [Subject(label, "sha256", each) for each in digests]
        return self.sign(principal, subjects, RELEASE, content)

    def sign_decision(self, principal: Principal, decision: PolicyDecision) -> list[AttestationRead]:
        """Say what policies decided at a gate; what is said of an evaluation already is returned as it is."""
        queries.lock(self._session, principal.tenant_id, f"evaluations/{decision.evaluation}")
        known = self.decision_statements(principal.tenant_id, decision)
        if known:
            return known
        key = self.ensure_signing_key(principal)
        return [self._signed(principal, key, *each) for each in decision.statements()]

    def decision_statements(self, tenant_id: UUID, decision: PolicyDecision) -> list[AttestationRead]:
        """Return what Slipway has said of a decision and still counts, the verification summary first."""
        digests = [decision.input_digest, *(each.digest for each in decision.artifacts)]
        rows = queries.said_of_evaluation(self._session, tenant_id, decision.evaluation, digests)
        return self._read(tenant_id, sorted(rows, key=lambda each: each.predicate_type != VSA))

    def rely(
        self, tenant_id: UUID, kind: str, thing_id: UUID, label: str, *, itself: str | None, uses: Mapping[str, str]
    ) -> None:
        """Remember what a thing is and what it is made of, so that a revocation can name it.

        ``itself`` is the thing's own SHA-256 digest, ``uses`` gives digests their role; what was remembered of the
        thing before is replaced.
        """
        queries.lock(self._session, tenant_id, f"{kind}/{thing_id}")
        for old in queries.reliances_of(self._session, tenant_id, kind, thing_id):
            self._session.delete(old)
        self._session.flush()
        parts = {**dict(uses), **({itself: ""} if itself is not None else {})}
        self._session.add_all(
            Reliance(
                tenant_id=tenant_id,
                kind=kind,
                thing_id=thing_id,
                label=label[:300],
                digest=digest,
                is_itself=digest == itself,
                used_as=role[:300],
            )
            for digest, role in parts.items()
        )
        self._session.flush()

    def forget(self, tenant_id: UUID, kind: str, thing_id: UUID) -> None:
        """Remember no longer what a thing relied on, because it is gone."""
        for old in queries.reliances_of(self._session, tenant_id, kind, thing_id):
            self._session.delete(old)
        self._session.flush()


def thing_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 digest of what describes a thing, in canonical JSON (RFC 8785), without its times."""
    lasting = {key: value for key, value in content.items() if not key.endswith("At")}
    return sha256(rfc8785.dumps(lasting)).hexdigest()
