"""DecisionDesk: what policies decided at a gate, signed with the tenant's key and kept beside other evidence."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.attestations.decisions import PolicyDecision
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import AttestationRead
from catalog.attestations.statements import Subject
from catalog.errors import ConflictError
from catalog.gates.service import PolicyDesk
from catalog.policies.models import Evaluation
from catalog.settings import Settings
from catalog.tenancy import Principal


class DecisionDesk:
    """One unit of work on statements about decisions; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._policies = PolicyDesk(session, settings).policies
        self._attestations = SupplyChainAttestationService(session, settings)

    def sign(self, principal: Principal, evaluation_id: UUID) -> list[AttestationRead]:
        """Sign what a gate decided, once: a SLSA verification summary where artifacts are known, and the decision.

        Raises ``NotFoundError`` for an evaluation that the tenant does not have, and ``ConflictError`` for one that no
        gate made: its input was the caller's, or it asked one bundle instead of all that are bound.
        """
        principal.require("attestations:write")
        evaluation = self._policies.evaluation(principal.tenant_id, evaluation_id)
        if evaluation.point is None or not evaluation.bundles:
            raise ConflictError(
                "Slipway vouches for what gates decided by the bundles that are bound. This evaluation was asked for"
                " without a gate, or no bundle was bound."
            )
        return self._attestations.sign_decision(principal, _decision(evaluation))

    def statements(self, principal: Principal, evaluation_id: UUID) -> list[AttestationRead]:
        """Return what was signed of an evaluation, the verification summary first."""
        evaluation = self._policies.evaluation(principal.tenant_id, evaluation_id)
        return self._attestations.decision_statements(principal.tenant_id, _decision(evaluation))


def _decision(evaluation: Evaluation) -> PolicyDecision:
    document: Any = json.loads(evaluation.input)
    known: dict[str, Any] = document if isinstance(document, dict) and evaluation.point is not None else {}
    attestations = [each for each in known.get("attestations", ()) if "envelope" in each]
    return PolicyDecision(
        evaluation=evaluation.id,
        about=evaluation.about,
        allowed=evaluation.allowed,
        level=str(evaluation.level),
        at=evaluation.created_at,
        input_digest=evaluation.input_digest,
        bundles=evaluation.bundles,
        violations=evaluation.violations,
        artifacts=list(_artifacts(known)),
        evidence=[each["envelope"].removeprefix("sha256:") for each in attestations],
    )


def _artifacts(document: dict[str, Any]) -> Iterator[Subject]:
    """Yield the artifacts that a release or a publication is about; the parts of an environment are others' work."""
    found: dict[str, str] = {}
    for each in document.get("release", {}).get("artifacts", ()):
        found.setdefault(each["digest"], each.get("uri") or each["name"])
    if "asset" in document:
        asset = document["asset"]
        found[asset["digest"]] = f"{asset['namespace']}/{asset['name']}@{asset['version']}"
    for digest, name in found.items():
        algorithm, _, text = digest.partition(":")
        if algorithm == "sha256":
            yield Subject(name, algorithm, text)
