"""The page that compares two versions of an asset: what changed, and what that asks of the version's number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from catalog.assets.compatibility.diff import ChangeRead, VersionDiff
from catalog.assets.models import AssetRead, VersionSummary
from catalog.assets.service import AssetService
from catalog.errors import NotFoundError
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.asset_file import file_href
from portal.pages.forms import renderer_of
from portal.pages.render import Page
from portal.pages.shown_version import shown_version

TONES = {"major": "bad", "minor": "good", "patch": "quiet", "none": "quiet"}
MOST_CHOICES = 200
"""How many versions the form offers; an older one is named in the address."""
WEIGHTS = {"major": "breaks", "minor": "new", "patch": "in words"}


@dataclass(frozen=True)
class ComparisonPage(Page):
    """Two versions of one asset side by side."""

    template: ClassVar[str] = "assets/compare.html"

    asset: AssetRead
    versions: Sequence[VersionSummary]
    diff: VersionDiff

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.asset.namespace}/{self.asset.name}"

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Return the versions that may be compared."""
        listed = [each.version for each in self.versions]
        beside = [each for each in (self.diff.after, self.diff.before) if each not in listed]
        return [(each, each) for each in (*listed, *dict.fromkeys(beside))]

    def file_href(self, path: str) -> str:
        """Return the address of what changed in a file."""
        return file_href(self.path, self.diff.after, path, self.diff.before)

    @property
    def is_same(self) -> bool:
        """Tell whether nothing differs but the number."""
        return not (self.diff.inputs or self.diff.outputs or self.diff.files or self.diff.manifest)

    @property
    def sides(self) -> list[tuple[str, Sequence[ChangeRead]]]:
        """Return title and changes of what others rely on."""
        return [("Inputs", self.diff.inputs), ("Outputs", self.diff.outputs), ("Asks", self.diff.asks)]

    def tone(self, change: ChangeRead) -> str:
        """Return the colour of a change."""
        return TONES[change.bump]

    def weight(self, change: ChangeRead) -> str:
        """Return in a word what a change means for whoever uses the asset."""
        return WEIGHTS.get(change.bump, "") if change.proven else "may break"

    @property
    def verdict(self) -> tuple[str, str, str]:
        """Return tone, title and text of what the changes ask of the number."""
        bump = self.diff.bump
        if bump.refused:
            text = f"Going from {self.diff.before} to it can break what uses it. {bump.honest} would be honest."
            return "bad", f"{self.diff.after} promises more than it keeps", text
        if bump.needed == "major":
            return "warn", "A breaking change", "Read what breaks before you move; the number says that something does."
        if self.is_same:
            return "quiet", "Nothing differs", "Both versions hold the same files."
        return "good", "Compatible", f"Whatever worked with {self.diff.before} works with {self.diff.after}."


@get("/assets/{namespace:str}/{name:str}/compare", guards=[requires("assets:read")], sync_to_thread=True)
def show_comparison(  # each is a part of the address
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    principal: Caller,
    before: Annotated[str | None, QueryParameter(name="from", required=False, max_length=64)] = None,
    after: Annotated[str | None, QueryParameter(name="to", required=False, max_length=64)] = None,
) -> Response[str]:
    """Show what changed; left out, ``to`` is the latest version and ``from`` the one it was compared with."""
    service = AssetService(session)
    tenant_id = principal.tenant_id
    asset = service.get(tenant_id, namespace, name)
    newer = after or shown_version(service, tenant_id, namespace, name).version
    older = before or service.version_before(tenant_id, namespace, name, newer)
    if older is None:
        raise NotFoundError(f"There is no version before {newer} to compare it with.")
    diff = service.diff(tenant_id, namespace, name, older, newer)
    page = ComparisonPage(asset, service.versions(tenant_id, namespace, name, limit=MOST_CHOICES), diff)
    return renderer_of(request).respond(request, page)


ROUTES = (show_comparison,)
