"""Other repositories that an environment's services come from: what their refs name, written down at the request."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import OtherRepository, parse_spec
from catalog.assets.wiring import fill
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.scm.service import ScmService
from catalog.settings import Settings


def pinned(
    session: Session, settings: Settings, tenant_id: UUID, spec: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a spec whose other repositories have their address and the commit that their ref names now.

    Raises ``InvalidInputError`` where one cannot be opened with the tenant's rights, or has no such ref.
    """
    others = parse_spec({"spec": spec}).environment.repositories
    if not others:
        return dict(spec)
    found = {name: _pin(session, settings, tenant_id, each, inputs) for name, each in others.items()}
    return {**spec, "environment": {**spec["environment"], "repositories": found}}


def pins(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the commits that a stored spec names, by the name of their repository."""
    others = (spec.get("environment") or {}).get("repositories") or {}
    return {name: f"{each.get('repository')}@{each.get('commit')}" for name, each in others.items()}


def pinned_sources(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return address and commit of the other repositories that a stored spec names, by their names."""
    others = (spec.get("environment") or {}).get("repositories") or {}
    return {
        name: {part: str(each.get(part) or "") for part in ("repository", "commit")} for name, each in others.items()
    }


def _pin(
    session: Session, settings: Settings, tenant_id: UUID, other: OtherRepository, inputs: Mapping[str, Any]
) -> dict[str, str]:
    address, ref = (fill(text, lambda each: _value(inputs, each.path[1:])) for text in (other.repository, other.ref))
    try:
        repository = ScmService(session, settings).open(tenant_id, address)
        commit = repository.resolve(ref or repository.about().default_branch)
    except SlipwayError as error:
        detail = f"The blueprint takes services from {address[:200]}. {error.detail}"
        raise InvalidInputError(detail, [FieldError("/blueprint", detail)]) from None
    return {"repository": repository.address, "ref": ref, "commit": commit}


def _value(inputs: Mapping[str, Any], path: tuple[str, ...]) -> str:
    found: Any = inputs
    for key in path:
        found = found.get(key, "") if isinstance(found, Mapping) else ""
    return found if isinstance(found, str) else json.dumps(found)
