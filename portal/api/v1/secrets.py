"""Secrets of a tenant: values that blueprints name and nobody reads."""

from typing import Annotated

from litestar import delete, get, put
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath
from pydantic import BaseModel

from catalog.tenants.models import SecretRead, SetSecret
from catalog.tenants.secrets import SecretService
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["secrets"]
READ = [requires("environments:read")]
ADMIN = [requires("tenants:admin")]
_ASKED = Example(summary="A token for the API", value={"value": "s3cret", "blueprints": ["slipway/preview-*"]})


class SecretList(BaseModel):
    """The secrets of a tenant by name, without their values."""

    items: list[SecretRead]
    next_cursor: str | None = None


@get(
    "/secrets",
    operation_id="list_secrets",
    summary="List the names of secrets",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_secrets(session: OpenSession, settings: AppSettings, principal: Caller) -> SecretList:
    """Return the names that blueprints may refer to as ``${secrets.NAME}``; values are never shown."""
    return SecretList(items=SecretService(session, settings).names(principal))


@put(
    "/secrets/{name:str}",
    operation_id="set_secret",
    summary="Give a secret its value",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 409, 413, 415, 422),
    sync_to_thread=True,
)
def set_secret(
    name: FromPath[str],
    data: Annotated[SetSecret, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> SecretRead:
    """Seal a value under a name; what was there before is forgotten. Environments get it at their next deployment."""
    return SecretService(session, settings).set(principal, name, data)


@delete(
    "/secrets/{name:str}",
    operation_id="remove_secret",
    summary="Forget a secret",
    tags=TAGS,
    guards=ADMIN,
    status_code=204,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def remove_secret(name: FromPath[str], session: OpenSession, settings: AppSettings, principal: Caller) -> None:
    """Forget a secret; environments that have it keep it until their next deployment, which then fails."""
    SecretService(session, settings).remove(principal, name)


ROUTES = (list_secrets, set_secret, remove_secret)
