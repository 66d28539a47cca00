"""Keys, publisher identities and trust policies: whom a tenant vouches for, and what it asks to be proven."""

from typing import Any
from uuid import UUID

from litestar import delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import (
    IdentityRead,
    IdentityRevocation,
    ImportedKey,
    KeyRead,
    NewIdentity,
    NewSigningKey,
    RevocationReport,
    RevokeIdentity,
    RevokeKey,
    SetTrustPolicy,
    TrustPolicyRead,
)
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession
from portal.idempotency import Answer

TAGS = ["attestations"]
READ = [requires("attestations:read")]
ADMIN = [requires("attestations:admin")]


class KeyList(BaseModel):
    """The tenant's keys in every state, newest first."""

    items: list[KeyRead]
    next_cursor: str | None = None


class IdentityList(BaseModel):
    """The tenant's publisher identities by name."""

    items: list[IdentityRead]
    next_cursor: str | None = None


class TrustPolicyList(BaseModel):
    """The versions of the tenant's trust policy, newest first."""

    items: list[TrustPolicyRead]
    next_cursor: str | None = None


_READS: dict[str, Any] = {"tags": TAGS, "guards": READ, "sync_to_thread": True}
_CREATES: dict[str, Any] = {
    "tags": TAGS,
    "guards": ADMIN,
    "status_code": 201,
    "responses": problems(401, 403, 409, 413, 415, 422),
    "response_headers": REPLAYED,
    "sync_to_thread": True,
}


@get(
    "/attestations/keys",
    operation_id="list_signing_keys",
    summary="List keys",
    responses={**CONDITIONAL, **problems(401, 403)},
    **_READS,
)
def list_signing_keys(session: OpenSession, settings: AppSettings, principal: Caller) -> KeyList:
    """Return the keys that the tenant vouches for, in every state."""
    return KeyList(items=SupplyChainAttestationService(session, settings).keys(principal.tenant_id))


@post("/attestations/keys", operation_id="create_signing_key", summary="Make a key", **_CREATES)
def create_signing_key(
    data: JSONBody[NewSigningKey], session: OpenSession, settings: AppSettings, principal: Caller
) -> KeyRead:
    """Make the key that Slipway signs with from now on; the one before verifies for the overlap that is asked for."""
    return SupplyChainAttestationService(session, settings).create_key(principal, data)


@post("/attestations/keys/import", operation_id="import_public_key", summary="Import a public key", **_CREATES)
def import_public_key(
    data: JSONBody[ImportedKey], session: OpenSession, settings: AppSettings, principal: Caller
) -> KeyRead:
    """Vouch for the public key of somebody else's signer, such as a build system with a key of its own."""
    return SupplyChainAttestationService(session, settings).import_key(principal, data)


@get(
    "/attestations/keys/{key_id:uuid}",
    operation_id="get_signing_key",
    summary="Get one key",
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    **_READS,
)
def get_signing_key(key_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> KeyRead:
    """Return a key with its public half and its state."""
    return SupplyChainAttestationService(session, settings).get_key(principal.tenant_id, key_id)


@get(
    "/attestations/keys/{key_id:uuid}/affected",
    operation_id="get_revocation_report",
    summary="See what a revocation means",
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    **_READS,
)
def get_revocation_report(
    key_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> RevocationReport:
    """Return how many statements of a key stopped to count, and every version, environment and release behind them."""
    return SupplyChainAttestationService(session, settings).revocation(principal.tenant_id, key_id)


@post(
    "/attestations/keys/{key_id:uuid}/revoke",
    operation_id="revoke_signing_key",
    summary="Revoke a key",
    tags=TAGS,
    guards=ADMIN,
    status_code=200,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def revoke_signing_key(
    key_id: FromPath[UUID],
    data: JSONBody[RevokeKey],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> KeyRead:
    """Stop trusting a key. Everything that it signed is verified again; follow that in the key's ``affected``."""
    return SupplyChainAttestationService(session, settings).revoke_key(principal, key_id, data)


@get(
    "/attestations/identities",
    operation_id="list_publisher_identities",
    summary="List publisher identities",
    responses={**CONDITIONAL, **problems(401, 403)},
    **_READS,
)
def list_publisher_identities(session: OpenSession, settings: AppSettings, principal: Caller) -> IdentityList:
    """Return the workflows and people whose keyless signatures the tenant vouches for."""
    return IdentityList(items=SupplyChainAttestationService(session, settings).identities(principal.tenant_id))


@post(
    "/attestations/identities",
    operation_id="add_publisher_identity",
    summary="Add a publisher identity",
    **_CREATES,
)
def add_publisher_identity(
    data: JSONBody[NewIdentity], session: OpenSession, settings: AppSettings, principal: Caller
) -> IdentityRead:
    """Vouch for the keyless signatures of a workflow or person, by OpenID issuer and subject."""
    return SupplyChainAttestationService(session, settings).add_identity(principal, data)


@delete(
    "/attestations/identities/{identity_id:uuid}",
    operation_id="remove_publisher_identity",
    summary="Remove a publisher identity",
    tags=TAGS,
    guards=ADMIN,
    status_code=204,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def remove_publisher_identity(
    identity_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> None:
    """Take nothing more from an identity; what it signed until now stays evidence."""
    SupplyChainAttestationService(session, settings).remove_identity(principal, identity_id)


@post(
    "/attestations/identities/{identity_id:uuid}/revoke",
    operation_id="revoke_publisher_identity",
    summary="Revoke a publisher identity",
    **{**_CREATES, "status_code": 200, "responses": problems(401, 403, 404, 409, 413, 415, 422)},
)
def revoke_publisher_identity(
    identity_id: FromPath[UUID],
    data: JSONBody[RevokeIdentity],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> IdentityRevocation:
    """Remove an identity that is no longer trusted, and take back at once what it signed, ever or since a moment."""
    return SupplyChainAttestationService(session, settings).revoke_identity(principal, identity_id, data)


@get(
    "/attestations/trust-policy",
    operation_id="get_trust_policy",
    summary="Get the trust policy",
    responses={**CONDITIONAL, **problems(401, 403)},
    **_READS,
)
def get_trust_policy(session: OpenSession, settings: AppSettings, principal: Caller) -> TrustPolicyRead:
    """Return what this tenant asks to be proven; version 0 holds for tenants that have said nothing."""
    return SupplyChainAttestationService(session, settings).trust_policy(principal.tenant_id)


@get(
    "/attestations/trust-policy/versions",
    operation_id="list_trust_policies",
    summary="List versions of the trust policy",
    responses={**CONDITIONAL, **problems(401, 403)},
    **_READS,
)
def list_trust_policies(session: OpenSession, settings: AppSettings, principal: Caller) -> TrustPolicyList:
    """Return the latest 50 versions of the trust policy, newest first."""
    versions = SupplyChainAttestationService(session, settings).trust_policy_versions(principal.tenant_id)
    return TrustPolicyList(items=versions)


@put(
    "/attestations/trust-policy",
    operation_id="set_trust_policy",
    summary="Change the trust policy",
    tags=TAGS,
    guards=ADMIN,
    status_code=200,
    responses={
        200: ResponseSpec(TrustPolicyRead, description="The policy that holds now", generate_examples=False),
        **problems(401, 403, 409, 413, 415, 422),
    },
    sync_to_thread=True,
)
def set_trust_policy(
    data: JSONBody[SetTrustPolicy], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[TrustPolicyRead]:
    """Let another policy hold, written from the version that is given; versions are kept and never changed."""
    return Answer(SupplyChainAttestationService(session, settings).set_trust_policy(principal, data))
