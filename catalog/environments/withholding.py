"""What a commit of a fork does without: secret inputs, and the names of all that is made from them; pure."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.assets.inputs import HIDDEN
from catalog.assets.wiring import Reference, references


def secret_paths(shown: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of secret inputs among those that are ``shown``, where each secret is replaced."""
    for name, value in shown.items():
        if value == HIDDEN:
            yield (*prefix, name)
        elif isinstance(value, Mapping):
            yield from secret_paths(value, (*prefix, name))


def withheld_names(spec: BlueprintSpec, shown: Mapping[str, Any]) -> list[str]:
    """Return the names of secret inputs, of the tenant's secrets, and of variables that hold them (``web: KEY``)."""
    paths = list(secret_paths(shown))
    names = [*(".".join(each) for each in paths), *(f"secrets.{each}" for each in sorted(spec.environment.secrets))]
    for component, process in spec.environment.processes.items():
        for variable, text in process.env.items():
            if any(_is_secret(each, paths) for each in references(text)):
                names.append(f"{component}: {variable}")
    return names


def without(inputs: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs without those that are secret among the ``shown`` ones."""
    kept: dict[str, Any] = deepcopy(dict(inputs))
    for path in secret_paths(shown):
        place = kept
        for name in path[:-1]:
            place = place.get(name, {})
        place.pop(path[-1], None)
    return kept


def _is_secret(reference: Reference, paths: Iterable[tuple[str, ...]]) -> bool:
    if reference.root != "inputs":
        return reference.root == "secrets"
    asked = reference.path[1:]
    return any(each[: len(asked)] == asked or asked[: len(each)] == each for each in paths)


def with_secrets_of(inputs: Mapping[str, Any], before: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with the secrets of those ``before`` where they give none; ``shown`` are those without secrets."""
    kept: dict[str, Any] = deepcopy(dict(inputs))
    for path in secret_paths(shown):
        place, value = kept, before
        for name in path[:-1]:
            place, value = place.setdefault(name, {}), value.get(name, {})
        if path[-1] in value:
            place.setdefault(path[-1], value[path[-1]])
    return kept
