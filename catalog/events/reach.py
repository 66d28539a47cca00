"""Whose index an event can change: portals repeat what an index answers until they hear of one that may change it.

The news of an event says so in its payload. It is a statement about simple indexes and their files alone, and leaves
nothing out: what is named nowhere here changes everybody's.
"""

from enum import StrEnum
from uuid import UUID


class Reach(StrEnum):
    """Whose index may say something else after an event."""

    EVERYBODY = "everybody"
    TENANT = "tenant"
    NOBODY = "nobody"


ELSEWHERE = "-"
"""What the news says where no index is concerned."""

# What an index says is made of assets, their versions and wheels, who may see them, what a tenant's catalog offers,
# keyless evidence, and who asks. Nothing of these is written together with the events named here.
NOBODY = frozenset(
    {
        *("agent", "analysis", "approval", "asset_use", "block", "campaign", "environment", "install"),
        *("install_approval_rule", "notification", "notification_subscription", "policy", "proposal", "pull_request"),
        *("release", "reliance", "saved_search", "sbom", "scm_connection", "scm_hook", "scm_repository", "secret"),
        *("service", "stack", "upload"),
    }
)
"""The families of events (the first word of their names) that change no index."""
TENANT = frozenset({"catalog", "member", "overlay", "token"})
"""The families of events that change the index of their own tenant alone."""
EVERYBODY = frozenset(
    {
        *("artifact_registry", "asset", "asset_version", "attestation", "publisher_identity", "publisher_proof"),
        *("publishing_session", "signing_key", "trust_policy", "trusted_publisher"),
    }
)
"""The families of events that may be about what other tenants see as well."""


def usual(event_name: str) -> Reach:
    """Return the reach of an event by its family; everybody where that is not known."""
    family = event_name.partition(".")[0]
    if family in NOBODY:
        return Reach.NOBODY
    return Reach.TENANT if family in TENANT else Reach.EVERYBODY


def news(reach: Reach, tenant_id: UUID) -> str:
    """Return the payload with which an event's news is told: "" is for everybody."""
    match reach:
        case Reach.EVERYBODY:
            return ""
        case Reach.TENANT:
            return str(tenant_id)
        case Reach.NOBODY:
            return ELSEWHERE


def read(payload: str) -> tuple[Reach, UUID | None]:
    """Return the reach that some news tells, and whose index it is where it is one tenant's."""
    if payload == ELSEWHERE:
        return Reach.NOBODY, None
    try:
        return Reach.TENANT, UUID(payload)
    except ValueError:
        return Reach.EVERYBODY, None
