"""Sample pages of releases: usual ones, an empty list, long names, and refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.attestations.models import Verdict as Verified
from catalog.attestations.shapes import AttestationRead, SubjectRead
from catalog.errors import FieldError
from catalog.gating import Level, Verdict, VerdictSummary, Violation
from catalog.releases.models import Artifact, ReleaseRead, ServiceRead
from portal.pages.releases import NewReleasePage, ReleaseListPage, ReleasePage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on"
VIOLATIONS = (
    Violation(
        rule="baseline.artifact-digest",
        level=Level.MANDATORY,
        message="The artifact registry.example.com/acme/web has no provenance.",
        path="/release/artifacts/0",
        remediation="Attach SLSA provenance from a builder that the tenant trusts.",
        bundle="slipway/baseline",
    ),
    Violation(rule="cost.limit", level=Level.OVERRIDABLE, message=LONG, path="/cost/monthly", bundle="acme/cost"),
    Violation(rule="docs.notes", level=Level.ADVISORY, message="The release has no notes."),
)


def release(**changes: Any) -> ReleaseRead:
    values: dict[str, Any] = {
        "id": ID,
        "service": "web",
        "version": "1.4.0",
        "repository": "https://git.example.com/acme/web",
        "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "environment_id": ID,
        "pipeline": "https://ci.example.com/runs/118",
        "artifacts": [
            Artifact(name="registry.example.com/acme/web", type="oci-image", digest="sha256:" + "9f" * 32),
            Artifact(name=LONG, type="wheel", digest="sha512:" + "ab" * 64, uri=f"https://example.com/{LONG}/{LONG}"),
        ],
        "notes": "Faster start.\nFewer surprises.",
        "verdict": VerdictSummary(level=Level.ADVISORY, violations=2, bundles=3, evaluation=ID),
        "created_by": "ci",
        "created_at": NOW - timedelta(hours=3),
    }
    return ReleaseRead(**{**values, **changes})


def service(**changes: Any) -> ServiceRead:
    values: dict[str, Any] = {
        "id": ID,
        "name": "web",
        "repository": "https://git.example.com/acme/web",
        "owner": "Team Storefront",
        "labels": {"tier": "critical", "region": "eu"},
        "created_at": NOW,
    }
    return ServiceRead(**{**values, **changes})


def attestation() -> AttestationRead:
    return AttestationRead(
        id=ID,
        verified=True,
        verdict=Verified.VERIFIED,
        reason=None,
        detail=None,
        predicate_type="https://slsa.dev/provenance/v1",
        evidence="provenance",
        title="SLSA provenance",
        facts={},
        subjects=[SubjectRead(name=LONG, algorithm="sha256", digest="9f" * 32)],
        signer=LONG,
        key_id="",
        key_state=None,
        public_key="",
        issuer="",
        identity="",
        signed_at=None,
        received_at=NOW,
        received_by="ci",
        verified_at=NOW,
        envelope_digest="9f" * 32,
        media_type="application/json",
        size=1200,
        owned=True,
    )


def pages() -> dict[str, Page]:
    bare: dict[str, Any] = {
        "environment_id": None,
        "pipeline": None,
        "artifacts": [],
        "notes": "",
        "verdict": VerdictSummary(),
    }
    unbound = VerdictSummary()
    clean = VerdictSummary(bundles=1)
    releases = [
        release(),
        release(version="1.3.0", verdict=clean),
        release(service=LONG[:63], version="2026.11.23+build", verdict=unbound),
    ]
    services = [service(), service(name="billing"), service(name=LONG[:63])]
    values = {"service": "Web!", "version": "1.4.0", "labels": "tier", "artifacts": "oci-image web"}
    errors = (FieldError("/service", "Use lower case."), FieldError("/labels", "One per line."), FieldError("", "No."))
    refused = Verdict(allowed=False, level=Level.MANDATORY, violations=VIOLATIONS, evaluation=ID)
    blocks = [
        Violation(
            rule="slipway.missing-evidence",
            level=Level.MANDATORY,
            message=f"registry.example.com/{LONG} has no sbom attestation that counts. There is no sbom attestation.",
            path="/release/artifacts/0",
            remediation=f"slipway attest sha256:{LONG} --predicate sbom.json --type cyclonedx (see /proposals/{ID})",
        )
    ]
    return {
        "releases": ReleaseListPage(releases, services, "web", can_create=True, next_href="/releases?cursor=x"),
        "releases-empty": ReleaseListPage([], [], "", can_create=True),
        "releases-viewer": ReleaseListPage([], [], "", can_create=False),
        "release": ReleasePage(release(), service(), [attestation()]),
        "release-bare": ReleasePage(release(**bare), service(owner="", labels={})),
        "release-blocked": ReleasePage(release(), service(), [attestation()], blocks=blocks),
        "release-new": NewReleasePage(),
        "release-errors": NewReleasePage(values, errors),
        "release-refused": NewReleasePage({"service": "web", "version": "1.4.0"}, verdict=refused),
    }
