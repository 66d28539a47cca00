"""What may be subscribed to, how much each matters, and how it reads; events of any area, known by name alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.notifications.models import Severity

TEST = "notification.test"


@dataclass(frozen=True)
class Shown:
    """How an event reads in one line, where it leads, and how much it matters."""

    title: str
    link: str
    severity: Severity


_GRAVE = {"revoked", "quarantined"}
# Topic: title (filled from the event's data), page (filled from it as well), severity.
TOPICS: dict[str, tuple[str, str, Severity]] = {
    "approval.requested": ("Approval wanted: {title}", "/approvals/{approval_id}", Severity.WARNING),
    "approval.granted": ("Approved: {title}", "/approvals/{approval_id}", Severity.INFO),
    "approval.denied": ("Denied: {title}", "/approvals/{approval_id}", Severity.WARNING),
    "approval.expired": ("Nobody decided in time: {title}", "/approvals/{approval_id}", Severity.WARNING),
    "approval.voided": ("Approval void: {title}", "/approvals/{approval_id}", Severity.INFO),
    "asset_use.affected": (
        "{namespace}/{name} {version}, which you use, is {state}",
        "/assets/{namespace}/{name}",
        Severity.WARNING,
    ),
    "asset_version.published": ("{namespace}/{name} {version} is out", "/assets/{namespace}/{name}", Severity.INFO),
    "asset_version.submitted": (
        "{namespace}/{name} {version} waits for review",
        "/assets/{namespace}/{name}",
        Severity.INFO,
    ),
    "asset_version.deprecated": (
        "{namespace}/{name} {version} is deprecated",
        "/assets/{namespace}/{name}",
        Severity.WARNING,
    ),
    "asset_version.yanked": ("{namespace}/{name} {version} is yanked", "/assets/{namespace}/{name}", Severity.WARNING),
    "asset_version.archived": (
        "{namespace}/{name} {version} is archived",
        "/assets/{namespace}/{name}",
        Severity.WARNING,
    ),
    "asset_version.revoked": (
        "{namespace}/{name} {version} is revoked",
        "/assets/{namespace}/{name}",
        Severity.CRITICAL,
    ),
    "asset_version.quarantined": (
        "{namespace}/{name} {version} is quarantined",
        "/assets/{namespace}/{name}",
        Severity.CRITICAL,
    ),
    "asset_version.restored": ("{namespace}/{name} {version} is back", "/assets/{namespace}/{name}", Severity.INFO),
    "environment.ready": ("A preview environment is ready", "/environments/{environment_id}", Severity.INFO),
    "environment.approval_needed": (
        "A commit of a fork waits for an approval in {name}",
        "/environments/{environment_id}",
        Severity.WARNING,
    ),
    "environment.expiring": (
        "The preview environment {name} is removed soon",
        "/environments/{environment_id}",
        Severity.WARNING,
    ),
    "environment.failed": ("A preview environment failed", "/environments/{environment_id}", Severity.WARNING),
    "environment.destroyed": ("A preview environment is gone", "/environments/{environment_id}", Severity.INFO),
    "environment.destroy_failed": (
        "A preview environment could not be removed",
        "/environments/{environment_id}",
        Severity.CRITICAL,
    ),
    "overlay.conflicted": (
        "{asset} {version} does not fit your tenant's overlay, so nobody gets it",
        "/overlays/{asset}",
        Severity.WARNING,
    ),
    "release.created": ("A release was recorded", "/releases/{release_id}", Severity.INFO),
    "signing_key.revoked": ("A signing key is revoked", "/attestations/keys", Severity.CRITICAL),
    "attestation.invalidated": (
        "A statement is no longer evidence",
        "/attestations/{attestation_id}",
        Severity.WARNING,
    ),
    "reliance.affected": (
        "A publisher's statement that you relied on is no longer evidence",
        "/attestations/{attestation_id}",
        Severity.CRITICAL,
    ),
    "publisher_proof.lapsed": ("A publisher is verified no longer", "/publishers", Severity.WARNING),
    "policy.overridden": ("A refusal of policies was overridden", "/policies/exemptions", Severity.WARNING),
    "upload.rejected": ("An upload was not accepted", "", Severity.WARNING),
    "token.created": ("An access token was made", "/tenants/tokens", Severity.INFO),
    "token.revoked": ("An access token was revoked", "/tenants/tokens", Severity.INFO),
}


def shown(topic: str, data: Mapping[str, Any]) -> Shown:
    """Return how an event reads; what its data lack is left out."""
    if topic == TEST:
        return Shown("This is a test", "/notifications", Severity.INFO)
    title, link, severity = TOPICS[topic]
    if str(data.get("state")) in _GRAVE:
        severity = Severity.CRITICAL
    known = _Known({name: " ".join(str(value).split())[:200] for name, value in data.items()})
    return Shown(title.format_map(known), link.format_map(known), severity)


class _Known(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return ""
