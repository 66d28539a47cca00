"""What is named as the replacement of a version: nothing that a reader of the version does not see."""

from collections.abc import Collection, Iterable
from typing import TypeVar
from uuid import UUID

from sqlmodel import Session

from catalog.assets import queries
from catalog.assets.curation import queries as curation
from catalog.assets.errors import InvalidReferenceError
from catalog.assets.models import Asset, AssetVersionRead, VersionSummary, Visibility
from catalog.assets.references import parse_reference
from catalog.assets.usage.models import Notice
from catalog.errors import FieldError, InvalidInputError

Told = TypeVar("Told", AssetVersionRead, VersionSummary, Notice)


def is_replaceable(session: Session, asset: Asset, replacement: str, grantees: Collection[str] | None = None) -> bool:
    """Tell whether everybody who may see ``asset`` may see what is named as the replacement of one of its versions.

    ``grantees`` are the names that the asset is shared with, left out those that are kept. Of another publisher's
    asset that is shared it is not known with whom, so it replaces only what nobody else sees.
    """
    path = _path_of(replacement)
    found = queries.asset(session, asset.tenant_id, *path) if path else None
    if found is None or found.id == asset.id or Visibility.PRIVATE is asset.visibility:
        return True
    if found.visibility is Visibility.PUBLIC:
        return True
    if asset.visibility is Visibility.PUBLIC or found.visibility is Visibility.PRIVATE:
        return False
    if found.tenant_id != asset.tenant_id:
        return False
    wanted = grantees if grantees is not None else _grantees(session, asset)
    return set(wanted) <= _grantees(session, found)


def require_replaceable(session: Session, asset: Asset, grantees: Collection[str] | None = None) -> None:
    """Raise ``InvalidInputError`` where more would see an asset now than may see what one of its versions names."""
    for version, replacement in queries.replacements(session, asset.tenant_id, asset.id):
        if not is_replaceable(session, asset, replacement, grantees):
            detail = f"{version} names {replacement} as its replacement, which fewer may see. Share that first."
            raise InvalidInputError(detail, [FieldError("/visibility", detail)])


def unseen(session: Session, tenant_id: UUID, replacements: Iterable[str | None]) -> frozenset[str]:
    """Return those of the replacements that a tenant does not see, or no more, in one statement; none where none is."""
    paths = {text: path for text in set(replacements) if text and (path := _path_of(text))}
    seen = queries.seen_paths(session, tenant_id, set(paths.values())) if paths else set()
    return frozenset(text for text, path in paths.items() if path not in seen)


def without_unseen(session: Session, tenant_id: UUID, told: Iterable[Told]) -> list[Told]:
    """Return what is told of versions without the replacements that the tenant does not see.

    They were seen by every reader when they were named (`is_replaceable`), and may be shared no more since.
    """
    every = list(told)
    hidden = unseen(session, tenant_id, (each.replacement for each in every))
    return [each.model_copy(update={"replacement": None}) if each.replacement in hidden else each for each in every]


def _path_of(replacement: str) -> tuple[str, str] | None:
    try:
        reference = parse_reference(replacement)
    except InvalidReferenceError:
        return None  # it leads nowhere, and names nothing
    return reference.namespace, reference.name


def _grantees(session: Session, asset: Asset) -> set[str]:
    return {each.grantee for each in curation.grants(session, asset.tenant_id, asset.id)}
