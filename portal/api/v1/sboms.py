"""Bills of materials: listed, downloaded byte for byte, made on demand, and searched for where a package runs."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter
from pydantic import BaseModel

from catalog.attestations.sboms.models import SbomFormat
from catalog.attestations.sboms.shapes import AskForSboms, MakingRead, PackageRead, SbomRead, Whereabouts
from catalog.attestations.service import SupplyChainAttestationService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, number, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["sboms"]
READ = [requires("attestations:read")]
_ASKED = Example(summary="A version of one's own", value={"subject": "acme/web@1.0.0"})
_SUBJECT = "sha256:DIGEST, NAMESPACE/NAME@VERSION, environments/ID or releases/ID."


class SbomList(BaseModel):
    """One page of bills of materials, newest first."""

    items: list[SbomRead]
    next_cursor: str | None


class PackageList(BaseModel):
    """One page of the packages of a bill of materials, in the order of the document."""

    items: list[PackageRead]
    next_cursor: str | None


class MakingList(BaseModel):
    """What came of the wishes for bills of materials of one thing, oldest first."""

    items: list[MakingRead]


@get(
    "/sboms",
    operation_id="list_sboms",
    summary="List bills of materials",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 422)},
    sync_to_thread=True,
)
def list_sboms(  # noqa: PLR0913, PLR0917  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    subject: Annotated[
        str | None, QueryParameter(max_length=300, description=f"Only those about this and its parts: {_SUBJECT}")
    ] = None,
    format_: Annotated[
        SbomFormat | None, QueryParameter(name="format", description="Only those in one format.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[SbomList]:
    """Return bills of materials newest first: the caller's own, or with ``subject`` all that are about one thing."""
    service = SupplyChainAttestationService(session, settings)
    if subject is not None:
        about = service.sboms_of(principal.tenant_id, subject)
        return page(request, SbomList(items=[e for e in about if format_ in {None, e.format}], next_cursor=None), None)
    rows = service.sboms(principal.tenant_id, format_, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.indexed_at, each.id))
    return page(request, SbomList(items=list(found), next_cursor=following), following)


@get(
    "/sboms/where",
    operation_id="where_package_runs",
    summary="Ask where a package runs",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def where_package_runs(
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    purl: Annotated[str, QueryParameter(max_length=1000, description="A package URL, with a version or without one.")],
    versions: Annotated[
        str,
        QueryParameter(max_length=300, description="A range instead of one version, such as >=2,<2.32 || >=3,<3.1."),
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many places of each kind at the most.")] = 200,
) -> Whereabouts:
    """Return the environments, releases and asset versions that a package is part of.

    What names no version, or one that cannot be compared, is listed with ``certain`` false: it may be one of those.
    """
    return SupplyChainAttestationService(session, settings).where(principal.tenant_id, purl, versions, limit)


@get(
    "/sboms/makings",
    operation_id="list_sbom_makings",
    summary="Ask why there is no bill of materials",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 422)},
    sync_to_thread=True,
)
def list_makings(
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    subject: Annotated[str, QueryParameter(max_length=300, description=_SUBJECT)],
) -> MakingList:
    """Return what came of the making of bills of materials of a thing, with the reason where there are none."""
    service = SupplyChainAttestationService(session, settings)
    return MakingList(items=service.makings_of(principal.tenant_id, subject))


@post(
    "/sboms",
    operation_id="make_sboms",
    summary="Make bills of materials",
    tags=TAGS,
    guards=[requires("attestations:write")],
    status_code=202,
    responses=problems(401, 403, 404, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def make_sboms(
    data: Annotated[AskForSboms, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[AskForSboms]:
    """Ask for the bills of materials of a thing of one's own to be made, again where they were made before.

    A worker makes them; ``sbom.made`` or ``sbom.not_made`` says how it came out.
    """
    SupplyChainAttestationService(session, settings).request_sboms(principal, data.subject)
    return Answer(data, status_code=202)


@get(
    "/sboms/{sbom_id:uuid}",
    operation_id="get_sbom",
    summary="Get one bill of materials",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_sbom(sbom_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> SbomRead:
    """Return what a bill of materials is about, who made and signed it, and how much of it is indexed."""
    return SupplyChainAttestationService(session, settings).sbom(principal.tenant_id, sbom_id)


@get(
    "/sboms/{sbom_id:uuid}/document",
    operation_id="get_sbom_document",
    summary="Download a bill of materials",
    tags=TAGS,
    guards=READ,
    media_type="application/json",
    responses={
        200: ResponseSpec(dict[str, Any], description="The document, byte for byte", generate_examples=False),
        **CONDITIONAL,
        **problems(401, 403, 404),
    },
    sync_to_thread=True,
)
def get_sbom_document(
    sbom_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[bytes]:
    """Return the document exactly as its maker wrote it."""
    service = SupplyChainAttestationService(session, settings)
    found = service.sbom(principal.tenant_id, sbom_id)
    data, name = service.sbom_document(sbom_id)
    media_type = {
        SbomFormat.CYCLONEDX: "application/vnd.cyclonedx+json",
        SbomFormat.SPDX: "application/spdx+json",
    }[found.format]
    headers = {
        "ETag": f'"sha256:{found.document_digest}"',
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Answer(data, media_type=media_type, headers=headers)


@get(
    "/sboms/{sbom_id:uuid}/packages",
    operation_id="list_sbom_packages",
    summary="List the packages of a bill of materials",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 422)},
    sync_to_thread=True,
)
def list_packages(
    request: WebRequest,
    sbom_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Answer[PackageList]:
    """Return the packages that carry a package URL, in the order of the document."""
    service = SupplyChainAttestationService(session, settings)
    rows = service.sbom_packages(sbom_id, number(cursor) or 0, limit + 1)
    found, following = cut(rows, limit, lambda each: (each[0],))
    return page(request, PackageList(items=[each for _, each in found], next_cursor=following), following)


ROUTES = (
    list_sboms,
    where_package_runs,
    list_makings,
    make_sboms,
    get_sbom,
    get_sbom_document,
    list_packages,
)
