"""What may be named as the replacement of a version: nothing that a reader of the version could not see."""

from collections.abc import Collection

from sqlmodel import Session

from catalog.assets import queries
from catalog.assets.curation import queries as curation
from catalog.assets.errors import InvalidReferenceError
from catalog.assets.models import Asset, Visibility
from catalog.assets.references import parse_reference
from catalog.errors import FieldError, InvalidInputError


def is_replaceable(session: Session, asset: Asset, replacement: str, grantees: Collection[str] | None = None) -> bool:
    """Tell whether everybody who may see ``asset`` may see what is named as the replacement of one of its versions.

    ``grantees`` are the names that the asset is shared with, left out those that are kept. Of another publisher's
    asset that is shared it is not known with whom, so it replaces only what nobody else sees.
    """
    try:
        reference = parse_reference(replacement)
    except InvalidReferenceError:
        return True  # it leads nowhere, and names nothing
    found = queries.asset(session, asset.tenant_id, reference.namespace, reference.name)
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


def _grantees(session: Session, asset: Asset) -> set[str]:
    return {each.grantee for each in curation.grants(session, asset.tenant_id, asset.id)}
