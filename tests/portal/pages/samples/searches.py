"""The pages of saved searches, feeds and publishers: full, empty, refused, and with a new token."""

from datetime import UTC, datetime
from uuid import UUID

from catalog.assets.models import AssetRead, Trust, VersionState, Visibility
from catalog.assets.searches.models import SavedQuery, SavedSearchRead
from catalog.assets.usage.models import PublisherRead, Totals
from catalog.tenants.models import NewToken
from portal.pages.publisher import PublisherPage
from portal.pages.render import Page
from portal.pages.searches import SearchesPage

MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"
DOOR = "https://slipway.example/t/acme/feeds"


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    query = SavedQuery(q="network", kind="component-package", cloud="azure", sort="newest")
    usual = SavedSearchRead(id=ID, name="Networks", query=query, created_at=MOMENT, seen_at=MOMENT, fresh=3)
    searches = [
        usual,
        usual.model_copy(update={"id": UUID(int=2), "name": LONG, "query": SavedQuery(q=LONG), "fresh": 100}),
        usual.model_copy(update={"id": UUID(int=3), "name": "Everything", "query": SavedQuery(), "fresh": 0}),
    ]
    token = NewToken(
        id=ID,
        name=LONG,
        scopes=["feeds:read"],
        created_at=MOMENT,
        expires_at=MOMENT,
        last_used_at=MOMENT,
        revoked_at=None,
        token="slw_" + "x" * 43,
    )
    asset = AssetRead(
        namespace="slipway",
        name="preview-web",
        kind="deployment-blueprint",
        visibility=Visibility.PUBLIC,
        display_name="Web application preview",
        summary="Runs the web process of a pull request at an address of its own",
        license="Apache-2.0",
        keywords=["preview", "web"],
        archetypes=["ui"],
        latest_version="1.4.0",
        latest_state=VersionState.DEPRECATED,
        trust=Trust.CURATED,
        updated_at=MOMENT,
        owned=False,
    )
    totals = Totals(tenants=20, installs=200, success_percent=95, lag_days=4, measured_at=MOMENT)
    publisher = PublisherRead(
        namespace="slipway", owned=False, verified_publisher=None, assets=[asset, asset], totals=totals
    )
    empty = PublisherRead(namespace=LONG[:63], owned=True, verified_publisher="example.com", assets=[], totals=None)
    return {
        "searches": SearchesPage(searches, [token], DOOR, may_make_tokens=True),
        "searches-empty": SearchesPage([], [], DOOR, may_make_tokens=False),
        "searches-refused": SearchesPage(searches, [], DOOR, may_make_tokens=True, problem="That name is taken."),
        "searches-unsaved": SearchesPage(
            searches, [], DOOR, may_make_tokens=True, problem="Give it a name.", unsaved={"q": "web", "name": LONG}
        ),
        "searches-new-token": SearchesPage([], [token], DOOR, may_make_tokens=True, created=token),
        "publisher": PublisherPage(
            publisher, f"{DOOR}/publishers/slipway", {"slipway/preview-web": ["CVE-2026-1234", "CVE-2026-1235"]}
        ),
        "publisher-empty": PublisherPage(empty),
    }
