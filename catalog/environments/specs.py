"""What environments are made of, as it is stored with them: read where it can be, whatever version wrote it."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.assets.wiring import Reference, WiringError, references, texts
from catalog.environments.errors import UnreadableSpecError
from catalog.environments.models import Environment


def spec_of(environment: Environment) -> BlueprintSpec:
    """Return what the environment is made of; raise ``UnreadableSpecError`` where that cannot be read (any more)."""
    try:
        return parse_spec({"spec": environment.spec})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"]) or "its spec"
        raise UnreadableSpecError(
            f"What it is made of cannot be read ({where}: {first['msg']}): another version of Slipway wrote it, or it"
            " was damaged. What runs stays as it is, and it can be destroyed. Request it again to go on."
        ) from None


def why_unreadable(environment: Environment) -> str:
    """Return why what the environment is made of cannot be read, "" where it can."""
    try:
        spec_of(environment)
    except UnreadableSpecError as error:
        return error.detail
    return ""


def part_of(spec: object, *names: str) -> Any:
    """Return a part of a stored spec by the names that lead to it; None where there is none, however odd the spec."""
    for name in names:
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    return spec


def has_other_repositories(spec: object) -> bool:
    """Tell whether a spec as it is stored takes services from other repositories."""
    return bool(part_of(spec, "environment", "repositories"))


def component_names(spec: object) -> set[str]:
    """Return the names of the components of a spec as it is stored, readable or not."""
    found = part_of(spec, "environment", "components")
    return set(found) if isinstance(found, Mapping) else set()


def secret_names(spec: object) -> set[str]:
    """Return the names of the tenant's secrets that components are given, from a spec as it is stored."""
    components = part_of(spec, "environment", "components")
    each_of = components.values() if isinstance(components, Mapping) else ()
    given = [text for each in each_of for text in texts(part_of(each, "env") or part_of(each, "inputs") or {})]
    return {each.path[1] for text in given for each in _references(text) if each.root == "secrets"}


def _references(text: str) -> tuple[Reference, ...]:
    try:
        return references(text)
    except WiringError:
        return ()
