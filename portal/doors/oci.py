"""The OCI door: what oras, podman and every other client of the distribution specification pulls from ``/v2/``."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response, get, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from pydantic import BaseModel, Field

from catalog.clock import now
from catalog.errors import UnauthorizedError
from catalog.providers.blobs import open_blobs
from catalog.transfers.artifacts import INDEX_TYPE, MANIFEST_TYPE, Document
from catalog.transfers.registry import RegistryService
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires, signed_in
from portal.auth.identity import identity_of
from portal.auth.pull_tokens import LIFE, PullTokens
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.doors.files import FOR_EVER, hand_out
from portal.idempotency import Answer

TAGS = ["standard doors"]
READ = [requires("assets:read")]
Scopes = QueryParameter(name="scope", required=False, max_items=20)
Decorator = Callable[[Callable[..., Response[Any]]], HTTPRouteHandler]
_VARY = "Accept, Authorization, Cookie"


class OciToken(BaseModel):
    """A bearer token for the OCI door, in both spellings that clients read; ``expires_in`` is in seconds.

    It pulls what was asked for and does nothing else.
    """

    token: str
    access_token: str
    expires_in: int
    issued_at: datetime


class TagList(BaseModel):
    """The tags of a repository."""

    name: str = Field(examples=["acme/preview"])
    tags: list[str] = Field(examples=[["1.0.0", "1.1.0", "latest"]])


def _read(path: str, name: str, summary: str, media_type: str, *more: int) -> Decorator:
    return route(
        f"/v2/{{namespace:str}}/{{name:str}}{path}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=lambda _handler, method, _path: name if method == "GET" else f"{name}_head",
        summary=summary,
        tags=TAGS,
        guards=READ,
        media_type=media_type,
        responses={
            200: ResponseSpec(bytes, media_type=media_type, description=summary, generate_examples=False),
            **CONDITIONAL,
            **problems(401, 403, 404, *more),
        },
        sync_to_thread=True,
    )


@get("/v2", operation_id="check_oci", summary="Whether this is an OCI registry", tags=TAGS, guards=[signed_in],
     responses=problems(401), sync_to_thread=False)  # fmt: skip
def check_oci() -> dict[str, str]:
    """Answer 200 to whoever has a valid token: as a bearer, or as the password of any user."""
    return {}


@get("/v2/token", operation_id="oci_token", summary="A bearer token for an OCI client", tags=TAGS, guards=[signed_in],
     responses=problems(401, 503), sync_to_thread=True)  # fmt: skip
def oci_token(
    request: WebRequest, settings: AppSettings, principal: Caller, scopes: Annotated[list[str] | None, Scopes] = None
) -> OciToken:
    """Return a token for five minutes that pulls what the scopes name (`repository:NAMESPACE/NAME:pull`).

    Whether there is such an asset, and whether the caller may see it, is not said here. Revoking the access token that
    was sent as the password ends it at once.
    """
    identity = identity_of(request.scope)
    if identity is None or identity.session_id is not None:
        raise UnauthorizedError("Send an access token as the password of any user.")
    token = PullTokens(settings).issue(identity.secret, principal, scopes or ())
    return OciToken(token=token, access_token=token, expires_in=int(LIFE.total_seconds()), issued_at=now())


@_read("/tags/list", "list_oci_tags", "The tags of an asset", "application/json")
def list_tags(
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    n: Annotated[int | None, QueryParameter(ge=0, le=10_000, required=False, description="How many at most.")] = None,
    last: Annotated[str | None, QueryParameter(required=False, max_length=128)] = None,
) -> Response[Any]:
    """Return the versions as SemVer, and `latest`; `n` and `last` lead through them page by page."""
    found = _registry(session, settings).tags(principal.tenant_id, namespace, name)
    rest = [each for each in found if last is None or each > last]
    page = rest if n is None else rest[:n]
    headers = {"Vary": _VARY}
    if page and len(page) < len(rest):
        query = urlencode({"n": n or len(page), "last": page[-1]})
        headers["Link"] = f'</v2/{namespace}/{name}/tags/list?{query}>; rel="next"'
    return Answer(TagList(name=f"{namespace}/{name}", tags=page), media_type="application/json", headers=headers)


@_read("/manifests/{reference:str}", "get_oci_manifest", "A manifest by tag or digest", MANIFEST_TYPE, 400)
def get_manifest(
    namespace: FromPath[str],
    name: FromPath[str],
    reference: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return the manifest of a version (its tag is the version, or `latest`), or of a statement about one."""
    found = _registry(session, settings).manifest(principal.tenant_id, namespace, name, reference)
    return _document(found, {"Cache-Control": FOR_EVER} if ":" in reference else {})


@_read("/blobs/{digest:str}", "get_oci_blob", "A blob", "application/octet-stream", 400)
def get_blob(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    digest: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return the archive, the configuration or a signed statement, whole or the range that is asked for."""
    data, media_type = _registry(session, settings).blob(principal.tenant_id, namespace, name, digest)
    headers = {"Docker-Content-Digest": digest, "Cache-Control": FOR_EVER}
    return hand_out(request, data, digest, media_type, headers)


@_read("/referrers/{digest:str}", "list_oci_referrers", "What refers to a manifest", INDEX_TYPE, 400)
def list_referrers(
    namespace: FromPath[str],
    name: FromPath[str],
    digest: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    artifact_type: Annotated[str | None, QueryParameter(name="artifactType", required=False, max_length=255)] = None,
) -> Response[Any]:
    """Return the index of verified statements about a manifest, of one artifact type where that is asked for."""
    found = _registry(session, settings).referrers(principal.tenant_id, namespace, name, digest, artifact_type)
    return _document(found, {"OCI-Filters-Applied": "artifactType"} if artifact_type else {})


def _registry(session: Any, settings: Any) -> RegistryService:
    return RegistryService(session, settings, open_blobs(settings))


def _document(found: Document, headers: dict[str, str]) -> Response[Any]:
    fixed = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"', "Vary": _VARY, **headers}
    return Answer(found.data, media_type=found.media_type, headers=fixed)


ROUTES = (check_oci, oci_token, list_tags, get_manifest, get_blob, list_referrers)
