"""What was published and what has changed, for readers of feeds: never more than the tenant may see and choose."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import ColumnElement

from catalog.assets.curation.view import CatalogView
from catalog.assets.feeds import queries
from catalog.assets.feeds.models import MOST_ENTRIES, Feed, FeedEntry
from catalog.assets.models import SearchQuery, VersionState
from catalog.assets.searches.models import SavedQuery, SavedSearchRead
from catalog.assets.service.publisher import Publisher
from catalog.assets.versions import VersionNumber

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_READ = 4 * MOST_ENTRIES


class Feeds(Publisher):
    """The feeds of an asset, of a publisher, of a search, and of changes of state."""

    def asset_feed(self, tenant_id: UUID, namespace: str, name: str) -> Feed:
        """Return what happened to the versions of an asset; raise ``AssetNotFoundError``."""
        asset = self._asset(tenant_id, namespace, name)
        path = f"{namespace}/{name}"
        entries = self._entries(tenant_id, queries.of_asset(asset.id))
        return Feed(asset.id, f"{asset.display_name} ({path})", f"/assets/{path}", asset.created_at, entries)

    def publisher_feed(self, tenant_id: UUID, namespace: str) -> Feed:
        """Return what happened to the versions of a publisher; raise ``AssetNotFoundError`` where none is seen."""
        self.publisher(tenant_id, namespace)
        identifier = uuid5(NAMESPACE_URL, f"slipway:publisher:{namespace}")
        entries = self._entries(tenant_id, queries.of_namespace(namespace))
        return Feed(identifier, f"Assets of {namespace}", f"/assets/{namespace}", BEGINNING, entries)

    def changes_feed(self, tenant_id: UUID, *, installed: bool = False) -> Feed:
        """Return the changes of state of every version, or of those that the tenant runs."""
        if installed:
            # What the tenant runs concerns it, whatever its catalog offers for something new, and also once its
            # publisher shares it no more.
            entries = queries.moved_in_use(self._session, tenant_id, MOST_ENTRIES)
        else:
            view = self.catalog_view(tenant_id)
            moves = queries.moved(self._session, tenant_id, queries.of_all(), _MOST_READ)
            entries = [_moved(each) for each in moves if _offered(view, each.of)]
        identifier = uuid5(NAMESPACE_URL, f"slipway:changes:{tenant_id}:{installed}")
        title = "Changes of what you run" if installed else "Versions deprecated, yanked, revoked or restored"
        return Feed(identifier, title, "/assets", BEGINNING, entries[:MOST_ENTRIES])

    def search_feed(self, tenant_id: UUID, query: SavedQuery, saved: SavedSearchRead | None = None) -> Feed:
        """Return the versions published of what a search finds, of its fifty assets that changed last."""
        wanted = SearchQuery.model_validate({**query.given(), "sort": "newest", "limit": MOST_ENTRIES})
        found = [identifier for identifier, _ in self._found(wanted).items]
        rows = queries.published(self._session, tenant_id, queries.of_assets(found), _MOST_READ)
        view = self.catalog_view(tenant_id)
        entries = [_published(each) for each in rows if _offered(view, each)]
        parameters = urlencode(sorted(query.given().items()))
        identifier = uuid5(NAMESPACE_URL, f"slipway:search:{tenant_id}:{parameters}")
        path = f"/assets?{parameters}" if parameters else "/assets"
        title = f"Search: {saved.name}" if saved else f"Search: {query.q or 'the marketplace'}"
        since = saved.created_at if saved else BEGINNING
        return Feed(saved.id if saved else identifier, title, path, since, entries[:MOST_ENTRIES])

    def _entries(self, tenant_id: UUID, where: ColumnElement[bool]) -> Sequence[FeedEntry]:
        view = self.catalog_view(tenant_id)
        new = [
            _published(each)
            for each in queries.published(self._session, tenant_id, where, _MOST_READ)
            if _offered(view, each)
        ]
        changed = [
            _moved(each)
            for each in queries.moved(self._session, tenant_id, where, _MOST_READ)
            if _offered(view, each.of)
        ]
        return sorted([*new, *changed], key=lambda each: (each.at, each.id), reverse=True)[:MOST_ENTRIES]


def _offered(view: CatalogView, row: queries.VersionRow) -> bool:
    number = VersionNumber(row.major, row.minor, row.patch, row.stage, row.stage_number)
    return view.allows(row.namespace, row.name, number)


def _published(row: queries.VersionRow) -> FeedEntry:
    changes = [(str(each["kind"]), str(each["description"])) for each in row.metadata.get("changes", ())]
    return FeedEntry(
        id=row.id,
        at=row.published_at or BEGINNING,
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        state=VersionState.PUBLISHED,
        is_new=True,
        summary=str(row.metadata.get("summary", "")),
        details=changes,
    )


def _moved(row: queries.MoveRow) -> FeedEntry:
    return FeedEntry(
        id=row.id,
        at=row.at,
        namespace=row.of.namespace,
        name=row.of.name,
        version=row.of.version,
        state=row.after,
        is_new=False,
        summary=row.reason,
    )
