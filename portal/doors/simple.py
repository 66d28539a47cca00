"""The simple index of a tenant: what pip, uv and every other installer of Python packages reads."""

from typing import Annotated, Any

from litestar import Response
from litestar.params import FromPath, QueryParameter
from packaging.utils import canonicalize_name, is_normalized_name

from catalog.attestations.service import SupplyChainAttestationService
from catalog.distributions.errors import NoSuchProjectError
from catalog.distributions.service import DistributionService
from catalog.providers.blobs import open_blobs
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.doors import simple_pages
from portal.doors.files import FOR_EVER, hand_out
from portal.doors.negotiation import Form, choose_form
from portal.doors.reading import read_route
from portal.doors.tenancy import check_tenant
from portal.idempotency import Answer

WHEEL = "application/zip"
CORE_SUFFIX = ".metadata"
PROVENANCE_SUFFIX = ".provenance"
PROVENANCE = "application/vnd.pypi.integrity.v1+json"
Format = Annotated[str | None, QueryParameter(name="format", required=False, max_length=100)]
_VARY = "Accept, Authorization, Cookie"


@read_route("/simple", "list_projects", "The projects of a simple index", Form.JSON)
def list_projects(
    request: WebRequest,
    tenant: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    form: Format = None,
) -> Response[Any]:
    """Return the names of the projects that the tenant may see: its own, those shared with it, and public ones."""
    check_tenant(principal, tenant)
    if not _ends_in_slash(request):
        return _moved(request, f"/t/{tenant}/simple/")
    chosen = choose_form(request.headers.get("accept"), form)
    projects = DistributionService(session, open_blobs(settings)).projects(principal.tenant_id)
    render = simple_pages.root_json if chosen is Form.JSON else simple_pages.root_html
    return _page(render(projects), chosen)


@read_route("/simple/{project:str}", "show_project", "The files of a project", Form.JSON)
def show_project(
    request: WebRequest,
    tenant: FromPath[str],
    project: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    form: Format = None,
) -> Response[Any]:
    """Return every file of a project that may still be chosen, all of one publisher, with what installers ask for."""
    check_tenant(principal, tenant)
    name = canonicalize_name(project)
    if not is_normalized_name(name):
        raise NoSuchProjectError("There is no project of that name.")
    if name != project or not _ends_in_slash(request):
        return _moved(request, f"/t/{tenant}/simple/{name}/")
    chosen = choose_form(request.headers.get("accept"), form)
    page = DistributionService(session, open_blobs(settings)).project(principal.tenant_id, name)
    proved = SupplyChainAttestationService(session, settings).attested_wheels(page.owner, name)
    base = f"{settings.base_url}/t/{tenant}/files"
    provenance = {
        each.digest: f"{base}/{each.digest}/{each.filename}{PROVENANCE_SUFFIX}"
        for each in page.files
        if each.digest in proved
    }
    render = simple_pages.project_json if chosen is Form.JSON else simple_pages.project_html
    return _page(render(page, provenance), chosen)


@read_route("/files/{digest:str}/{filename:str}", "download_file", "A wheel, or the METADATA of one", WHEEL)
def download_file(
    request: WebRequest,
    tenant: FromPath[str],
    digest: FromPath[str],
    filename: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return a wheel, whole or the range that is asked for; with ``.metadata`` behind its name its METADATA alone.

    With ``.provenance`` behind its name it is who published the wheel from where (PEP 740), where that is proved.
    """
    check_tenant(principal, tenant)
    service = DistributionService(session, open_blobs(settings))
    if filename.endswith(PROVENANCE_SUFFIX):
        found = service.file(principal.tenant_id, digest, filename.removesuffix(PROVENANCE_SUFFIX))
        proof = SupplyChainAttestationService(session, settings).provenance(found.tenant_id, digest)
        return Answer(proof, media_type=PROVENANCE, headers={"Vary": _VARY})
    wheel = filename.removesuffix(CORE_SUFFIX)
    if wheel != filename:
        core = service.core(principal.tenant_id, digest, wheel)
        return hand_out(request, core, f"{digest}.metadata", "text/plain", {"Cache-Control": FOR_EVER})
    data = service.content(principal.tenant_id, digest, filename)
    headers = {"Cache-Control": FOR_EVER, "Content-Disposition": f'attachment; filename="{filename}"'}
    return hand_out(request, data, digest, WHEEL, headers)


def _page(content: bytes, form: Form) -> Response[Any]:
    return Answer(content, media_type=form, headers={"Vary": _VARY})


def _ends_in_slash(request: WebRequest) -> bool:
    # The path itself has lost its slash on the way here; relative links of a page need it.
    return request.scope["raw_path"].partition(b"?")[0].endswith(b"/")


def _moved(request: WebRequest, path: str) -> Response[Any]:
    query = request.scope["query_string"].decode("latin-1")
    location = f"{path}?{query}" if query else path
    return Response(b"", status_code=301, media_type="text/plain", headers={"Location": location})
