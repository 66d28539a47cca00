"""Rules laid over a schema: a narrower schema, proven place by place to allow less, or what stands against each rule.

Rules reach inputs by declared properties, entries of lists and parts that all hold (``allOf``, ``$ref``) alone. There
a smaller schema at one place makes the whole one smaller, so that proving each place by itself proves all of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.compatibility.inclusion import Inclusion, TooLargeError, fits, shown
from catalog.assets.compatibility.normal import NEVER, Parts, bare, kind_names, kinds_of, parts_of, written_out
from catalog.assets.inputs import InvalidInputsError, complete_inputs, secret_pointers
from catalog.assets.shapes import suggestion
from catalog.forms.effective import CONCEALED
from catalog.overlays.models import KEYWORDS, LIMITS, Rule

ENTRIES = "*"
NO_INPUTS: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_NUMBERS = frozenset({"integer", "fraction"})
_TAKEN_BY = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "min_length": frozenset({"string"}),
    "max_length": frozenset({"string"}),
    "pattern": frozenset({"string"}),
    "min_items": frozenset({"array"}),
    "max_items": frozenset({"array"}),
}
_CROSSED = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
_VALUES = ("fixed", "default", "enum", "hidden")
Node = dict[str, Any]


@dataclass(frozen=True)
class Misfit:
    """One rule that cannot be laid over a schema: its place in the list, its input, what is wrong, and what helps."""

    rule: int
    pointer: str
    detail: str
    fix: str


@dataclass(frozen=True)
class Narrowed:
    """A schema with rules laid over it; with ``misfits`` it counts for nothing."""

    schema: Mapping[str, Any]
    misfits: tuple[Misfit, ...] = ()


def narrow(schema: Mapping[str, Any], rules: Sequence[Rule]) -> Narrowed:
    """Lay rules over an asset's input schema (``{}``: it takes none); every value that fits the answer fits it too."""
    effective = schema or NO_INPUTS
    root = deepcopy(written_out(effective, effective))
    misfits: list[Misfit] = []
    # What stands further up comes first, so that a default further up is seen with everything below it.
    for place, rule in sorted(enumerate(rules), key=lambda each: (len(each[1].steps), each[0])):
        misfits += _Laying(root, place, rule).lay()
    return Narrowed(root, tuple(sorted(misfits, key=lambda each: each.rule)))


@dataclass
class _Place:
    """Where an input is declared: ``nodes`` all hold for it; ``plain`` is the one that defaults are read from."""

    nodes: list[Node]
    plain: Node | None
    above: list[Node] = field(default_factory=list)
    owners: list[Node] = field(default_factory=list)

    @property
    def parts(self) -> Parts:
        return parts_of(*(bare(each) for each in self.nodes))


class _Laying:
    """One rule on its way into the schema."""

    def __init__(self, root: Node, place: int, rule: Rule) -> None:
        self._root = root
        self._index = place
        self._rule = rule
        self._given = rule.parts

    def lay(self) -> list[Misfit]:
        """Change the schema as the rule says; return what stands against it."""
        place = self._find()
        if place is None:
            return [self._unknown()]
        wrong = list(self._out_of_place(place))
        if wrong:
            return wrong
        wide = deepcopy(place.parts)
        wrong = list(self._lock(place, wide) if self._rule.is_lock else self._limit(place, wide))
        return wrong or [*self._proven(place, wide), *self._defaults(place)]

    def _misfit(self, detail: str, fix: str, pointer: str = "") -> Misfit:
        return Misfit(self._index, pointer or self._rule.pointer, detail, fix)

    def _find(self) -> _Place | None:
        found = _Place([self._root], self._root)
        for step in self._rule.steps:
            nodes, owners = _below(found.nodes, step)
            if not nodes:
                return None
            properties = (found.plain or {}).get("properties", {})
            plain = properties.get(step) if step != ENTRIES or step in properties else None
            above = [*found.above, *([] if found.plain is None else [found.plain])]
            found = _Place(nodes, plain, above, owners)
        return found

    def _unknown(self) -> Misfit:
        steps = self._rule.steps
        nodes = [self._root]
        for step in steps[:-1]:
            nodes = _below(nodes, step)[0]
        known = sorted({name for node in nodes for part in _all_of(node) for name in part.get("properties", {})})
        fix = suggestion(steps[-1], known) if known else "Remove the rule."
        return self._misfit(
            f"This version declares no input {self._rule.pointer}.",
            f"{fix} What only a condition, an alternative or a pattern brings in cannot be narrowed.",
        )

    def _out_of_place(self, place: _Place) -> Iterator[Misfit]:
        names = self._given
        if self._rule.steps[-1] == ENTRIES and not place.plain and names & {"fixed", "default", "hidden", "required"}:
            yield self._misfit("The entries of a list take limits only.", "Give an enum, bounds or a pattern.")
        elif place.plain is None and names & {"fixed", "default", "hidden"}:
            fix = "Give limits instead; they hold everywhere."
            yield self._misfit("No default is filled in at this place, so nothing can be set there.", fix)
        if names & set(_VALUES) and _is_secret(place):
            fix = "Give bounds, a pattern or required; a secret's value belongs to whoever asks."
            yield self._misfit("This input is secret, and an overlay is read by many.", fix)
        kinds = kinds_of(place.parts)
        for name in names & set(_TAKEN_BY):
            if kinds and not kinds & _TAKEN_BY[name]:
                detail = f"This input is {kind_names(kinds)}, which {name} says nothing about."
                yield self._misfit(detail, f"Take {name} away.")

    def _lock(self, place: _Place, wide: Parts) -> Iterator[Misfit]:
        plain = place.plain
        if plain is None:
            return
        has_value = bool(self._given & {"fixed", "default"}) or "default" in plain
        if not has_value:
            if any(self._rule.steps[-1] in owner.get("required", ()) for owner in place.owners):
                yield self._misfit("It is required and would have no value.", "Give it a fixed value.")
            for node in place.nodes:
                node.clear()
            plain.update(deepcopy(dict(NEVER)))
            return
        value = plain.get("default")
        for name in ("default", "fixed"):
            value = getattr(self._rule, name) if name in self._given else value
        if not fits(wide, value):
            yield self._misfit(f"The publisher's schema does not allow {shown([value])} here.", "Give another value.")
            return
        self._override(place, "enum", None)
        plain["const"] = deepcopy(value)
        plain["default"] = deepcopy(value)
        _put_in_defaults(place.above, self._rule.steps, value)

    def _limit(self, place: _Place, wide: Parts) -> Iterator[Misfit]:
        rule = self._rule
        for value in rule.enum or ():
            if not fits(wide, value):
                yield self._misfit(f"The publisher's schema does not allow {shown([value])} here.", "Take it off.")
        for name in LIMITS:
            if name in self._given and name != "pattern":
                self._override(place, KEYWORDS[name], getattr(rule, name))
        if rule.pattern is not None:
            # What the publisher's pattern asks for goes on being asked for: two patterns cannot be compared.
            place.nodes[0].setdefault("allOf", []).append({"pattern": rule.pattern})
        yield from self._something_left(place)
        plain = place.plain if place.plain is not None else {}
        if "required" in self._given:
            name = rule.steps[-1]
            if not any(name in owner.get("required", ()) for owner in place.owners):
                owner = place.owners[0]
                owner["required"] = [*owner.get("required", ()), name]
            plain.pop("default", None)
        if "default" in self._given:
            plain["default"] = deepcopy(rule.default)

    def _something_left(self, place: _Place) -> Iterator[Misfit]:
        parts = place.parts
        listed = next((node["enum"] for node in place.nodes for node in _all_of(node) if "enum" in node), None)
        if listed is not None:
            left = [each for each in listed if fits(parts, each)]
            lost = [each for each in self._rule.enum or () if each not in left]
            if not left or lost:
                which = f"{shown(lost)} does not fit" if lost else "None of the values there are fits"
                yield self._misfit(f"{which} the other limits of this input.", "Widen them, or take it off.")
            elif len(left) < len(listed):
                self._override(place, "enum", left)
        for low, high in _CROSSED:
            lows, highs = ([part[name] for part in parts if name in part] for name in (low, high))
            if lows and highs and max(lows) > min(highs):
                yield self._misfit(f"At least {max(lows)} and at most {min(highs)}: nothing is left.", "Widen them.")

    def _override(self, place: _Place, keyword: str, value: Any) -> None:
        """Give a keyword one value for the input; None takes it away everywhere."""
        for node in place.nodes:
            for part in _all_of(node):
                part.pop(keyword, None)
        if value is not None:
            place.nodes[0][keyword] = deepcopy(value)

    def _proven(self, place: _Place, wide: Parts) -> Iterator[Misfit]:
        try:
            gaps = Inclusion().gaps(place.parts, wide)
        except TooLargeError:
            yield self._misfit("The schema is too large to show that this narrows it.", "Narrow what lies within it.")
            return
        for gap in gaps:
            what = "The publisher's schema does not allow" if gap.certain else "It cannot be shown to allow"
            detail = f"{what} {gap.what}, and this rule would."
            yield self._misfit(detail, "Stay within the publisher's limits.", f"{self._rule.pointer}{gap.pointer}")

    def _defaults(self, place: _Place) -> Iterator[Misfit]:
        """Yield defaults that do not fit any more: the input's own, and those of what it lies in."""
        steps = self._rule.steps
        chain = [*place.above[1:], *([] if place.plain is None else [place.plain])]
        for depth, node in enumerate(chain, 1):
            if "default" in node and not _completes(node, node["default"]):
                own = depth == len(steps)
                pointer = self._rule.pointer if own else "/" + "/".join(steps[:depth])
                fix = "Give a default that fits, or require the input so that somebody chooses."
                detail = f"The default of {pointer} does not fit within these limits."
                yield self._misfit(detail, fix if own else f"Give {pointer} a default that fits, by a rule of its own.")


def without(schema: Mapping[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    """Return a narrowed schema as a form shows it: without what is hidden."""
    made = deepcopy(dict(schema))
    for rule in rules:
        if rule.hidden:
            _take_away(made, rule.steps)
    return made


def hidden_in(schema: Mapping[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    """Return a narrowed schema with a mark on what is hidden: its value decides conditions, and no form shows it."""
    made = deepcopy(dict(schema))
    for rule in rules:
        nodes: list[Node] = [made]
        for step in rule.steps if rule.hidden else ():
            nodes = _below(nodes, step)[0]
        for node in nodes if rule.hidden else ():
            node[CONCEALED] = True
    return made


def value_at(values: Any, steps: Sequence[str]) -> tuple[bool, Any]:
    """Return whether there is a value at a place, and which."""
    for step in steps:
        if not isinstance(values, Mapping) or step not in values:
            return False, None
        values = values[step]
    return True, values


def _all_of(node: Node) -> Iterator[Node]:
    """Yield a schema and all parts of it that hold wherever it does."""
    yield node
    for each in node.get("allOf", ()):
        yield from _all_of(each)


def _below(nodes: Sequence[Node], step: str) -> tuple[list[Node], list[Node]]:
    """Return what is said of a property, or of each entry of a list, and the parts that say so; plain ones first."""
    found: list[tuple[Node, Node]] = []
    for node in nodes:
        for part in _all_of(node):
            if step in part.get("properties", {}):
                found.append((part["properties"][step], part))
            elif step == ENTRIES and "items" in part:
                found.append((part["items"], part))
    return [node for node, _ in found], [owner for _, owner in found]


def _is_secret(place: _Place) -> bool:
    """Tell whether an input, what it lies in, or something within it is secret."""
    marked = any(node.get("writeOnly") is True for node in (*place.above, *place.nodes))
    return marked or any(True for node in place.nodes for _ in secret_pointers(node))


def _put_in_defaults(above: Sequence[Node], steps: Sequence[str], value: Any) -> None:
    """Let the defaults of what an input lies in hold its fixed value, where they hold the object around it."""
    for depth, node in enumerate(above):
        if depth and "default" in node:
            around: Any = node["default"]
            for step in steps[depth:-1]:
                around = around.get(step) if isinstance(around, dict) else None
            if isinstance(around, dict):
                around[steps[-1]] = deepcopy(value)


def _completes(node: Node, value: Any) -> bool:
    if not isinstance(value, Mapping):
        return fits(parts_of(node), value)
    try:
        complete_inputs(node, value)
    except InvalidInputsError:
        return False
    return True


def _take_away(node: Any, steps: Sequence[str]) -> None:
    if not isinstance(node, dict):
        return
    name, *rest = steps
    properties = node.get("properties", {})
    if name in properties and rest:
        _take_away(properties[name], rest)
    if name in properties and (not rest or properties[name].get("properties") == {}):
        del properties[name]
        node["required"] = [each for each in node.get("required", ()) if each != name]
    branches = [*node.get("allOf", ()), *node.get("anyOf", ()), *node.get("oneOf", ())]
    branches += [node[keyword] for keyword in ("then", "else") if keyword in node]
    for branch in (*branches, *node.get("dependentSchemas", {}).values()):
        _take_away(branch, steps)
