"""Saved searches, the orders of a search, totals that name nobody, and what a feed holds."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from catalog.assets.curation.models import DecideEntry, ShareAsset
from catalog.assets.models import AssetVersionRead, ChangeVersionState, SearchQuery, Sort, Visibility
from catalog.assets.searches.models import RenameSearch, SavedQuery, SaveSearch
from catalog.assets.service import AssetService
from catalog.assets.usage.models import AssetOutcome
from catalog.clock import now
from catalog.db import Database
from catalog.errors import ConflictError, InvalidInputError, NotFoundError
from catalog.tenancy import Principal

Publish = Callable[..., AssetVersionRead]
NewTenants = Callable[[int], list[Principal]]


def names(database: Database, principal: Principal, sort: Sort, size: int = 2, q: str = "") -> list[str]:
    """Return the names that a search finds, read page by page."""
    found: list[str] = []
    cursor: str | None = None
    with database.tenant_session(principal.tenant_id) as session:
        while True:
            query = SearchQuery(q=q, sort=sort, limit=size, cursor=cursor)
            page = AssetService(session).search(principal.tenant_id, query)
            found += [each.name for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                assert len(found) == page.total
                return found


def test_the_orders_of_a_search(database: Database, publish: Publish, acme: Principal, new_tenants: NewTenants) -> None:
    for name in ("preview-c", "preview-a", "other", "preview-b"):
        publish(acme, name, visibility=Visibility.PUBLIC)
    publish(acme, "secret")
    reader, *users = new_tenants(6)
    run_it(database, users, "preview-b")
    with database.system_session() as session:
        assert AssetService(session).measure(now()) == 1
    assert names(database, reader, "relevance") == names(database, reader, "name")
    assert names(database, reader, "name") == ["other", "preview-a", "preview-b", "preview-c"]
    assert names(database, reader, "newest") == ["preview-b", "other", "preview-a", "preview-c"]
    assert names(database, reader, "installs") == ["preview-b", "other", "preview-a", "preview-c"]
    assert names(database, reader, "newest", q="prev") == ["preview-b", "other", "preview-a", "preview-c"]
    assert names(database, reader, "installs", q="prev") == ["preview-b", "other", "preview-a", "preview-c"]
    assert names(database, acme, "newest") == ["secret", "preview-b", "other", "preview-a", "preview-c"]
    with database.tenant_session(reader.tenant_id) as session:
        page = AssetService(session).search(reader.tenant_id, SearchQuery(sort="newest", limit=1))
        with pytest.raises(InvalidInputError):
            AssetService(session).search(reader.tenant_id, SearchQuery(sort="name", cursor=page.next_cursor))


def run_it(database: Database, users: list[Principal], name: str, version: str = "1.0.0") -> None:
    """Let each tenant run a version, with one success and one failure."""
    for user in users:
        with database.tenant_session(user.tenant_id) as session:
            service = AssetService(session)
            row = service.version(user.tenant_id, "acme", name, version)
            service.use(user.tenant_id, f"environments/{uuid4()}", "pr-1", [row])
            for succeeded in (True, False):
                session.add(
                    AssetOutcome(
                        tenant_id=user.tenant_id,
                        asset_id=row.asset_id,
                        version_id=row.id,
                        subject="environments/x",
                        succeeded=succeeded,
                        seconds=1.0,
                    )
                )


def test_nothing_is_counted_below_five_tenants(
    database: Database, publish: Publish, acme: Principal, new_tenants: NewTenants
) -> None:
    publish(acme, "preview", visibility=Visibility.PUBLIC)
    users = new_tenants(7)

    def shown(reader: Principal) -> tuple[int, int, int | None, int | None] | None:
        with database.system_session() as session:
            AssetService(session).measure(now() + timedelta(days=3))
        with database.tenant_session(reader.tenant_id) as session:
            found = AssetService(session).totals(reader.tenant_id, "acme", "preview")
        return None if found is None else (found.tenants, found.installs, found.success_percent, found.lag_days)

    run_it(database, [acme, *users[:4]], "preview")
    assert shown(acme) is None
    run_it(database, users[4:5], "preview")
    assert shown(users[6]) == (5, 5, 50, 0)
    # One tenant more changes nothing that anybody can see.
    run_it(database, users[5:6], "preview")
    assert shown(acme) == (5, 5, 50, 0)
    publish(acme, "unused", visibility=Visibility.PUBLIC)
    with database.tenant_session(users[6].tenant_id) as session:
        cards = AssetService(session).search(users[6].tenant_id, SearchQuery(namespace="acme")).items
    assert {each.name: (each.installs, each.success_percent) for each in cards} == {
        "preview": (5, 50),
        "unused": (None, None),
    }
    publish(acme, "preview", "1.1.0")
    assert shown(acme) == (5, 5, 50, 3)
    with database.tenant_session(acme.tenant_id) as session:
        publisher = AssetService(session).publisher(acme.tenant_id, "acme")
        assert publisher.totals is not None
        assert (publisher.owned, len(publisher.assets), publisher.totals.installs) == (True, 2, 5)


def test_saved_searches_are_their_owners_alone(
    database: Database, publish: Publish, acme: Principal, rival: Principal
) -> None:
    publish(acme, "preview", visibility=Visibility.PUBLIC)
    member = Principal(acme.tenant_id, acme.tenant_name, "member:1", "Ann", acme.scopes, uuid4())
    wanted = SaveSearch(name="Previews", query=SavedQuery(q="prev", kind="deployment-blueprint", sort="newest"))
    with database.tenant_session(acme.tenant_id) as session:
        service = AssetService(session)
        saved = service.save_search(member, wanted)
        assert (saved.name, saved.fresh) == ("Previews", 0)
        with pytest.raises(ConflictError):
            service.save_search(member, wanted)
        service.save_search(acme, wanted)  # the tenant's programs have names of their own
        with pytest.raises(NotFoundError):
            service.saved_search(acme, saved.id)
        with pytest.raises(InvalidInputError):
            service.rename_search(member, saved.id, RenameSearch(name="  "))
    publish(acme, "preview-2", visibility=Visibility.PUBLIC)
    publish(acme, "other", visibility=Visibility.PUBLIC)
    with database.tenant_session(acme.tenant_id) as session:
        service = AssetService(session)
        assert [each.fresh for each in service.saved_searches(member)] == [2]
        assert [each.name for each in service.run_search(member, saved.id).items] == ["other", "preview-2", "preview"]
        assert service.rename_search(member, saved.id, RenameSearch(name="Mine")).fresh == 0
        service.delete_search(member, saved.id)
        assert service.saved_searches(member) == []
        assert len(service.saved_searches(acme)) == 1
    with database.tenant_session(rival.tenant_id) as session:
        assert AssetService(session).saved_searches(rival) == []


def test_a_feed_holds_what_its_reader_may_see_and_choose(
    database: Database, publish: Publish, acme: Principal, rival: Principal
) -> None:
    publish(acme, "preview", visibility=Visibility.PUBLIC)
    publish(acme, "preview", "1.1.0")
    publish(acme, "secret")
    with database.tenant_session(acme.tenant_id) as session:
        change = ChangeVersionState(reason="Leaks file handles.")
        AssetService(session).yank(acme, "acme", "preview", "1.0.0", change)
        AssetService(session).yank(acme, "acme", "secret", "1.0.0", change)

    def titles(reader: Principal) -> list[list[tuple[str, str, str]]]:
        with database.tenant_session(reader.tenant_id) as session:
            service = AssetService(session)
            feeds = [
                service.publisher_feed(reader.tenant_id, "acme"),
                service.changes_feed(reader.tenant_id),
                service.search_feed(reader.tenant_id, SavedQuery()),
            ]
        return [[(each.name, each.version, str(each.state)) for each in feed.entries] for feed in feeds]

    old, new, yanked = (
        ("preview", "1.0.0", "published"),
        ("preview", "1.1.0", "published"),
        ("preview", "1.0.0", "yanked"),
    )
    assert titles(rival) == [[yanked, new, old], [yanked], [new, old]]
    assert ("secret", "1.0.0", "yanked") in titles(acme)[1]
    with database.tenant_session(rival.tenant_id) as session:
        AssetService(session).decide(rival, "acme", "preview", DecideEntry(allowed=">=1.1"))
    assert titles(rival) == [[new], [], [new]]
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).share(acme, "acme", "preview", ShareAsset(visibility=Visibility.PRIVATE))
    with database.tenant_session(rival.tenant_id) as session:
        service = AssetService(session)
        with pytest.raises(NotFoundError):
            service.publisher_feed(rival.tenant_id, "acme")
        with pytest.raises(NotFoundError):
            service.asset_feed(rival.tenant_id, "acme", "preview")
        assert list(service.changes_feed(rival.tenant_id).entries) == []
        assert list(service.search_feed(rival.tenant_id, SavedQuery()).entries) == []
