"""Trusted publishers: whose CI jobs may publish what, and the exchange of a job's identity for a short-lived token."""

from uuid import UUID

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from catalog.providers.identities.verification import audience, verify
from catalog.publishers.models import (
    AddTrustedPublisher,
    ClaimProof,
    ExchangeIdentity,
    PublisherProofRead,
    PublishingToken,
    TrustedPublisherRead,
)
from catalog.publishers.service import PublisherProofService, TrustedPublisherService, exchange
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppDatabase, AppSettings, Caller, OpenSession

TAGS = ["publishers"]
READ = [requires("assets:read")]
ADMIN = [requires("assets:admin")]


class TrustedPublisherList(BaseModel):
    """The tenant's trusted publishers, by asset."""

    items: list[TrustedPublisherRead]


class PublisherProofList(BaseModel):
    """The tenant's proofs, oldest first."""

    items: list[PublisherProofRead]


class Audience(BaseModel):
    """What a job asks its issuer to make the token for."""

    audience: str


@get(
    "/publishers",
    operation_id="list_trusted_publishers",
    summary="List trusted publishers",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_trusted_publishers(session: OpenSession, principal: Caller) -> TrustedPublisherList:
    """Return whose CI jobs may publish which of the tenant's assets."""
    return TrustedPublisherList(items=list(TrustedPublisherService(session).all(principal.tenant_id)))


@post(
    "/publishers",
    operation_id="add_trusted_publisher",
    summary="Trust a publisher",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def add_trusted_publisher(
    data: JSONBody[AddTrustedPublisher], session: OpenSession, principal: Caller, settings: AppSettings
) -> TrustedPublisherRead:
    """Let the jobs of a repository publish one asset, which need not exist yet; asking again changes nothing."""
    return TrustedPublisherService(session).add(principal, data, settings)


@delete(
    "/publishers/{publisher_id:uuid}",
    operation_id="remove_trusted_publisher",
    summary="Trust a publisher no longer",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def remove_trusted_publisher(publisher_id: FromPath[UUID], session: OpenSession, principal: Caller) -> None:
    """Let these jobs publish no longer; a token that one holds already runs out within 15 minutes."""
    TrustedPublisherService(session).remove(principal, publisher_id)


@get(
    "/publishers/proofs",
    operation_id="list_publisher_proofs",
    summary="List proofs of the publisher",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_publisher_proofs(session: OpenSession, principal: Caller) -> PublisherProofList:
    """Return the domains and repositories that the tenant claims, with what was found there."""
    return PublisherProofList(items=list(PublisherProofService(session).all(principal.tenant_id)))


@post(
    "/publishers/proofs",
    operation_id="claim_publisher_proof",
    summary="Claim a domain or repository",
    tags=TAGS,
    guards=[requires("tenants:admin")],
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def claim_publisher_proof(
    data: JSONBody[ClaimProof], session: OpenSession, principal: Caller, settings: AppSettings
) -> PublisherProofRead:
    """Claim a domain or repository: once ``challenge`` stands at ``place``, the assets say so. Again: look again."""
    return PublisherProofService(session).claim(principal, data, settings)


@delete(
    "/publishers/proofs/{proof_id:uuid}",
    operation_id="withdraw_publisher_proof",
    summary="Withdraw a claim",
    tags=TAGS,
    guards=[requires("tenants:admin")],
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def withdraw_publisher_proof(proof_id: FromPath[UUID], session: OpenSession, principal: Caller) -> None:
    """Claim a domain or repository no longer."""
    PublisherProofService(session).withdraw(principal, proof_id)


@get(
    "/publishers/audience",
    operation_id="get_audience",
    summary="Get the audience for identity tokens",
    tags=TAGS,
    security=[{}],
    opt={"anonymous": True},
    responses={**CONDITIONAL, **problems()},
    sync_to_thread=False,
)
def get_audience(settings: AppSettings) -> Audience:
    """Return the audience that a job names when it asks its issuer for an identity token."""
    return Audience(audience=audience(settings))


@post(
    "/publishers/token",
    operation_id="exchange_identity",
    summary="Exchange an identity for a token",
    tags=TAGS,
    security=[{}],
    opt={"anonymous": True},
    responses=problems(401, 403, 413, 415, 422),
    sync_to_thread=True,
)
def exchange_identity(
    data: JSONBody[ExchangeIdentity], database: AppDatabase, settings: AppSettings
) -> PublishingToken:
    """Exchange a CI job's identity token, once, for a token of 15 minutes that can publish one asset."""
    return exchange(database, verify(data.token, settings), data.asset)


@get("/_/oidc/audience", opt={"anonymous": True}, include_in_schema=False, sync_to_thread=False)
def get_audience_at_root(settings: AppSettings) -> Audience:
    """Answer where the clients of PyPI ask (uv, and the publishing actions)."""
    return Audience(audience=audience(settings))


@post("/_/oidc/mint-token", opt={"anonymous": True}, include_in_schema=False, status_code=200, sync_to_thread=True)
def mint_token_at_root(
    data: JSONBody[ExchangeIdentity], database: AppDatabase, settings: AppSettings
) -> PublishingToken:
    """Exchange where the clients of PyPI do; they name no asset, so the job must be let for just one."""
    return exchange(database, verify(data.token, settings), data.asset)
