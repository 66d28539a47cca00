"""Saved searches and the shapes in which they leave the process."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Shape
from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.assets.models import SearchQuery, Sort, Text
from catalog.assets.search import FILTERS
from catalog.clock import now
from catalog.columns import Json, Timestamp


class SavedSearch(SQLModel, table=True):
    """One search under a name; ``owner`` is the member whose it is, or ``tenant`` for programs without one.

    ``query`` holds the words, filters and order of `SearchQuery` that were given; ``seen_at`` is when it was last run.
    """

    __tablename__ = "saved_searches"
    __table_args__ = (UniqueConstraint("tenant_id", "owner", "name"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    owner: str = Field(max_length=100)
    name: str = Field(max_length=100)
    query: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    seen_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class SavedQuery(BaseModel):
    """What a saved search looks for: the words, filters and order of a search."""

    model_config = ConfigDict(extra="forbid")

    q: Text = Shape(default="", max_length=200)
    kind: Text | None = Shape(default=None, max_length=200)
    namespace: Text | None = Shape(default=None, max_length=200)
    archetype: Text | None = Shape(default=None, max_length=200)
    cloud: Text | None = Shape(default=None, max_length=200)
    license: Text | None = Shape(default=None, max_length=200)
    trust: Text | None = Shape(default=None, max_length=200)
    state: Text | None = Shape(default=None, max_length=200)
    installed: Text | None = Shape(default=None, max_length=200)
    sort: Sort = "relevance"

    @classmethod
    def of(cls, query: SearchQuery) -> "SavedQuery":
        """Return what of a search is worth keeping."""
        return cls(q=query.q, sort=query.sort, **{name: getattr(query, name) for name in FILTERS})

    def given(self) -> dict[str, str]:
        """Return what was given, as the parameters of a search's address."""
        return {name: str(value) for name, value in self.model_dump(exclude_defaults=True).items()}


class SaveSearch(BaseModel):
    """A search to be kept under a name."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Shape(min_length=1, max_length=100)
    query: SavedQuery = Shape(default_factory=SavedQuery)


class RenameSearch(BaseModel):
    """Another name for a saved search."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Shape(min_length=1, max_length=100)


class SavedSearchRead(BaseModel):
    """A saved search; ``fresh`` counts what is new or changed since it was last run, 100 at the most."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    query: SavedQuery
    created_at: datetime
    seen_at: datetime
    fresh: int = Shape(ge=0, le=100)
