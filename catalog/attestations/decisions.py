"""What policies decided at a gate, as two statements: a SLSA verification summary, and all of the decision.

Source of the first: SLSA 1.1, verification summary attestation v1. It names the policies by one digest alone, because
it may travel with a public artifact to tenants that have no business with the policies of this one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import rfc8785

from catalog.attestations.predicates import POLICY_DECISION, VSA
from catalog.attestations.statements import Subject

VERIFIER = "https://slipway.dev/policy"
"""Who verified, in the verification summaries that Slipway writes."""
_MOST_VIOLATIONS = 200
_MOST_INPUTS = 200


@dataclass(frozen=True)
class PolicyDecision:
    """One decision of a gate: ``about`` names what was decided about, ``artifacts`` are the parts of it with digests.

    ``bundles`` hold asset, version and digest (``sha256:...``); ``evidence`` gives the SHA-256 digests of the envelopes
    that were looked at, ``input_digest`` that of the input document.
    """

    evaluation: UUID
    about: str
    allowed: bool
    level: str
    at: datetime
    input_digest: str
    bundles: Sequence[Mapping[str, Any]]
    violations: Sequence[Mapping[str, Any]] = ()
    artifacts: Sequence[Subject] = ()
    evidence: Sequence[str] = ()

    def statements(self) -> Iterator[tuple[str, list[Subject], dict[str, Any]]]:
        """Yield predicate type, subjects and predicate; a summary only where there are artifacts to be about."""
        if self.artifacts:
            yield VSA, list(self.artifacts), self._summary()
        yield POLICY_DECISION, [Subject(self.about, "sha256", self.input_digest)], self._decision()

    def _summary(self) -> dict[str, Any]:
        asked = sorted({(each["asset"], each["version"], each["digest"]) for each in self.bundles})
        policy = sha256(rfc8785.dumps([list(each) for each in asked])).hexdigest()
        return {
            "verifier": {"id": VERIFIER},
            "timeVerified": self.at.isoformat(),
            "resourceUri": f"urn:slipway:{self.about}",
            "policy": {"uri": f"urn:slipway:policies:sha256:{policy}", "digest": {"sha256": policy}},
            "inputAttestations": [{"digest": {"sha256": each}} for each in self.evidence[:_MOST_INPUTS]],
            "verificationResult": "PASSED" if self.allowed else "FAILED",
            "verifiedLevels": [] if self.allowed else ["FAILED"],
            "slsaVersion": "1.1",
            "slipway_evaluation": str(self.evaluation),
        }

    def _decision(self) -> dict[str, Any]:
        return {
            "evaluation": str(self.evaluation),
            "allowed": self.allowed,
            "level": self.level,
            "bundles": [{name: each[name] for name in ("asset", "version", "digest")} for each in self.bundles],
            "input": f"sha256:{self.input_digest}",
            "violations": [
                {"rule": each["rule"][:500], "level": each["level"], "message": each["message"][:2000]}
                for each in self.violations[:_MOST_VIOLATIONS]
            ],
            "decidedAt": self.at.isoformat(),
        }
