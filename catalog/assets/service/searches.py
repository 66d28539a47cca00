"""Saved searches: kept under a name, run again, and how much is new since."""

from uuid import UUID

from catalog.assets.events import SavedSearchChanged
from catalog.assets.models import SearchQuery, SearchResult
from catalog.assets.searches import queries
from catalog.assets.searches.models import RenameSearch, SavedQuery, SavedSearch, SavedSearchRead, SaveSearch
from catalog.assets.service.reading import Reading
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError, QuotaExceededError
from catalog.events import outbox
from catalog.tenancy import Principal

MOST_SEARCHES = 50
"""How many one owner keeps."""

MOST_COUNTED = 100


class Searches(Reading):
    """What a member, or the programs of a tenant together, keep; nobody sees the searches of somebody else."""

    def save_search(self, principal: Principal, wanted: SaveSearch) -> SavedSearchRead:
        """Keep a search; raise ``ConflictError`` for a name that is taken, ``QuotaExceededError`` beyond fifty."""
        principal.require("assets:read")
        owner = owner_of(principal)
        name = self._free(principal, wanted.name)
        if queries.count(self._session, principal.tenant_id, owner) >= MOST_SEARCHES:
            raise QuotaExceededError(f"You keep {MOST_SEARCHES} searches already. Delete one that you no longer need.")
        kept = wanted.query.model_dump(exclude_defaults=True)
        row = SavedSearch(tenant_id=principal.tenant_id, owner=owner, name=name, query=kept)
        self._session.add(row)
        self._session.flush()
        self._search_changed(principal, row, "saved")
        return self._saved(row)

    def saved_searches(self, principal: Principal) -> list[SavedSearchRead]:
        """Return the caller's searches by name, each with how much is new since it was last run."""
        rows = queries.all_of(self._session, principal.tenant_id, owner_of(principal))
        return [self._saved(row) for row in rows]

    def saved_search(self, principal: Principal, search_id: UUID) -> SavedSearchRead:
        """Return one of the caller's searches; raise ``NotFoundError`` where there is none of that id."""
        return self._saved(self._find(principal, search_id))

    def run_search(self, principal: Principal, search_id: UUID, cursor: str | None = None) -> SearchResult:
        """Run a saved search; whatever it finds counts as seen from now on."""
        row = self._find(principal, search_id)
        row.seen_at = now()
        self._session.add(row)
        query = SearchQuery.model_validate({**row.query, "cursor": cursor})
        return self.search(principal.tenant_id, query)

    def rename_search(self, principal: Principal, search_id: UUID, wanted: RenameSearch) -> SavedSearchRead:
        """Give a search another name; raise ``ConflictError`` for one that is taken."""
        row = self._find(principal, search_id)
        if wanted.name.strip() != row.name:
            row.name = self._free(principal, wanted.name)
            self._session.add(row)
            self._session.flush()
            self._search_changed(principal, row, "renamed")
        return self._saved(row)

    def delete_search(self, principal: Principal, search_id: UUID) -> None:
        """Keep a search no longer."""
        row = self._find(principal, search_id)
        self._session.delete(row)
        self._session.flush()
        self._search_changed(principal, row, "deleted")

    def _free(self, principal: Principal, wanted: str) -> str:
        name = wanted.strip()
        if not name or not name.isprintable():
            detail = "Give it a name of printable characters."
            raise InvalidInputError(detail, [FieldError("/name", detail)])
        if queries.named(self._session, principal.tenant_id, owner_of(principal), name) is not None:
            raise ConflictError(f"You keep a search called {name} already.")
        return name

    def _find(self, principal: Principal, search_id: UUID) -> SavedSearch:
        found = queries.one(self._session, principal.tenant_id, owner_of(principal), search_id)
        if found is None:
            raise NotFoundError(f"There is no saved search {search_id}.")
        return found

    def _saved(self, row: SavedSearch) -> SavedSearchRead:
        query = SearchQuery.model_validate({**row.query, "sort": "newest", "limit": MOST_COUNTED})
        found = self.search(row.tenant_id, query)
        return SavedSearchRead(
            id=row.id,
            name=row.name,
            query=SavedQuery.model_validate(row.query),
            created_at=row.created_at,
            seen_at=row.seen_at,
            fresh=sum(each.updated_at > row.seen_at for each in found.items),
        )

    def _search_changed(self, principal: Principal, row: SavedSearch, change: str) -> None:
        data = SavedSearchChanged(search_id=row.id, change=change)
        subject = f"searches/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)


def owner_of(principal: Principal) -> str:
    """Return whose searches a caller keeps: its member's, or the tenant's where no member stands behind it."""
    return f"member:{principal.member_id}" if principal.member_id else "tenant"
