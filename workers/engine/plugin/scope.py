"""What an operation may bring about: what its program declares, whoever else gives the engine orders.

The engine's port takes orders from every program on this machine, applications of previews among them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from workers.engine import ProgramResource
from workers.engine.plugin.resource import ResourceFailure, Values
from workers.engine.references import references, split


def require_declared(declared: Iterable[ProgramResource], urn: str, inputs: Values) -> None:
    """Raise `ResourceFailure` unless one that is declared is that with these inputs.

    Inputs that refer to other resources are taken as they are; those resources are declared as well.
    """
    kind, name = urn.split("::")[2].rpartition("$")[2], urn.rpartition("::")[2]
    for resource in declared:
        if (resource.type, resource.name) == (kind, name):
            given = {key: value for key, value in inputs.items() if value is not None}
            literal = {key: _literal(value) for key, value in resource.inputs.items() if not any(references(value))}
            if given.keys() <= resource.inputs.keys() and all(given.get(key) == literal[key] for key in literal):
                return
    raise ResourceFailure(f"{name}: this resource is not of the program")


def _literal(value: Any) -> Any:
    """Return JSON data as the engine is told it."""
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(item) for item in value]
    return "".join(map(str, split(value))) if isinstance(value, str) else value
