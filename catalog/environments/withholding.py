"""What a commit of a fork does without: secret inputs, and the names of all that is made from them; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.assets.inputs import HIDDEN, secret_pointers
from catalog.assets.wiring import Reference, references
from catalog.forms.pointers import pointer_to


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


def exposed(schema: Mapping[str, Any], shown: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of what is secret among the ``shown`` inputs, and would not be by a schema."""
    secret = set(secret_pointers(schema))
    return [
        path
        for path in secret_paths(shown)
        if not any(pointer_to(path[:length]) in secret for length in range(1, len(path) + 1))
    ]


def unmarked(schema: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``shown`` inputs without the marks of what is no secret by a schema, and has to be given anew."""
    kept: dict[str, Any] = deepcopy(dict(shown))
    for *above, name in exposed(schema, shown):
        place = kept
        for step in above:
            place = place[step]
        del place[name]
    return kept


def with_secrets_of(
    inputs: Mapping[str, Any],
    before: Mapping[str, Any],
    shown: Mapping[str, Any],
    schema: Mapping[str, Any],
    forgotten: Collection[str] = (),
) -> dict[str, Any]:
    """Return inputs with the secrets of those ``before`` where they give none; ``shown`` are those without secrets.

    What the inputs' ``schema`` does not keep secret is not kept: it would be shown from now on. Nor are those at the
    ``forgotten`` JSON pointers.
    """
    kept: dict[str, Any] = deepcopy(dict(inputs))
    lost = set(exposed(schema, shown))
    for path in secret_paths(shown):
        place, value = kept, before
        if path in lost or pointer_to(path) in forgotten:
            continue
        for name in path[:-1]:
            place, value = place.setdefault(name, {}), value.get(name, {})
            if not isinstance(place, dict):
                break  # something else is given in the place of the object that held it
        else:
            if path[-1] in value:
                place.setdefault(path[-1], value[path[-1]])
    return kept
