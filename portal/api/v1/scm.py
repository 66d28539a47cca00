"""Connections to source code management: credentials, the repositories followed through them, their hooks' secrets."""

from uuid import UUID

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict, Field

from catalog.scm.models import (
    ConnectScm,
    FollowRepository,
    ScmCondition,
    ScmConnectionMade,
    ScmConnectionRead,
    ScmRepositoryRead,
)
from catalog.scm.service import ScmService, conditions_of
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["scm"]
READ = [requires("environments:read")]
ADMIN = [requires("tenants:admin")]


class ScmConnectionList(BaseModel):
    """The tenant's connections, by name."""

    items: list[ScmConnectionRead]


class ScmConditionList(BaseModel):
    """What may be done in a repository, right by right."""

    items: list[ScmCondition]


class ReplaceCredentials(BaseModel):
    """Other credentials for a connection."""

    model_config = ConfigDict(extra="forbid")

    credentials: dict[str, str] = Field(repr=False, max_length=10, examples=[{"token": "github_pat_example"}])


@get(
    "/scm/connections",
    operation_id="list_scm_connections",
    summary="List connections to source code management",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_scm_connections(session: OpenSession, settings: AppSettings, principal: Caller) -> ScmConnectionList:
    """Return the tenant's connections with the repositories that are followed through them; no secret is in it."""
    return ScmConnectionList(items=ScmService(session, settings).all(principal.tenant_id))


@post(
    "/scm/connections",
    operation_id="create_scm_connection",
    summary="Connect to source code management",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def create_scm_connection(
    data: JSONBody[ConnectScm], session: OpenSession, settings: AppSettings, principal: Caller
) -> ScmConnectionMade:
    """Keep credentials for a server. The secret for its hooks is told in this answer and never again."""
    return ScmService(session, settings).connect(principal, data)


@get(
    "/scm/connections/{connection_id:uuid}",
    operation_id="get_scm_connection",
    summary="Get a connection",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_scm_connection(
    connection_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> ScmConnectionRead:
    """Return one connection with the repositories that are followed through it."""
    return ScmService(session, settings).get(principal.tenant_id, connection_id)


@post(
    "/scm/connections/{connection_id:uuid}/rotate",
    operation_id="rotate_scm_hook_secret",
    summary="Rotate the secret of a connection's hooks",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404),
    response_headers=REPLAYED,
    status_code=200,
    sync_to_thread=True,
)
def rotate_scm_hook_secret(
    connection_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> ScmConnectionMade:
    """Make another secret. The one before stays good until the next rotation, so that no delivery is lost."""
    return ScmService(session, settings).rotate(principal, connection_id)


@put(
    "/scm/connections/{connection_id:uuid}/credentials",
    operation_id="replace_scm_credentials",
    summary="Replace a connection's credentials",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404, 413, 415, 422),
    sync_to_thread=True,
)
def replace_scm_credentials(
    connection_id: FromPath[UUID],
    data: JSONBody[ReplaceCredentials],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> ScmConnectionRead:
    """Keep other credentials in place of those that a connection has."""
    return ScmService(session, settings).replace_credentials(principal, connection_id, data.credentials)


@delete(
    "/scm/connections/{connection_id:uuid}",
    operation_id="delete_scm_connection",
    summary="Disconnect",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def delete_scm_connection(
    connection_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> None:
    """Forget credentials and secrets; its repositories are followed no longer."""
    ScmService(session, settings).disconnect(principal, connection_id)


@post(
    "/scm/connections/{connection_id:uuid}/repositories",
    operation_id="follow_scm_repository",
    summary="Follow a repository",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def follow_scm_repository(
    connection_id: FromPath[UUID],
    data: JSONBody[FollowRepository],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> ScmRepositoryRead:
    """Look at a repository's pull requests from now on; following it again changes nothing."""
    return ScmService(session, settings).follow(principal, connection_id, data.address)


@post(
    "/scm/test",
    operation_id="test_scm_repository",
    summary="Test what may be done in a repository",
    tags=TAGS,
    guards=ADMIN,
    status_code=200,
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def check_scm_repository(
    data: JSONBody[FollowRepository], session: OpenSession, settings: AppSettings, principal: Caller
) -> ScmConditionList:
    """Ask the provider now which rights the tenant's connection has there; each that is missing names its fix."""
    repository = ScmService(session, settings).open(principal.tenant_id, data.address)
    session.rollback()  # the provider may take its time, and needs no connection of ours meanwhile
    return ScmConditionList(items=conditions_of(repository))


ROUTES = (
    list_scm_connections,
    create_scm_connection,
    get_scm_connection,
    rotate_scm_hook_secret,
    replace_scm_credentials,
    delete_scm_connection,
    follow_scm_repository,
    check_scm_repository,
)
