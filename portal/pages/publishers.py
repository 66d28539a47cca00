"""The page of publishers: as whom the tenant is verified, and whose CI jobs may publish without a stored secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.errors import FieldError, SlipwayError
from catalog.providers.identities import IdentityProvider, providers
from catalog.providers.identities.verification import Issuer, audience, issuers
from catalog.publishers.models import AddTrustedPublisher, ClaimProof, PublisherProofRead, TrustedPublisherRead
from catalog.publishers.service import PublisherProofService, TrustedPublisherService
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

FIELDS = ("subject", "asset", "issuer", "repository", "owner_id", "repository_id", "workflow", "environment")


@dataclass(frozen=True)
class PublishersPage(Page):
    """The tenant's trusted publishers, and the form for another, of the chosen kind of issuer."""

    template: ClassVar[str] = "publishers/index.html"

    publishers: Sequence[TrustedPublisherRead]
    proofs: Sequence[PublisherProofRead]
    known: Mapping[str, Issuer]
    issuer: Issuer
    audience: str
    may_change: bool
    may_claim: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    @property
    def providers(self) -> Mapping[str, IdentityProvider]:
        """Return every kind of issuer by name."""
        return providers()

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [_labelled(each) for each in self.errors]


def _labelled(error: FieldError) -> tuple[str, str, str]:
    name = error.pointer.removeprefix("/")
    if name not in FIELDS:
        return "", "", error.detail
    return name.replace("_", " ").capitalize(), f"field-{name.replace('_', '-')}", error.detail


@get("/publishers", guards=[requires("assets:read")], sync_to_thread=True)
def show_publishers(
    request: WebRequest, session: OpenSession, principal: Caller, settings: AppSettings, issuer: Text = None
) -> Response[str]:
    """Show as whom the tenant is verified and whose jobs may publish, with the form of one kind of issuer."""
    return renderer_of(request).respond(request, _page(session, principal, settings, {"issuer": issuer or ""}))


@post("/publishers", guards=[requires("assets:admin")], sync_to_thread=True)
def add_publisher(
    request: WebRequest, data: SentForm, session: OpenSession, principal: Caller, settings: AppSettings
) -> Response[str] | Redirect:
    """Let the jobs of a repository publish one asset."""
    values = {name: text for name, text in last_values(sent_fields(data)).items() if name in FIELDS}
    try:
        wanted = AddTrustedPublisher.model_validate(values)
        TrustedPublisherService(session).add(principal, wanted, settings)
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        page = _page(session, principal, settings, values, _errors(error, "/asset"))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect("/publishers", "publisher-trusted")


@post("/publishers/{publisher_id:uuid}/remove", guards=[requires("assets:admin")], sync_to_thread=True)
def remove_publisher(publisher_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Trust a publisher no longer."""
    TrustedPublisherService(session).remove(principal, publisher_id)
    return redirect("/publishers", "publisher-removed")


@post("/publishers/proofs", guards=[requires("tenants:admin")], sync_to_thread=True)
def claim_proof(
    request: WebRequest, data: SentForm, session: OpenSession, principal: Caller, settings: AppSettings
) -> Response[str] | Redirect:
    """Claim a domain or repository, or have it looked at again."""
    values = {name: text for name, text in last_values(sent_fields(data)).items() if name in {"kind", "subject"}}
    try:
        PublisherProofService(session).claim(principal, ClaimProof.model_validate(values), settings)
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        page = _page(session, principal, settings, values, _errors(error, "/subject"))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect("/publishers", "proof-claimed")


@post("/publishers/proofs/{proof_id:uuid}/withdraw", guards=[requires("tenants:admin")], sync_to_thread=True)
def withdraw_proof(proof_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Claim a domain or repository no longer."""
    PublisherProofService(session).withdraw(principal, proof_id)
    return redirect("/publishers", "proof-withdrawn")


def _page(
    session: Session,
    principal: Principal,
    settings: Settings,
    values: Mapping[str, str],
    errors: Sequence[FieldError] = (),
) -> PublishersPage:
    known = issuers(settings)
    return PublishersPage(
        TrustedPublisherService(session).all(principal.tenant_id),
        PublisherProofService(session).all(principal.tenant_id),
        known,
        known.get(values.get("issuer", "")) or next(iter(known.values())),
        audience(settings),
        principal.may("assets:admin"),
        principal.may("tenants:admin"),
        values,
        errors,
    )


def _errors(error: ValidationError | SlipwayError, field_name: str) -> list[FieldError]:
    if isinstance(error, SlipwayError):
        return list(error.errors) or [FieldError(field_name, error.detail)]
    return [FieldError(f"/{each['loc'][0]}", "Fill this in; it may not be too long.") for each in error.errors()]


ROUTES = (show_publishers, add_publisher, remove_publisher, claim_proof, withdraw_proof)
