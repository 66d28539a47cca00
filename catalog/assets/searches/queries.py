"""Reads of saved searches; the caller's tenant comes first, then whose they are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from catalog.assets.searches.models import SavedSearch


def all_of(session: Session, tenant_id: UUID, owner: str) -> Sequence[SavedSearch]:
    """Return the searches of one owner, by name."""
    statement = select(SavedSearch).where(SavedSearch.tenant_id == tenant_id, SavedSearch.owner == owner)
    return session.exec(statement.order_by(col(SavedSearch.name), col(SavedSearch.id))).all()


def one(session: Session, tenant_id: UUID, owner: str, search_id: UUID) -> SavedSearch | None:
    """Return one search of an owner, locked for the rest of the transaction."""
    statement = select(SavedSearch).where(
        SavedSearch.tenant_id == tenant_id, SavedSearch.owner == owner, SavedSearch.id == search_id
    )
    return session.exec(statement.with_for_update()).first()


def named(session: Session, tenant_id: UUID, owner: str, name: str) -> SavedSearch | None:
    """Return the search of an owner that has a name."""
    statement = select(SavedSearch).where(
        SavedSearch.tenant_id == tenant_id, SavedSearch.owner == owner, SavedSearch.name == name
    )
    return session.exec(statement).first()


def count(session: Session, tenant_id: UUID, owner: str) -> int:
    """Return how many searches an owner keeps."""
    statement = select(func.count()).where(SavedSearch.tenant_id == tenant_id, SavedSearch.owner == owner)
    return session.exec(statement).one()
