"""Registries elsewhere: where artifacts of releases are fetched from, and told what they are made of."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath
from pydantic import BaseModel

from catalog.attestations.sboms.shapes import AddRegistry, RegistryRead
from catalog.attestations.service import SupplyChainAttestationService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession
from portal.idempotency import Answer

TAGS = ["sboms"]
READ = [requires("attestations:read")]
ADMIN = [requires("attestations:admin")]
_ASKED = Example(
    summary="A registry that takes statements",
    value={"host": "registry.example.com", "username": "slipway", "secret": "a token", "may_push": True},
)


class RegistryList(BaseModel):
    """The registries that may be asked, by host."""

    items: list[RegistryRead]
    next_cursor: str | None = None


@get(
    "/sboms/registries",
    operation_id="list_artifact_registries",
    summary="List registries elsewhere",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_registries(session: OpenSession, settings: AppSettings, principal: Caller) -> RegistryList:
    """Return the registries that the tenant's artifacts are looked up in; credentials are never shown."""
    service = SupplyChainAttestationService(session, settings)
    return RegistryList(items=service.registries(principal.tenant_id))


@post(
    "/sboms/registries",
    operation_id="add_artifact_registry",
    summary="Name a registry elsewhere",
    tags=TAGS,
    guards=ADMIN,
    status_code=201,
    responses=problems(401, 403, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def add_registry(
    data: Annotated[AddRegistry, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[RegistryRead]:
    """Let images or npm packages of releases be fetched from a registry, by digest, to be described.

    The same kind and host again replaces the credential. With ``may_push``, signed bills of materials about an image
    are attached to it there, as OCI referrers.
    """
    made = SupplyChainAttestationService(session, settings).add_registry(principal, data)
    return Answer(made, status_code=201)


@delete(
    "/sboms/registries/{registry_id:uuid}",
    operation_id="remove_artifact_registry",
    summary="Forget a registry elsewhere",
    tags=TAGS,
    guards=ADMIN,
    status_code=204,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def remove_registry(
    registry_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> None:
    """Ask a registry no longer, and forget its credential; what was attached there stays."""
    SupplyChainAttestationService(session, settings).remove_registry(principal, registry_id)


ROUTES = (list_registries, add_registry, remove_registry)
