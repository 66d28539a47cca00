"""The pages of sharing and of a tenant's catalog: full, empty, refused, and for who may not change them."""

from datetime import UTC, datetime

from catalog.assets.curation.models import Catalog, EntryRead, Sharing
from catalog.assets.models import AssetRead, Visibility
from catalog.errors import FieldError
from portal.pages.asset_access import AccessPage
from portal.pages.catalog import CatalogPage
from portal.pages.render import Page

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    asset = AssetRead(
        namespace="acme",
        name="preview",
        kind="deployment-blueprint",
        visibility=Visibility.SHARED,
        display_name="Web application preview",
        summary="Runs the web process of a pull request",
        license="Apache-2.0",
        keywords=[],
        archetypes=[],
        latest_version="1.5.0",
        updated_at=MOMENT,
        owned=True,
    )
    adopted = EntryRead(
        namespace="slipway",
        name="preview-web",
        hidden=False,
        allowed=">=1.2,<2",
        reason="What the platform team has tried.",
        changed_by="Ada Lovelace",
        changed_at=MOMENT,
    )
    hidden = adopted.model_copy(update={"name": LONG[:63], "hidden": True, "allowed": "", "reason": LONG})
    full = Catalog(is_curated=True, entries=[adopted, hidden])
    errors = (FieldError("/asset", "There is no asset acme/none, or you may not see it."), FieldError("/allowed", "x"))
    sent = {"asset": "acme/none", "decision": "hide", "allowed": "~", "reason": ""}
    return {
        "catalog": CatalogPage(full, may_decide=True, values={"asset": ""}),
        "catalog-empty": CatalogPage(Catalog(is_curated=False, entries=[]), may_decide=True),
        "catalog-read-only": CatalogPage(full, may_decide=False),
        "catalog-refused": CatalogPage(full, may_decide=True, values=sent, errors=errors),
        "access": AccessPage(asset, Sharing(visibility=Visibility.SHARED, tenants=["partner", LONG[:63]])),
        "access-refused": AccessPage(
            asset,
            Sharing(visibility=Visibility.PRIVATE, tenants=[]),
            {"visibility": "shared", "tenants": "Partner"},
            {"tenants": "Partner: write names of tenants, in lower case."},
        ),
    }
