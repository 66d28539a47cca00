"""The marketplace: searching and reading assets, and the life of a version."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.assets.check import asset_schema
from catalog.assets.examples import Example
from catalog.assets.models import (
    Affected,
    ArtifactRead,
    AssetRead,
    AssetVersionRead,
    ChangeVersionState,
    SearchQuery,
    SearchResult,
    Sort,
    VersionSummary,
)
from catalog.assets.service import AssetService
from catalog.providers.blobs import open_blobs
from portal.affected import affected_by, with_owners
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, page, version_place
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["assets"]
READ = [requires("assets:read")]
WRITE = [requires("assets:write")]
ARCHIVE = "application/gzip"
Text = Annotated[str | None, QueryParameter(max_length=200)]


class ExampleList(BaseModel):
    """The presets of a version, ``default`` first."""

    items: list[Example]


class ArtifactList(BaseModel):
    """What was derived from a version, by name."""

    items: list[ArtifactRead]


class VersionList(BaseModel):
    """An asset's versions, newest first."""

    items: list[VersionSummary]
    next_cursor: str | None = None


@get(
    "/assets",
    operation_id="search_assets",
    summary="Search the marketplace",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def search_assets(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    q: Annotated[str, QueryParameter(max_length=200, description="Words; each may be the beginning of one.")] = "",
    kind: Text = None,
    namespace: Text = None,
    archetype: Text = None,
    cloud: Text = None,
    license_id: Annotated[str | None, QueryParameter(name="license", max_length=200)] = None,
    trust: Text = None,
    state_of_latest: Annotated[str | None, QueryParameter(name="state", max_length=200)] = None,
    installed: Text = None,
    sort: Annotated[Sort, QueryParameter(description="The order.")] = "relevance",
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many at the most.")] = 20,
    cursor: Annotated[str | None, QueryParameter(max_length=500)] = None,
) -> Answer[SearchResult]:
    """Return one page of assets that the caller may see, with the counts of every filter."""
    query = SearchQuery(
        q=q,
        kind=kind,
        namespace=namespace,
        archetype=archetype,
        cloud=cloud,
        license=license_id,
        trust=trust,
        state=state_of_latest,
        installed=installed,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    found = AssetService(session).search(principal.tenant_id, query)
    return page(request, found, found.next_cursor)


@get(
    "/assets/{namespace:str}/{name:str}",
    operation_id="get_asset",
    summary="Get one asset",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_asset(namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller) -> AssetRead:
    """Return an asset as it stands in lists."""
    return AssetService(session).get(principal.tenant_id, namespace, name)


@get(
    "/assets/{namespace:str}/{name:str}/versions",
    operation_id="list_asset_versions",
    summary="List an asset's versions",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 422)},
    sync_to_thread=True,
)
def list_asset_versions(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    principal: Caller,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Answer[VersionList]:
    """Return the versions of an asset, newest first, each with its state."""
    after = version_place(cursor)
    rows = AssetService(session).versions(principal.tenant_id, namespace, name, after=after, limit=limit + 1)
    found, following = cut(rows, limit, lambda each: (each.version,))
    return page(request, VersionList(items=list(found), next_cursor=following), following)


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}",
    operation_id="get_asset_version",
    summary="Get one version",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_asset_version(
    namespace: FromPath[str], name: FromPath[str], version: FromPath[str], session: OpenSession, principal: Caller
) -> AssetVersionRead:
    """Return a version, in either spelling or ``latest``, with its manifest, input schema, texts and digests."""
    return AssetService(session).get_version(principal.tenant_id, namespace, name, version)


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}/archive",
    operation_id="get_asset_archive",
    summary="Download a version",
    tags=TAGS,
    guards=READ,
    media_type=ARCHIVE,
    responses={
        200: ResponseSpec(bytes, media_type=ARCHIVE, description="The archive", generate_examples=False),
        **CONDITIONAL,
        **problems(401, 403, 404, 409),
    },
    sync_to_thread=True,
)
def get_asset_archive(
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[bytes]:
    """Return the archive as it was published; its digest was compared while reading and is the ETag."""
    service = AssetService(session)
    found = service.get_version(principal.tenant_id, namespace, name, version)
    data = service.archive(principal.tenant_id, namespace, name, found.version, open_blobs(settings))
    headers = {
        "ETag": f'"sha256:{found.blob_digest}"',
        "Content-Disposition": f'attachment; filename="{name}-{found.semver}.tar.gz"',
    }
    return Answer(data, media_type=ARCHIVE, headers=headers)


@get(
    "/assets/{namespace:str}/{name:str}/used-by",
    operation_id="get_asset_used_by",
    summary="Say who uses an asset",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_asset_used_by(
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    version: Text = None,
) -> Affected:
    """Return what builds on an asset and what of the caller's runs it, in one version or in any, and whose it is."""
    return affected_by(session, settings, principal, (namespace, name), version)


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}/examples",
    operation_id="list_asset_examples",
    summary="List the inputs that a request may start from",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 409)},
    sync_to_thread=True,
)
def list_asset_examples(  # each is what the handler needs
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> ExampleList:
    """Return the presets that a version's publisher offers, each by a name with inputs that fit its schema."""
    blobs = open_blobs(settings)
    return ExampleList(items=AssetService(session).examples(principal.tenant_id, namespace, name, version, blobs))


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}/artifacts",
    operation_id="list_asset_artifacts",
    summary="List what was derived from a version",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def list_asset_artifacts(
    namespace: FromPath[str], name: FromPath[str], version: FromPath[str], session: OpenSession, principal: Caller
) -> ArtifactList:
    """Return the files that the checks derived from a version, such as the schema of its components."""
    return ArtifactList(items=AssetService(session).artifacts(principal.tenant_id, namespace, name, version))


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}/artifacts/{artifact:str}",
    operation_id="get_asset_artifact",
    summary="Download what was derived from a version",
    tags=TAGS,
    guards=READ,
    media_type="application/octet-stream",
    responses={
        200: ResponseSpec(
            bytes, media_type="application/octet-stream", description="The file", generate_examples=False
        ),
        **CONDITIONAL,
        **problems(401, 403, 404, 409),
    },
    sync_to_thread=True,
)
def get_asset_artifact(
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    artifact: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[bytes]:
    """Return one derived file in its own media type; its digest was compared while reading and is the ETag."""
    wanted = (namespace, name, version)
    found, data = AssetService(session).artifact(principal.tenant_id, wanted, artifact, open_blobs(settings))
    headers = {
        "ETag": f'"sha256:{found.blob_digest}"',
        "Content-Disposition": f'attachment; filename="{found.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(data, media_type=found.media_type, headers=headers)


@get(
    "/schemas/asset",
    operation_id="get_asset_schema",
    summary="Get the schema of manifests",
    tags=TAGS,
    guards=READ,
    media_type="application/schema+json",
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def get_asset_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``asset.yaml``, for editors."""
    return asset_schema()


def _moves(verb: str, summary: str, explanation: str) -> Any:
    def move(
        namespace: FromPath[str],
        name: FromPath[str],
        version: FromPath[str],
        data: JSONBody[ChangeVersionState],
        session: OpenSession,
        settings: AppSettings,
        principal: Caller,
    ) -> AssetVersionRead:
        change = getattr(AssetService(session), verb)
        moved: AssetVersionRead = change(principal, namespace, name, version, data)
        if moved.affected is None:
            return moved
        affected = with_owners(session, settings, principal, moved.affected)
        return moved.model_copy(update={"affected": affected})

    move.__doc__ = explanation
    move.__name__ = f"{verb}_asset_version"
    decorate = post(
        f"/assets/{{namespace:str}}/{{name:str}}/versions/{{version:str}}/{verb}",
        operation_id=move.__name__,
        summary=summary,
        tags=TAGS,
        guards=WRITE,
        status_code=200,
        responses=problems(401, 403, 404, 409, 413, 415, 422),
        response_headers=REPLAYED,
        sync_to_thread=True,
    )
    return decorate(move)


deprecate = _moves("deprecate", "Deprecate a version", "Say that a version should no longer be chosen.")
retire = _moves("retire", "Archive a version", "Say that a version is no longer maintained.")
yank = _moves("yank", "Yank a version", "Let a version be chosen by exact pin only.")
revoke = _moves("revoke", "Revoke a version", "Forbid a version for ever; what runs from it goes on.")
quarantine = _moves("quarantine", "Quarantine a version", "Neither choose nor hand a version out until it is restored.")
restore = _moves("restore", "Restore a version", "Take a deprecation, yank, archiving or quarantine back.")
