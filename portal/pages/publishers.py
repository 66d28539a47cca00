"""The page of trusted publishers: whose CI jobs may publish which asset without a stored secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.errors import FieldError, SlipwayError
from catalog.providers.identities import IdentityProvider, providers
from catalog.providers.identities.verification import Issuer, audience, issuers
from catalog.publishers.models import AddTrustedPublisher, TrustedPublisherRead
from catalog.publishers.service import TrustedPublisherService
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

FIELDS = ("asset", "issuer", "repository", "owner_id", "repository_id", "workflow", "environment")


@dataclass(frozen=True)
class PublishersPage(Page):
    """The tenant's trusted publishers, and the form for another, of the chosen kind of issuer."""

    template: ClassVar[str] = "publishers/index.html"

    publishers: Sequence[TrustedPublisherRead]
    known: Mapping[str, Issuer]
    issuer: Issuer
    audience: str
    may_change: bool
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
    """Show whose jobs may publish, with the form of one kind of issuer."""
    found = TrustedPublisherService(session).all(principal.tenant_id)
    known = issuers(settings)
    chosen = known.get(issuer or "") or next(iter(known.values()))
    page = PublishersPage(found, known, chosen, audience(settings), principal.may("assets:admin"))
    return renderer_of(request).respond(request, page)


@post("/publishers", guards=[requires("assets:admin")], sync_to_thread=True)
def add_publisher(
    request: WebRequest, data: SentForm, session: OpenSession, principal: Caller, settings: AppSettings
) -> Response[str] | Redirect:
    """Let the jobs of a repository publish one asset."""
    values = {name: text for name, text in last_values(sent_fields(data)).items() if name in FIELDS}
    service = TrustedPublisherService(session)
    try:
        service.add(principal, AddTrustedPublisher.model_validate(values), settings)
    except ValidationError as error:
        errors = [FieldError(f"/{each['loc'][0]}", "Fill this in; it may not be too long.") for each in error.errors()]
    except SlipwayError as error:
        session.rollback()
        errors = list(error.errors) or [FieldError("/asset", error.detail)]
    else:
        return redirect("/publishers", "publisher-trusted")
    known = issuers(settings)
    chosen = known.get(values.get("issuer", "")) or next(iter(known.values()))
    found = service.all(principal.tenant_id)
    page = PublishersPage(found, known, chosen, audience(settings), may_change=True, values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=422)


@post("/publishers/{publisher_id:uuid}/remove", guards=[requires("assets:admin")], sync_to_thread=True)
def remove_publisher(publisher_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Trust a publisher no longer."""
    TrustedPublisherService(session).remove(principal, publisher_id)
    return redirect("/publishers", "publisher-removed")


ROUTES = (show_publishers, add_publisher, remove_publisher)
