"""A schema as it is for one value: conditions decided, alternatives chosen, conjunctions flat.

What JSON Schema 2020-12 says with ``if``, ``then``, ``else``, ``dependentSchemas``, ``dependentRequired``, ``allOf``,
``$ref`` and alternatives that a constant tells apart becomes plain ``properties`` and ``required``, so that a form
opens and closes fields as its values change. It is for showing and for defaults only: values are held against the
schema itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from typing import Any

from catalog.forms.merging import Schema, alternatives_of, joined, side_by_side, types_of
from catalog.forms.patterns import matches
from catalog.forms.validation import MOST_STEPS, TooMuchWorkError, shared_budget, spend, validator_of

ENTRIES = "$entries"
"""Where an effective schema keeps the schema of each entry that is there: a list, or pairs of a key and its schema."""
BRANCHES = "$branches"
"""Where an effective schema keeps alternatives that nothing tells apart, each with what holds beside it."""
FITTING = "$fitting"
"""Which of the ``BRANCHES`` the value fits; absent where it fits none."""
NULLABLE = "$nullable"
"""What marks a part that may be null, beside what else it may be."""
CONCEALED = "$concealed"
"""What marks a part that has a value, or a default, and is in no form."""

_DEPTH = 8
_STEPS_A_PART = 5
_ROUNDS = 8
_DECIDED = frozenset(
    {"$ref", "allOf", "if", "then", "else", "dependentSchemas", "dependentRequired", "oneOf", "anyOf", "properties"}
)
_SHAPING = frozenset({"type", "properties", "items", "prefixItems", "enum", "const", "additionalProperties"})
_NOT_BESIDE = frozenset(
    {"oneOf", "anyOf", "title", "description", "default", "$defs", "$schema", "$id", "discriminator", ENTRIES}
)
_MARKS = frozenset({ENTRIES, BRANCHES, FITTING, NULLABLE})
_CONDITIONS = ("if", "dependentSchemas", "dependentRequired")


class Entries(dict[str, Any]):
    """A mapping as a form holds it: ``rows`` are its keys and values as they were typed, keys twice and empty too.

    ``is_nothing`` marks one that counts as not given, though a form goes on showing its empty rows.
    """

    def __init__(
        self, rows: Sequence[tuple[str, Any]], known: Mapping[str, Any] | None = None, *, is_nothing: bool = False
    ) -> None:
        super().__init__({**(known or {}), **{key: value for key, value in rows if key}})
        self.rows = tuple(rows)
        self.is_nothing = is_nothing

    def __repr__(self) -> str:
        """Return everything that tells two of them apart."""
        return f"Entries({self.rows!r}, {super().__repr__()}, is_nothing={self.is_nothing})"


def effective(schema: Schema, value: Any) -> dict[str, Any]:
    """Return what ``schema`` asks of a form that holds ``value``; the schema itself where that takes too long."""
    if not schema:
        return {}
    found = _decided(schema, value)
    return unmarked(schema) if found is None else found


def unmarked(schema: Any) -> Any:
    """Return a schema without the marks of an effective one, which a publisher may have written too."""
    if isinstance(schema, Mapping):
        return {keyword: unmarked(each) for keyword, each in schema.items() if keyword not in _MARKS}
    return [unmarked(each) for each in schema] if isinstance(schema, list) else schema


def _decided(schema: Schema, value: Any) -> dict[str, Any] | None:
    try:
        with shared_budget():
            made: dict[str, Any] = _Decider(schema).decided(schema, value, 0)
    except (TooMuchWorkError, RecursionError):
        return None
    return made


def filled(schema: Schema, value: Any) -> Any:
    """Return ``value`` with the defaults of everything that ``schema`` asks for, whatever condition brings it in.

    A group that is not there stays away; a default that opens a condition brings in what that asks for, and so on.
    """
    with shared_budget(10 * MOST_STEPS):
        found = value
        for _ in range(_ROUNDS):
            before = repr(found)
            # Into what was given: a default goes with its branch, where another default closes that.
            found = _with_defaults(_decided(schema, found), value)
            if repr(found) == before:
                return found
        # Two defaults that open and close each other never settle so; what is filled in once then stays.
        for _ in range(_ROUNDS):
            before = repr(value)
            value = _with_defaults(_decided(schema, value), value)
            if repr(value) == before:
                break
    return value


def is_conditional(schema: Any) -> bool:
    """Tell whether what a form shows depends on what is written into it."""
    if isinstance(schema, list):
        return any(is_conditional(each) for each in schema)
    if not isinstance(schema, Mapping):
        return False
    if any(keyword in schema for keyword in _CONDITIONS):
        return True
    if any("const" not in each for each in alternatives_of(schema)):
        return True
    return any(is_conditional(each) for each in schema.values())


class _Decider:
    """Decides the parts of one schema, all within one budget."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._validator = validator_of(root)

    def decided(self, schema: Any, value: Any, depth: int) -> Any:
        """Return what holds of a value at one place and of everything below it; ``true`` and ``false`` stay."""
        if not isinstance(schema, Mapping):
            return schema
        made: dict[str, Any] = {}
        for part in self._parts(schema, value, 0):
            made = joined(made, part)
        if depth >= _DEPTH:
            return made
        properties = made.get("properties")
        if isinstance(properties, Mapping):
            inner = value if isinstance(value, Mapping) else {}
            made["properties"] = {
                name: self.decided(each, inner.get(name), depth + 1) for name, each in properties.items()
            }
        self._decide_entries(made, value, depth + 1)
        self._decide_branches(made, value, depth + 1)
        return made

    def _decide_entries(self, made: dict[str, Any], value: Any, depth: int) -> None:
        if isinstance(value, list):
            made[ENTRIES] = [self.decided(entry_schema(made, at), each, depth) for at, each in enumerate(value)]
        elif isinstance(value, Mapping):
            known = made.get("properties", {})
            others = tuple((key, each) for key, each in value.items() if key not in known)
            rows = value.rows if isinstance(value, Entries) else others
            made[ENTRIES] = [(key, self.decided(member_schema(made, key), each, depth)) for key, each in rows]
        for keyword in ("items", "additionalProperties", "unevaluatedProperties"):
            if keyword in made:
                made[keyword] = self.decided(made[keyword], None, depth)
        if "patternProperties" in made:
            patterns = made["patternProperties"].items()
            made["patternProperties"] = {pattern: self.decided(each, None, depth) for pattern, each in patterns}
        if "prefixItems" in made:
            made["prefixItems"] = [self.decided(each, None, depth) for each in made["prefixItems"]]

    def _decide_branches(self, made: dict[str, Any], value: Any, depth: int) -> None:
        alternatives = alternatives_of(made) or _by_type(made)
        views = [self._view(each) for each in alternatives]
        if all("const" in each for each in views) or not any(_SHAPING & each.keys() for each in views):
            return
        if "properties" in made and not any("properties" in each for each in views):
            return
        beside = {keyword: each for keyword, each in made.items() if keyword not in _NOT_BESIDE}
        made[BRANCHES] = [self.decided(side_by_side(each, beside), value, depth) for each in alternatives]
        fits = (at for at, each in enumerate(alternatives) if self._validator.evolve(schema=each).is_valid(value))
        if value is not None and (found := next(fits, None)) is not None:
            made[FITTING] = found

    def _parts(self, schema: Any, value: Any, depth: int) -> Iterator[dict[str, Any]]:
        """Yield everything that holds of a value at one place, each free of what has been decided."""
        spend(_STEPS_A_PART)
        if not isinstance(schema, Mapping) or depth > 4 * _DEPTH:
            return
        if isinstance(schema.get("$ref"), str):
            yield from self._parts(self._target(schema["$ref"]), value, depth + 1)
        alternatives = alternatives_of(schema)
        views = [self._view(each) for each in alternatives]
        property_name = _told_apart_by(views, _discriminator(schema))
        single = _single(alternatives)
        own = {keyword: each for keyword, each in schema.items() if keyword not in _DECIDED | _MARKS}
        if "properties" in schema:
            own["properties"] = schema["properties"]
        if single is not None:
            own[NULLABLE] = True
        elif not property_name:
            own |= {keyword: schema[keyword] for keyword in ("oneOf", "anyOf") if keyword in schema}
        yield own
        if single is not None:
            yield from self._parts(single, value, depth + 1)
        for part in schema.get("allOf", ()):
            yield from self._parts(part, value, depth + 1)
        if property_name:
            choices = [_constants(view, property_name) for view in views]
            yield _choice(property_name, views, choices)
            yield from self._chosen(property_name, alternatives, choices, value, depth)
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

    def _view(self, schema: Schema) -> Schema:
        """Return an alternative with what it refers to written out, whatever its conditions say."""
        if "$ref" not in schema and "allOf" not in schema:
            return schema
        made: dict[str, Any] = {}
        for part in self._parts(schema, None, _DEPTH):
            made = joined(made, part)
        return made

    def _chosen(
        self, name: str, branches: Sequence[Schema], choices: Sequence[Sequence[Any]], value: Any, depth: int
    ) -> Iterator[dict[str, Any]]:
        """Yield what the alternative brings in that the value names by its constant."""
        given = value.get(name) if isinstance(value, Mapping) else None
        for branch, constants in zip(branches, choices, strict=True):
            if not any(type(each) is type(given) and each == given for each in constants):
                continue
            for part in self._parts(branch, value, depth + 1):
                rest = {key: each for key, each in part.items() if key not in {"title", "description"}}
                if name in part.get("properties", {}):
                    rest["properties"] = {key: each for key, each in part["properties"].items() if key != name}
                yield rest

    def _target(self, reference: str) -> Any:
        node: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, Mapping) else None
        return node


def entry_schema(schema: Schema, place: int) -> Any:
    """Return the schema of the entry of a list at a place."""
    first = schema.get("prefixItems", ())
    return first[place] if place < len(first) else schema.get("items", {})


def member_schema(schema: Schema, key: str) -> Any:
    """Return the schema of a member that ``properties`` do not name: by the patterns that it matches, or the rest's."""
    meant = [part for pattern, part in schema.get("patternProperties", {}).items() if matches(pattern, key)]
    if len(meant) == 1:
        return meant[0]
    return {"allOf": meant} if meant else rest_schema(schema)


def rest_schema(schema: Schema) -> Any:
    """Return the schema of members that nothing names; anything goes where it says nothing."""
    return schema.get("additionalProperties", schema.get("unevaluatedProperties", {}))


def _with_defaults(schema: Any, value: Any) -> Any:
    if not isinstance(schema, Mapping):
        return value
    parts = schema.get(ENTRIES, ())
    if isinstance(value, list):
        fits = len(parts) == len(value)  # decided about another list, where that came from a default
        return [_with_defaults(part, each) for part, each in zip(parts, value, strict=True)] if fits else value
    if not isinstance(value, dict):
        return value
    made = copy(value)
    for key, part in parts:
        if key in made:
            made[key] = _with_defaults(part, made[key])
    if isinstance(made, Entries) and parts:
        rows = zip(parts, made.rows, strict=True)
        made.rows = tuple((key, _with_defaults(part, each)) for (key, part), (_, each) in rows)
    for name, part in schema.get("properties", {}).items():
        if name not in made and _has_default(part):
            made[name] = deepcopy(part["default"])
        if name in made:
            made[name] = _with_defaults(part, made[name])
    return made


def _has_default(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "default" in schema and schema.get("not") != {}


def _single(branches: Sequence[Schema]) -> Schema | None:
    """Return the one alternative to null, where there is just that."""
    others = [each for each in branches if each.get("type") != "null"]
    return others[0] if len(branches) == 2 and len(others) == 1 else None


def _by_type(schema: Schema) -> Sequence[Schema]:
    """Return an alternative for each type of a schema that allows several, as far as they look different."""
    names = [each for each in types_of(schema) if each != "null"]
    is_settled = "enum" in schema or "const" in schema or set(names) <= {"integer", "number"}
    return () if is_settled or len(names) < 2 else [{"type": each} for each in names]


def _discriminator(schema: Schema) -> str:
    """Return the property that OpenAPI's ``discriminator`` names, "" where there is none."""
    given = schema.get("discriminator")
    return str(given.get("propertyName", "")) if isinstance(given, Mapping) else ""


def _told_apart_by(branches: Sequence[Schema], wished: str = "") -> str:
    """Return the property that has other constants in each alternative, "" where there is none."""
    if len(branches) < 2:
        return ""
    first = branches[0].get("properties", {})
    for name in sorted(first, key=lambda each: each != wished) if isinstance(first, Mapping) else ():
        constants = [_constants(branch, name) for branch in branches]
        every = [repr(each) for values in constants for each in values]
        if all(constants) and len(set(every)) == len(every):
            return str(name)
    return ""


def _constants(branch: Schema, name: str) -> Sequence[str | int]:
    """Return the texts and numbers that an alternative allows for a property, none where it allows others too."""
    properties = branch.get("properties", {})
    part = properties.get(name) if isinstance(properties, Mapping) else None
    if not isinstance(part, Mapping):
        return ()
    values = [part["const"]] if "const" in part else part.get("enum", ())
    return values if isinstance(values, list) and all(isinstance(each, str | int) for each in values) else ()


def _choice(name: str, views: Sequence[Schema], choices: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the property that tells alternatives apart, as a choice between all that they allow."""
    options = [
        {"const": each, "title": str(view.get("title") or each) if len(constants) == 1 else str(each)}
        for view, constants in zip(views, choices, strict=True)
        for each in constants
    ]
    own = {
        keyword: view["properties"][name][keyword]
        for keyword in ("title", "description", "default")
        for view in reversed(views)
        if keyword in view["properties"][name]
    }
    is_needed = all(name in view.get("required", ()) for view in views)
    return {"properties": {name: {**own, "oneOf": options}}, "required": [name] if is_needed else []}
