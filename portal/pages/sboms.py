"""The pages of bills of materials: where a package runs, and what one document lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from sqlmodel import Session

from catalog.attestations.sboms.shapes import MakingRead, PackageRead, Place, SbomRead, VersionCount, Whereabouts
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import InvalidInputError, NotFoundError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id, number
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import Text, renderer_of
from portal.pages.render import Page

READ = [requires("attestations:read")]
PAGE_SIZE = 25
PACKAGES = 50
ON_A_TAB = 12


@dataclass(frozen=True)
class SbomsPage(Page):
    """The search for a package, with what was found, or the tenant's newest bills of materials where none is asked."""

    template: ClassVar[str] = "sboms/index.html"

    purl: str = ""
    versions: str = ""
    found: Whereabouts | None = None
    error: str = ""
    range_error: str = ""
    sboms: Sequence[SbomRead] = ()
    next_href: str = ""
    previous_href: str = ""

    @property
    def groups(self) -> list[tuple[str, str, Sequence[Place]]]:
        """Return heading, empty text and places of each kind, those that run first."""
        if self.found is None:
            return []
        return [
            ("Environments", "No environment runs it.", self.found.environments),
            ("Releases", "No release contains it.", self.found.releases),
            ("Asset versions", "No asset version contains it.", self.found.assets),
        ]

    @property
    def total(self) -> int:
        """Count the places."""
        return sum(len(places) for _, _, places in self.groups)

    @property
    def known(self) -> Sequence[VersionCount]:
        """Return the versions that are in use, those that hold first."""
        found = () if self.found is None else self.found.versions
        return sorted(found, key=lambda each: (each.holds is False, each.holds is None))


@dataclass(frozen=True)
class SbomPage(Page):
    """One bill of materials and a page of its packages."""

    template: ClassVar[str] = "sboms/show.html"

    sbom: SbomRead
    packages: Sequence[PackageRead]
    next_href: str = ""
    previous_href: str = ""


@dataclass(frozen=True)
class Materials:
    """What the page of a thing shows of what it is made of: the documents, some packages, and why there are none."""

    sboms: Sequence[SbomRead] = ()
    packages: Sequence[PackageRead] = ()
    makings: Sequence[MakingRead] = ()

    @property
    def newest(self) -> Sequence[SbomRead]:
        """Return the newest document of each format."""
        newest = {each.format: each for each in reversed(self.sboms)}
        return [newest[each] for each in sorted(newest)]

    @property
    def obstacles(self) -> Sequence[MakingRead]:
        """Return why there are no documents, and what was left out of those that there are."""
        return [each for each in self.makings if each.detail]


@get("/sboms", guards=READ, sync_to_thread=True)
def show_sboms(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    purl: Text = None,
    versions: Annotated[str | None, QueryParameter(required=False, max_length=300)] = None,
    cursor: Text = None,
) -> Response[str]:
    """Show where a package runs; a question that cannot be read is shown again with what is wrong with it."""
    service = SupplyChainAttestationService(session, settings)
    asked, bounds = (purl or "").strip(), (versions or "").strip()
    if not asked:
        rows = service.sboms(principal.tenant_id, after=moment_and_id(cursor or None), limit=PAGE_SIZE + 1)
        sboms, following = cut(rows, PAGE_SIZE, lambda each: (each.indexed_at, each.id))
        page = SbomsPage(
            sboms=sboms,
            next_href=f"/sboms?{urlencode({'cursor': following})}" if following else "",
            previous_href="/sboms" if cursor else "",
        )
        return renderer_of(request).respond(request, page)
    try:
        found = service.where(principal.tenant_id, asked, bounds)
    except InvalidInputError as error:
        said = {each.pointer: each.detail for each in error.errors}
        page = SbomsPage(asked, bounds, error=said.get("/purl", ""), range_error=said.get("/versions", ""))
        return renderer_of(request).respond(request, page, status_code=422)
    return renderer_of(request).respond(request, SbomsPage(asked, bounds, found))


@get("/sboms/{sbom_id:uuid}", guards=READ, sync_to_thread=True)
def show_sbom(
    request: WebRequest,
    sbom_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    cursor: Text = None,
) -> Response[str]:
    """Show one bill of materials."""
    service = SupplyChainAttestationService(session, settings)
    sbom = service.sbom(principal.tenant_id, sbom_id)
    rows = service.sbom_packages(sbom_id, number(cursor or None) or 0, PACKAGES + 1)
    found, following = cut(rows, PACKAGES, lambda each: (each[0],))
    page = SbomPage(
        sbom,
        [each for _, each in found],
        next_href=f"/sboms/{sbom_id}?{urlencode({'cursor': following})}" if following else "",
        previous_href=f"/sboms/{sbom_id}" if cursor else "",
    )
    return renderer_of(request).respond(request, page)


def materials_of(session: Session, settings: Settings, principal: Principal, subject: str) -> Materials | None:
    """Return what the page of a thing shows of what it is made of, None where that is not to be seen."""
    if not principal.may("attestations:read"):
        return None
    service = SupplyChainAttestationService(session, settings)
    try:
        sboms = service.sboms_of(principal.tenant_id, subject)
        makings = service.makings_of(principal.tenant_id, subject)
    except NotFoundError:
        return Materials()
    packages = service.sbom_packages(sboms[0].id, limit=ON_A_TAB) if sboms else []
    return Materials(sboms, [each for _, each in packages], makings)


ROUTES = (show_sboms, show_sbom)
