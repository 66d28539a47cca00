"""Searches in words: the titles of filters and of their values, and the orders there are."""

from collections.abc import Mapping
from urllib.parse import urlencode

from catalog.assets.searches.models import SavedQuery
from portal.pages.presentation import look

FACETS = {
    "kind": "Kind",
    "archetype": "Made for",
    "cloud": "Cloud",
    "trust": "Publisher is",
    "namespace": "Publisher",
    "state": "State",
    "license": "License",
    "installed": "In use",
}
VALUES = {
    "aws": "AWS",
    "azure": "Azure",
    "gcp": "Google Cloud",
    "curated": "curated with Slipway",
    "verified": "verified",
    "unverified": "not verified",
    "yes": "here",
}
SORTS = {"relevance": "Best match", "newest": "Newest", "name": "Name", "installs": "Most installed"}


def value_label(facet: str, value: str) -> str:
    """Return how a facet's value reads."""
    if facet in {"kind", "state"}:
        return look("version" if facet == "state" else "kind", value).label
    return VALUES.get(value, value) if facet in {"cloud", "trust", "installed"} else value


def search_words(query: SavedQuery) -> str:
    """Return what a search looks for, in words."""
    given = query.model_dump()
    filters = [f"{title.lower()} {value_label(name, given[name])}" for name, title in FACETS.items() if given[name]]
    words = ", ".join([*([f"“{query.q}”"] if query.q else []), *filters]) or "everything"
    return words if query.sort == "relevance" else f"{words}, {SORTS[query.sort].lower()} first"


def search_address(path: str, given: Mapping[str, str | None]) -> str:
    """Return the address of a search with those parameters that have a value."""
    parameters = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{parameters}" if parameters else path
