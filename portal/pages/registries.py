"""The page of registries elsewhere: where artifacts are fetched from to be described, and what is told back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.attestations.sboms.shapes import AddRegistry, RegistryRead
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import FieldError, SlipwayError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.signing_keys import errors_of

READ = [requires("attestations:read")]
ADMIN = [requires("attestations:admin")]
KINDS = (("oci", "Images (OCI)"), ("npm", "npm packages"))
LABELS = {"kind": "What it holds", "host": "Host", "username": "Name", "secret": "Password or token"}
_ADDRESS = "/sboms/registries"


@dataclass(frozen=True)
class RegistriesPage(FormErrors, Page):
    """The registries that may be asked, and the form that names another; a secret is never shown again."""

    template: ClassVar[str] = "sboms/registries.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    registries: Sequence[RegistryRead]
    may_change: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    kinds: Sequence[tuple[str, str]] = KINDS


@get(_ADDRESS, guards=READ, sync_to_thread=True)
def show_registries(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show the registries that the tenant has named."""
    return renderer_of(request).respond(request, _page(session, settings, principal))


@post(_ADDRESS, guards=ADMIN, sync_to_thread=True)
def add_registry(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Let a registry be asked."""
    values = last_values(sent_fields(data))
    given = {name: values[name] for name in ("kind", "host", "username", "secret") if values.get(name)}
    try:
        asked = AddRegistry.model_validate({**given, "may_push": "may_push" in values})
        SupplyChainAttestationService(session, settings).add_registry(principal, asked)
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        shown = {name: value for name, value in values.items() if name != "secret"}
        page = _page(session, settings, principal, shown, errors_of(error))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect(_ADDRESS, "registry-added")


@post(f"{_ADDRESS}/{{registry_id:uuid}}/remove", guards=ADMIN, sync_to_thread=True)
def remove_registry(
    registry_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Forget a registry and its credential."""
    SupplyChainAttestationService(session, settings).remove_registry(principal, registry_id)
    return redirect(_ADDRESS, "registry-removed")


def _page(
    session: Session,
    settings: Settings,
    principal: Principal,
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> RegistriesPage:
    found = SupplyChainAttestationService(session, settings).registries(principal.tenant_id)
    return RegistriesPage(found, principal.may("attestations:admin"), values or {}, errors)


ROUTES = (show_registries, add_registry, remove_registry)
