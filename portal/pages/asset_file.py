"""The page of one file of a version: its text, or what changed in it against another version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from catalog.assets.errors import AssetNotFoundError
from catalog.assets.models import AssetRead
from catalog.assets.service import AssetService
from catalog.assets.texts import DiffLine, FileText, difference
from catalog.providers.blobs import open_blobs
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.render import Page


@dataclass(frozen=True)
class AssetFilePage(Page):
    """A file of the version ``version``, compared with that of ``before`` where that is not "".

    ``old`` is None where nothing is compared, or the file was not there before; ``new`` where it is there no more.
    """

    template: ClassVar[str] = "assets/file.html"

    asset: AssetRead
    path: str
    version: str
    before: str
    new: FileText | None
    old: FileText | None

    @property
    def asset_path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.asset.namespace}/{self.asset.name}"

    @property
    def back_href(self) -> str:
        """Return the address of the list that the file stands in."""
        if self.before:
            return f"/assets/{self.asset_path}/compare?{urlencode({'from': self.before, 'to': self.version})}"
        return f"/assets/{self.asset_path}?{urlencode({'version': self.version, 'tab': 'files'})}"

    @property
    def whole_href(self) -> str:
        """Return the address of the whole file, in the newer version that has it."""
        return file_href(self.asset_path, self.version if self.new is not None else self.before, self.path)

    @property
    def problem(self) -> str:
        """Say why there is nothing to read, "" where there is."""
        return next((each.problem for each in (self.new, self.old) if each is not None and each.problem), "")

    @property
    def is_cut(self) -> bool:
        """Tell whether a file goes on beyond what is shown."""
        return any(each.is_cut for each in (self.new, self.old) if each is not None)

    @property
    def changes(self) -> Sequence[DiffLine]:
        """Return the lines that differ."""
        old, new = (each.lines if each is not None else () for each in (self.old, self.new))
        return difference(old, new)


def file_href(asset: str, version: str, path: str, before: str = "") -> str:
    """Return the address of a file of a version, or of what changed in it since the version ``before``."""
    asked = {"version": version, "path": path} | ({"from": before} if before else {})
    return f"/assets/{asset}/file?{urlencode(asked)}"


@get("/assets/{namespace:str}/{name:str}/file", guards=[requires("assets:read")], sync_to_thread=True)
def show_asset_file(  # noqa: PLR0913, PLR0917  # three are query parameters, three the unit of work
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    version: Annotated[str, QueryParameter(max_length=64)],
    path: Annotated[str, QueryParameter(max_length=300)],
    before: Annotated[str | None, QueryParameter(name="from", required=False, max_length=64)] = None,
) -> Response[str]:
    """Show a file as text, never as what it says it is: whoever published it is a stranger."""
    service, blobs = AssetService(session), open_blobs(settings)
    asset = service.get(principal.tenant_id, namespace, name)

    def found(wanted: str) -> tuple[str, FileText | None]:
        canonical = service.get_version(principal.tenant_id, namespace, name, wanted).version
        return canonical, service.file_text(principal.tenant_id, (namespace, name, canonical), path, blobs)

    number, new = found(version)
    older, old = found(before) if before else ("", None)
    if new is None and old is None:
        raise AssetNotFoundError(f"{namespace}/{name} {number} has no such file.")
    return renderer_of(request).respond(request, AssetFilePage(asset, path, number, older, new, old))


ROUTES = (show_asset_file,)
