"""Attestations: taken in, signed, judged, read; and the schemas of what they say."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import Body, FromPath, JSONBody, QueryParameter, RawBody
from pydantic import BaseModel
from sqlmodel import Session

from catalog.attestations.dsse import BUNDLE_TYPE, LARGEST
from catalog.attestations.errors import AttestationRejectedError
from catalog.attestations.models import Verdict
from catalog.attestations.predicates import OWN_SCHEMAS, predicate_schema
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Assessment, AssetLog, AttestationRead, SignStatement, VerifySubject
from catalog.attestations.trust import trust_policy_schema
from catalog.db import Database
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import UnsupportedMediaTypeError, requires
from portal.boundary import AppDatabase, AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["attestations"]
READ = [requires("attestations:read")]
WRITE = [requires("attestations:write")]
ADMIN = [requires("attestations:admin")]
ACCEPTED_TYPES = ("application/json", BUNDLE_TYPE, "application/vnd.dsse.envelope.v1+json")
SCHEMA_JSON = "application/schema+json"
_HEX = frozenset("0123456789abcdefABCDEF")

_ENVELOPE = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCAuLi59",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": "", "sig": "MEUCIQDx..."}],
}
_JUDGED = Example(
    summary="A curated asset, for which a bill of materials is asked",
    value={
        "subject": "slipway/preview-web@1.0.0",
        "policy": {"requirements": [{"evidence": "publish"}, {"evidence": "sbom"}]},
    },
)


@dataclass
class EnvelopeOperation(Operation):
    """Describes the body that is taken as bytes, because what is signed must not be parsed and written again."""

    def __post_init__(self) -> None:
        """Add the body."""
        example = Example(summary="A DSSE envelope", value=_ENVELOPE)
        kind = Schema(type=OpenAPIType.OBJECT, description="A DSSE envelope or a Sigstore bundle of version 0.3.")
        content = {each: OpenAPIMediaType(schema=kind, examples={"envelope": example}) for each in ACCEPTED_TYPES}
        self.request_body = RequestBody(content=content, required=True)


class AttestationList(BaseModel):
    """One page of attestations, newest first."""

    items: list[AttestationRead]
    next_cursor: str | None


def take_in(  # what the page and the routes do alike
    session: Session, settings: Settings, database: Database, principal: Principal, data: bytes, about: str | None
) -> tuple[AttestationRead, bool]:
    """Receive an attestation; one that is refused is recorded in a transaction of its own, and the error goes on."""
    try:
        return SupplyChainAttestationService(session, settings).receive(principal, data, about)
    except AttestationRejectedError as error:
        session.rollback()
        with database.tenant_session(principal.tenant_id) as own:
            SupplyChainAttestationService(own, settings).reject(principal, data, error)
        raise


def _receive(
    request: WebRequest,
    body: RawBody,
    session: OpenSession,
    settings: AppSettings,
    database: AppDatabase,
    principal: Caller,
    subject: Annotated[
        str | None,
        QueryParameter(max_length=80, description="sha256:DIGEST that it must be about, so that none is mixed up."),
    ] = None,
) -> Answer[AttestationRead]:
    """Verify a DSSE envelope or a Sigstore bundle and keep its exact bytes as evidence.

    What proves nothing answers 422 with the reason, and is kept apart: it is never listed as evidence.
    """
    if request.headers.get("content-type", "").lower().replace(" ", "") not in {
        *ACCEPTED_TYPES,
        "application/json;charset=utf-8",
    }:
        raise UnsupportedMediaTypeError(f"Send {' or '.join(ACCEPTED_TYPES)}, and say so in the header Content-Type.")
    about = None if subject is None else _digest(subject)[1]
    found, is_new = take_in(session, settings, database, principal, body, about)
    headers = {"Location": f"/api/v1/attestations/{found.id}"}
    return Answer(found, status_code=201 if is_new else 200, headers=headers)


_RECEIVE: dict[str, Any] = {
    "summary": "Attest",
    "tags": TAGS,
    "guards": WRITE,
    "status_code": 201,
    "request_max_body_size": LARGEST + 1,
    "operation_class": EnvelopeOperation,
    "responses": {
        200: ResponseSpec(AttestationRead, description="Just these bytes are known", generate_examples=False),
        **problems(401, 403, 413, 415, 422),
    },
    "response_headers": REPLAYED,
    "sync_to_thread": True,
}
receive_attestation = post("/attestations", operation_id="receive_attestation", **_RECEIVE)(_receive)
receive_attestation_at_root = post(
    "/attestations",
    operation_id="receive_attestation_at_root",
    response_class=Answer,
    include_in_schema=True,  # the pages around it are not
    **_RECEIVE,
)(_receive)


@get(
    "/attestations",
    operation_id="list_attestations",
    summary="List attestations",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_attestations(  # noqa: PLR0913, PLR0917  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    subject: Annotated[
        str | None, QueryParameter(max_length=600, description="Only those about this artifact: sha256:DIGEST.")
    ] = None,
    evidence: Annotated[
        str | None, QueryParameter(max_length=500, description="Such as provenance or sbom, or a predicate type.")
    ] = None,
    verdict: Annotated[
        list[Verdict] | None, QueryParameter(description="Left out: verified ones alone, which are evidence.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[AttestationList]:
    """Return attestations newest first: the caller's, and about a public artifact those of its publisher too."""
    rows = SupplyChainAttestationService(session, settings).page(
        principal.tenant_id,
        verdicts=verdict or (Verdict.VERIFIED,),
        digest=None if subject is None else _digest(subject),
        evidence=evidence,
        before=moment_and_id(cursor),
        limit=limit + 1,
    )
    found, following = cut(rows, limit, lambda each: (each.received_at, each.id))
    return page(request, AttestationList(items=list(found), next_cursor=following), following)


@get(
    "/attestations/{attestation_id:uuid}",
    operation_id="get_attestation",
    summary="Get one attestation",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_attestation(
    attestation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> AttestationRead:
    """Return an attestation: what is held of it, who signed it, and with a key in which state."""
    return SupplyChainAttestationService(session, settings).get(principal.tenant_id, attestation_id)


@get(
    "/attestations/{attestation_id:uuid}/envelope",
    operation_id="get_attestation_envelope",
    summary="Download an attestation",
    tags=TAGS,
    guards=READ,
    media_type="application/json",
    responses={
        200: ResponseSpec(dict[str, Any], description="The exact bytes that were sent", generate_examples=False),
        **CONDITIONAL,
        **problems(401, 403, 404),
    },
    sync_to_thread=True,
)
def get_attestation_envelope(
    attestation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[bytes]:
    """Return the exact bytes that were sent; their digest was compared while reading."""
    service = SupplyChainAttestationService(session, settings)
    found = service.get(principal.tenant_id, attestation_id)
    data, media_type = service.envelope(attestation_id)
    headers = {
        "ETag": f'"sha256:{found.envelope_digest}"',
        "Content-Disposition": f'attachment; filename="attestation-{found.envelope_digest[:12]}.json"',
    }
    return Answer(data, media_type=media_type, headers=headers)


@post(
    "/attestations/verify",
    operation_id="verify_subject",
    summary="Judge an artifact",
    tags=TAGS,
    guards=READ,
    status_code=200,
    responses=problems(401, 403, 404, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def verify_subject(
    data: Annotated[VerifySubject, Body(media_type="application/json", examples=[_JUDGED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Assessment:
    """Return what is proven about an artifact, by whom, and what is missing under the trust policy."""
    return SupplyChainAttestationService(session, settings).verify(principal.tenant_id, data)


@post(
    "/attestations/sign",
    operation_id="sign_statement",
    summary="Sign a statement",
    tags=TAGS,
    guards=ADMIN,
    status_code=201,
    request_max_body_size=LARGEST,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def sign_statement(
    data: JSONBody[SignStatement], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[AttestationRead]:
    """Sign a statement with the tenant's key. What Slipway says of its own doing cannot be asked for."""
    found = SupplyChainAttestationService(session, settings).sign_for(principal, data)
    return Answer(found, status_code=201, headers={"Location": f"/api/v1/attestations/{found.id}"})


@get(
    "/assets/{namespace:str}/{name:str}/log",
    operation_id="get_asset_log",
    summary="Prove an asset's history",
    tags=TAGS,
    guards=[requires("assets:read")],
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_asset_log(
    namespace: FromPath[str], name: FromPath[str], session: OpenSession, settings: AppSettings
) -> AssetLog:
    """Return what the registry has said of an asset's versions, hash-chained and countersigned, oldest first.

    Whoever remembers a ``head`` finds it among the hashes of every later log; where it is not, history was rewritten.
    """
    return SupplyChainAttestationService(session, settings).asset_log(namespace, name)


@get(
    "/schemas/trust-policy",
    operation_id="get_trust_policy_schema",
    summary="Get the schema of trust policies",
    tags=TAGS,
    guards=READ,
    media_type=SCHEMA_JSON,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def get_trust_policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of trust policies, for editors."""
    return trust_policy_schema()


@get(
    "/schemas/predicates/{name:str}",
    operation_id="get_predicate_schema",
    summary="Get the schema of a predicate",
    tags=TAGS,
    guards=READ,
    media_type=SCHEMA_JSON,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_predicate_schema(name: FromPath[str]) -> dict[str, Any]:
    """Return the JSON Schema of one of Slipway's own predicates, such as publish or environment."""
    if name not in OWN_SCHEMAS:
        raise NotFoundError(f"There is no such predicate; there are {', '.join(OWN_SCHEMAS)}.")
    return predicate_schema(name)


def _digest(text: str) -> tuple[str, str]:
    algorithm, colon, digest = text.partition(":")
    if not colon or not algorithm.isalnum() or not digest or set(digest) - _HEX:
        raise InvalidInputError(
            "The subject is not valid.", [FieldError("/subject", "Write it as sha256:DIGEST, in hexadecimal.")]
        )
    return algorithm, digest.lower()
