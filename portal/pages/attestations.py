"""The pages of attestations: what came in, and one of them with what it says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from sqlmodel import Session

from catalog.attestations.models import Verdict
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Assessment, AttestationRead, VerifySubject
from catalog.errors import NotFoundError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import Text, renderer_of
from portal.pages.render import Page

READ = [requires("attestations:read")]
PAGE_SIZE = 25
FILTERS = {"verified": "Evidence", "invalidated": "No longer evidence", "rejected": "Not accepted"}
_NOTHING = {
    "verified": (
        "No attestations yet",
        "Publish an asset and its publication is signed; send provenance and bills of materials with slipway attest.",
    ),
    "invalidated": ("Nothing was taken back", "When a key is revoked, what it signed is listed here."),
    "rejected": ("Nothing was refused", "What proves nothing is kept here, with the reason, apart from all evidence."),
}
_LONGEST = 20_000


@dataclass(frozen=True)
class AttestationsPage(Page):
    """The tenant's attestations of one verdict, newest first."""

    template: ClassVar[str] = "attestations/index.html"

    attestations: Sequence[AttestationRead]
    counts: Mapping[Verdict, int]
    filter: str
    previous_href: str = ""
    next_href: str = ""

    @property
    def filters(self) -> list[tuple[str, str, str, int]]:
        """Return key, name, address and count of each filter."""
        return [
            (key, name, f"/attestations?verdict={key}", self.counts.get(Verdict(key), 0))
            for key, name in FILTERS.items()
        ]

    @property
    def nothing(self) -> tuple[str, str]:
        """Say that there is nothing, and what comes next."""
        return _NOTHING[self.filter]


@dataclass(frozen=True)
class AttestationPage(Page):
    """One attestation; ``predicate`` is what it says as JSON, "" where it is not evidence."""

    template: ClassVar[str] = "attestations/show.html"

    attestation: AttestationRead
    predicate: str
    is_cut: bool = False


@get("/attestations", guards=READ, sync_to_thread=True)
def list_attestations(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    verdict: Annotated[str | None, QueryParameter(required=False, max_length=20)] = None,
    cursor: Text = None,
) -> Response[str]:
    """Show the tenant's attestations."""
    chosen = verdict if verdict in FILTERS else "verified"
    service = SupplyChainAttestationService(session, settings)
    rows = service.page(
        principal.tenant_id, verdicts=[Verdict(chosen)], before=moment_and_id(cursor or None), limit=PAGE_SIZE + 1
    )
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.received_at, each.id))
    page = AttestationsPage(
        found,
        service.counts(principal.tenant_id),
        chosen,
        previous_href=f"/attestations?verdict={chosen}" if cursor else "",
        next_href="/attestations?" + urlencode({"verdict": chosen, "cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/attestations/{attestation_id:uuid}", guards=READ, sync_to_thread=True)
def show_attestation(
    request: WebRequest,
    attestation_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Show one attestation."""
    service = SupplyChainAttestationService(session, settings)
    found = service.get(principal.tenant_id, attestation_id)
    said = (
        json.dumps(service.statement(attestation_id).predicate, indent=2, ensure_ascii=False) if found.verified else ""
    )
    page = AttestationPage(found, said[:_LONGEST], is_cut=len(said) > _LONGEST)
    return renderer_of(request).respond(request, page)


def evidence_about(session: Session, settings: Settings, principal: Principal, subject: str) -> Assessment | None:
    """Return what the page of a thing shows of its evidence, None where nothing is recorded or it is not to be seen."""
    if not principal.may("attestations:read"):
        return None
    try:
        asked = VerifySubject(subject=subject)
        return SupplyChainAttestationService(session, settings).verify(principal.tenant_id, asked)
    except NotFoundError:
        return None


ROUTES = (list_attestations, show_attestation)
