"""A schema as it is for one value: conditions decided, alternatives chosen, conjunctions flat.

What JSON Schema 2020-12 says with ``if``, ``then``, ``else``, ``dependentSchemas``, ``dependentRequired``, ``allOf``,
``$ref`` and alternatives that a constant tells apart becomes plain ``properties`` and ``required``, so that a form
opens and closes fields as its values change. It is for showing only: values are held against the schema itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.forms.validation import TooMuchWorkError, budget, validator_of

_DEPTH = 8
_DECIDED = frozenset(
    {"$ref", "allOf", "if", "then", "else", "dependentSchemas", "dependentRequired", "oneOf", "anyOf", "properties"}
)
_CONDITIONS = ("if", "dependentSchemas", "dependentRequired")
Schema = Mapping[str, Any]


def effective(schema: Schema, value: Any) -> dict[str, Any]:
    """Return what ``schema`` asks of a form that holds ``value``; the schema itself where that takes too long."""
    if not schema:
        return {}
    try:
        with budget():
            return _Decider(schema).decided(schema, value, 0)
    except (TooMuchWorkError, RecursionError):
        return dict(schema)


def is_conditional(schema: Any) -> bool:
    """Tell whether what a form shows depends on what is written into it."""
    if isinstance(schema, list):
        return any(is_conditional(each) for each in schema)
    if not isinstance(schema, Mapping):
        return False
    if any(keyword in schema for keyword in _CONDITIONS) or _told_apart_by(_alternatives(schema)):
        return True
    return any(is_conditional(each) for each in schema.values())


class _Decider:
    """Decides the parts of one schema, all within one budget."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._validator = validator_of(root)

    def decided(self, schema: Schema, value: Any, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for part in self._parts(schema, value, 0):
            made = _joined(made, part)
        properties = made.get("properties")
        if isinstance(properties, Mapping) and depth < _DEPTH:
            inner = value if isinstance(value, Mapping) else {}
            made["properties"] = {
                name: self.decided(each, inner.get(name), depth + 1) if isinstance(each, Mapping) else each
                for name, each in properties.items()
            }
        return made

    def _parts(self, schema: Any, value: Any, depth: int) -> Iterator[dict[str, Any]]:
        """Yield everything that holds of a value at one place, each free of what has been decided."""
        if not isinstance(schema, Mapping) or depth > 4 * _DEPTH:
            return
        if isinstance(schema.get("$ref"), str):
            yield from self._parts(self._target(schema["$ref"]), value, depth + 1)
        alternatives = _alternatives(schema)
        property_name = _told_apart_by(alternatives)
        single = _single(alternatives)
        own = {keyword: each for keyword, each in schema.items() if keyword not in _DECIDED}
        if "properties" in schema:
            own["properties"] = schema["properties"]
        if not property_name and single is None:
            own |= {keyword: schema[keyword] for keyword in ("oneOf", "anyOf") if keyword in schema}
        yield own
        if single is not None:
            yield from self._parts(single, value, depth + 1)
        for part in schema.get("allOf", ()):
            yield from self._parts(part, value, depth + 1)
        if property_name:
            yield from self._chosen(property_name, alternatives, value, depth)
        yield from self._conditional(schema, value, depth)

    def _conditional(self, schema: Schema, value: Any, depth: int) -> Iterator[dict[str, Any]]:
        there: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if "if" in schema:
            # A group that holds nothing yet is judged as an empty one.
            judged = {} if value is None else value
            holds = self._validator.evolve(schema=schema["if"]).is_valid(judged)
            yield from self._parts(schema.get("then" if holds else "else"), value, depth + 1)
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in there:
                yield from self._parts(part, value, depth + 1)
        for name, needed in schema.get("dependentRequired", {}).items():
            if name in there:
                yield {"required": list(needed)}

    def _chosen(self, name: str, branches: Sequence[Schema], value: Any, depth: int) -> Iterator[dict[str, Any]]:
        """Yield the choice between alternatives, and what the chosen one brings in."""
        options = [
            {"const": _constant(branch, name), "title": str(branch.get("title") or _constant(branch, name))}
            for branch in branches
        ]
        is_needed = all(name in branch.get("required", ()) for branch in branches)
        yield {"properties": {name: {"oneOf": options}}, "required": [name] if is_needed else []}
        given = value.get(name) if isinstance(value, Mapping) else None
        for branch in branches:
            constant = _constant(branch, name)
            if type(constant) is type(given) and constant == given:
                rest = {key: each for key, each in branch["properties"].items() if key != name}
                named = {key: each for key, each in branch.items() if key not in {"title", "description"}}
                yield from self._parts({**named, "properties": rest}, value, depth + 1)

    def _target(self, reference: str) -> Any:
        node: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, Mapping) else None
        return node


def _alternatives(schema: Schema) -> Sequence[Schema]:
    found = schema.get("oneOf") or schema.get("anyOf") or ()
    return found if isinstance(found, list) and all(isinstance(each, Mapping) for each in found) else ()


def _single(branches: Sequence[Schema]) -> Schema | None:
    """Return the one alternative to null, where there is just that."""
    others = [each for each in branches if each.get("type") != "null"]
    return others[0] if len(branches) == 2 and len(others) == 1 else None


def _told_apart_by(branches: Sequence[Schema]) -> str:
    """Return the property that has another constant in each alternative, "" where there is none."""
    if len(branches) < 2:
        return ""
    first = branches[0].get("properties", {})
    for name in first if isinstance(first, Mapping) else ():
        constants = [_constant(branch, name) for branch in branches]
        if all(isinstance(each, str | int) for each in constants) and len(set(map(repr, constants))) == len(branches):
            return str(name)
    return ""


def _constant(branch: Schema, name: str) -> Any:
    part = branch.get("properties", {}).get(name)
    if not isinstance(part, Mapping):
        return None
    only = part.get("enum", ())
    return part.get("const", only[0] if isinstance(only, list) and len(only) == 1 else None)


def _joined(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two schemas that both hold as one; of what only describes, the first word counts."""
    joined = {**second, **first}
    if "properties" in first and "properties" in second:
        names = [*first["properties"], *(name for name in second["properties"] if name not in first["properties"])]
        joined["properties"] = {
            name: _both(first["properties"].get(name), second["properties"].get(name)) for name in names
        }
    if "required" in first and "required" in second:
        joined["required"] = list(dict.fromkeys([*first["required"], *second["required"]]))
    if "enum" in first and "enum" in second:
        joined["enum"] = [each for each in first["enum"] if each in second["enum"]]
    for keyword, narrower in (("minimum", max), ("minLength", max), ("maximum", min), ("maxLength", min)):
        if keyword in first and keyword in second:
            joined[keyword] = narrower(first[keyword], second[keyword])
    return joined


def _both(first: Any, second: Any) -> Any:
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return _flat(first, second)
    return first if second is True else second


def _flat(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two schemas of one property side by side; a choice by constants takes the place of a list of values."""
    if any("const" in each for each in _alternatives(second)):
        return {**{key: each for key, each in first.items() if key not in {"enum", "const"}}, **second}
    return {"allOf": [dict(first), dict(second)]}
