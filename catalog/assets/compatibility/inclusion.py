"""Whether every value that fits one schema fits another, after JSON Schema 2020-12: proven, or not.

The prover is conservative: what it cannot show it reports as a gap that is not certain. It never calls something
included that is not, so far as declared values go; what an open object may hold beside its declared properties is
taken as not declared, and its schema may be narrowed by declaring it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.assets.compatibility.limits import BOUNDS, numeric_gap, size_gap
from catalog.assets.compatibility.normal import Part, Parts, is_never, kind_names, kinds_of, parts_of
from catalog.forms.patterns import matches
from catalog.forms.pointers import escape
from catalog.forms.validation import FORMAT_NAMES, field_errors

MOST_STEPS = 20_000
MOST_BRANCHES = 24
_TOGETHER = (("if", "then", "else"), ("contains", "minContains", "maxContains"), ("oneOf",), ("anyOf",), ("not",))
_TEXT = frozenset({"string"})
_LIST = frozenset({"array"})
_OBJECT = frozenset({"object"})
_FEW = frozenset({"null", "boolean"})


@dataclass(frozen=True)
class Gap:
    """A sort of value that the one schema allows and the other does not.

    ``pointer`` leads to the value, ``*`` standing for each entry of a list; ``what`` is a phrase such as "a value
    below 3"; ``certain`` is false where the prover could only not show that there is none.
    """

    pointer: str
    what: str
    certain: bool = True


class TooLargeError(Exception):
    """The schemas are too large to be compared within bounds."""


@dataclass(frozen=True)
class Filling:
    """Where values are completed with defaults before they are checked: the other schema's plain properties.

    ``narrow`` and ``wide`` are the two schemas at one place, with their defaults; None where no default is filled in.
    ``is_plain`` says that the place is reached by declared properties and entries of lists alone, outside conditions.
    """

    narrow: Part | None
    wide: Part | None
    is_plain: bool = True

    def at(self, name: str) -> "Filling":
        """Return the place of a property."""
        return Filling(_property(self.narrow, name), _property(self.wide, name), self.is_plain)

    def inside_list(self) -> "Filling":
        """Return the place of a list's entries, which no default is filled into."""
        return Filling(None, None, self.is_plain)

    def gives(self, name: str) -> bool:
        """Tell whether the wide schema fills the property in."""
        found = _property(self.wide, name)
        return found is not None and "default" in found

    def gave(self, name: str) -> bool:
        """Tell whether the narrow schema fills the property in, so that a value need not hold it."""
        found = _property(self.narrow, name)
        return found is not None and "default" in found


NO_FILLING = Filling(None, None, is_plain=False)


def _property(schema: Part | None, name: str) -> Part | None:
    found = (schema or {}).get("properties", {}).get(name)
    return found if isinstance(found, Mapping) else None


class Inclusion:
    """One comparison; ``tolerant`` lets objects hold more than the wide schema declares, as readers of outputs do."""

    def __init__(self, *, tolerant: bool = False) -> None:
        self._tolerant = tolerant
        self._left = MOST_STEPS

    def gaps(self, narrow: Parts, wide: Parts, pointer: str = "", filling: Filling = NO_FILLING) -> list[Gap]:
        """Return the sorts of values that fit ``narrow`` and not ``wide``; raise ``TooLargeError`` beyond bounds."""
        self._left -= 1
        if self._left < 0:
            raise TooLargeError
        if is_never(narrow) or not kinds_of(narrow):
            return []
        if is_never(wide):
            return [Gap(pointer, "any value")]
        values = _finite(narrow)
        if values is not None:
            return _values_gap([each for each in values if fits(narrow, each)], wide, pointer)
        # A conjunct that was there before holds still, unless other defaults complete the value before it is checked.
        same = filling.narrow == filling.wide
        found = [
            gap for part in wide if not (same and part in narrow) for gap in self._part(narrow, part, pointer, filling)
        ]
        return found if not found or self._by_cases(narrow, wide, pointer, filling) else []

    def _by_cases(self, narrow: Parts, wide: Parts, pointer: str, filling: Filling) -> bool:
        """Tell whether some gap is left where the narrow schema's alternatives are looked at one by one."""
        for index, part in enumerate(narrow):
            for keyword in ("anyOf", "oneOf"):
                branches = part.get(keyword, ())
                if not 0 < len(branches) <= MOST_BRANCHES:
                    continue
                rest = {name: value for name, value in part.items() if name != keyword}
                others = (*narrow[:index], *narrow[index + 1 :])
                cases = [parts_of(rest, branch) + others for branch in branches]
                if not any(self.gaps(case, wide, pointer, filling) for case in cases):
                    return False
        return True

    def _part(self, narrow: Parts, part: Part, pointer: str, filling: Filling) -> Iterator[Gap]:
        kinds = kinds_of(narrow)
        extra = kinds - kinds_of((part,))
        if extra:
            yield Gap(pointer, kind_names(extra))
        kinds -= extra
        if "enum" in part or "const" in part:
            yield Gap(pointer, f"anything but {shown(_listed(part))}")
        for keyword in BOUNDS:
            if keyword in part:
                yield from _wrapped(pointer, numeric_gap(keyword, narrow, part[keyword], kinds))
        yield from self._text(narrow, part, pointer, kinds)
        if kinds & _LIST:
            yield from self._list(narrow, part, pointer, filling.inside_list())
        if kinds & _OBJECT:
            yield from self._object(narrow, part, pointer, filling)
        yield from self._combined(narrow, part, pointer)

    def _text(self, narrow: Parts, part: Part, pointer: str, kinds: frozenset[str]) -> Iterator[Gap]:
        if not kinds & _TEXT:
            return
        for keyword in ("minLength", "maxLength"):
            if keyword in part:
                yield from _wrapped(pointer, size_gap(keyword, narrow, part[keyword]))
        if "pattern" in part and not any(each.get("pattern") == part["pattern"] for each in narrow):
            certain = not any("pattern" in each or "format" in each for each in narrow)
            yield Gap(pointer, f"a text that does not match {part['pattern']}", certain)
        name = part.get("format")
        if name in FORMAT_NAMES and not any(each.get("format") == name for each in narrow):
            certain = not any("pattern" in each or "format" in each for each in narrow)
            yield Gap(pointer, f"a text that is no {name}", certain)

    def _list(self, narrow: Parts, part: Part, pointer: str, inside: Filling) -> Iterator[Gap]:
        for keyword in ("minItems", "maxItems"):
            if keyword in part:
                yield from _wrapped(pointer, size_gap(keyword, narrow, part[keyword]))
        if part.get("uniqueItems") and not any(each.get("uniqueItems") for each in narrow):
            yield Gap(pointer, "a list that repeats an entry")
        if "items" not in part and "prefixItems" not in part:
            return
        most = min((each["maxItems"] for each in narrow if "maxItems" in each), default=None)
        places = max(len(each.get("prefixItems", ())) for each in (*narrow, part))
        for index in range(places + 1):
            if most is not None and index >= most:
                return
            wide = _entry(part, index)
            if wide is None:
                continue
            entries = [found for each in narrow if (found := _entry(each, index)) is not None]
            name = "*" if index == places else str(index)
            yield from self.gaps(parts_of(*entries), parts_of(wide), f"{pointer}/{name}", inside)

    def _object(self, narrow: Parts, part: Part, pointer: str, filling: Filling) -> Iterator[Gap]:
        for keyword in ("minProperties", "maxProperties"):
            if keyword in part:
                yield from _wrapped(pointer, size_gap(keyword, narrow, part[keyword]))
        certain_names = {name for each in narrow for name in each.get("required", ()) if not filling.gave(name)}
        for name in part.get("required", ()):
            if name not in certain_names and not filling.gives(name):
                yield Gap(f"{pointer}/{escape(name)}", "leaving it out")
        for name, others in part.get("dependentRequired", {}).items():
            known = {each for old in narrow for each in old.get("dependentRequired", {}).get(name, ())} | certain_names
            for other in others:
                if other not in known:
                    yield Gap(f"{pointer}/{escape(other)}", f"leaving it out beside {name}")
        if "propertyNames" in part and not any(each.get("propertyNames") == part["propertyNames"] for each in narrow):
            yield Gap(pointer, "names of its properties", certain=False)
        yield from self._properties(narrow, part, pointer, filling)

    def _properties(self, narrow: Parts, part: Part, pointer: str, filling: Filling) -> Iterator[Gap]:
        declared = {name for each in narrow for name in each.get("properties", {})}
        for name in sorted(declared | set(part.get("properties", {}))):
            wide = _schemas_for(part, name)
            found = [schema for each in narrow for schema in _schemas_for(each, name)]
            if not wide:
                continue
            if name not in declared and not found:
                # What was never declared had no meaning. In a condition it may have been what told values apart.
                if not filling.is_plain and not self._tolerant:
                    yield Gap(f"{pointer}/{escape(name)}", "what was not declared", certain=False)
                continue
            if is_never(parts_of(*wide)):
                if name in declared and not self._tolerant and not is_never(parts_of(*found)):
                    yield Gap(f"{pointer}/{escape(name)}", "any value")
                continue
            place = f"{pointer}/{escape(name)}"
            yield from self.gaps(parts_of(*found), parts_of(*wide), place, filling.at(name))
        yield from self._others(narrow, part, pointer)

    def _others(self, narrow: Parts, part: Part, pointer: str) -> Iterator[Gap]:
        """Compare what stands beside the declared properties: names by pattern, and any other name."""
        patterns: Mapping[str, Part] = part.get("patternProperties", {})
        rest: Part = part.get("additionalProperties", {})
        old_patterns = {key: each for old in narrow for key, each in old.get("patternProperties", {}).items()}
        old_rest = parts_of(*(each["additionalProperties"] for each in narrow if "additionalProperties" in each))
        is_open = not any("additionalProperties" in each for each in narrow)
        for pattern, schema in sorted(patterns.items()):
            same = parts_of(*(old["patternProperties"][pattern] for old in narrow if _has(old, pattern)))
            if pattern in old_patterns:
                yield from self.gaps(same, parts_of(schema), f"{pointer}/*")
            elif old_patterns or not (is_open or is_never(old_rest)):
                yield Gap(f"{pointer}/*", f"names that match {pattern}", certain=False)
        if not rest:
            return
        for pattern, schema in sorted(old_patterns.items()):
            if pattern not in patterns and not (self._tolerant and is_never((rest,))):
                yield from self.gaps(parts_of(schema), parts_of(rest), f"{pointer}/*")
        if is_never((rest,)) and self._tolerant:
            return
        if is_open and not is_never(old_rest):
            yield Gap(pointer, "properties that are not declared" if is_never((rest,)) else "other properties freely")
        elif not is_never(old_rest):
            yield from self.gaps(old_rest, parts_of(rest), f"{pointer}/*")

    def _combined(self, narrow: Parts, part: Part, pointer: str) -> Iterator[Gap]:
        for keywords in _TOGETHER:
            wanted = {name: part[name] for name in keywords if name in part}
            if keywords[0] not in wanted or any(
                {name: each[name] for name in keywords if name in each} == wanted for each in narrow
            ):
                continue
            check: Callable[[Parts, Mapping[str, Any]], bool] = {
                "if": self._both_hold,
                "anyOf": self._one_holds,
                "oneOf": self._exactly_one_holds,
            }.get(keywords[0], lambda _narrow, _wanted: False)
            if not check(narrow, wanted):
                yield Gap(pointer, f"what {keywords[0]} says", certain=False)
        for keyword in ("unevaluatedProperties", "unevaluatedItems"):
            if part.get(keyword):
                yield Gap(pointer, f"what {keyword} says", certain=False)
        known = [each.get("dependentSchemas", {}) for each in narrow]
        for name, schema in part.get("dependentSchemas", {}).items():
            if not any(each.get(name) == schema for each in known) and self.gaps(narrow, parts_of(schema)):
                yield Gap(pointer, f"what is said beside {name}", certain=False)

    def _both_hold(self, narrow: Parts, wanted: Mapping[str, Any]) -> bool:
        return not any(self.gaps(narrow, parts_of(wanted[name])) for name in ("then", "else") if name in wanted)

    def _one_holds(self, narrow: Parts, wanted: Mapping[str, Any]) -> bool:
        return any(not self.gaps(narrow, parts_of(branch)) for branch in wanted["anyOf"])

    def _exactly_one_holds(self, narrow: Parts, wanted: Mapping[str, Any]) -> bool:
        branches = [parts_of(branch) for branch in wanted["oneOf"]]
        holding = [index for index, branch in enumerate(branches) if not self.gaps(narrow, branch)]
        return any(
            all(_are_apart(narrow + branches[index], other) for place, other in enumerate(branches) if place != index)
            for index in holding
        )


def fits(parts: Parts, value: Any) -> bool:
    """Tell whether a value fits every conjunct."""
    return not field_errors({"allOf": list(parts)}, value)


def shown(values: Sequence[Any]) -> str:
    """Return some values as people read them."""
    texts = [repr(each) if isinstance(each, str) else str(each) for each in values]
    text = ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
    return text[:200]


def _values_gap(values: Sequence[Any], wide: Parts, pointer: str) -> list[Gap]:
    lost = [each for each in values if not fits(wide, each)]
    return [Gap(pointer, shown(lost))] if lost else []


def _wrapped(pointer: str, what: str | None) -> Iterator[Gap]:
    if what is not None:
        yield Gap(pointer, what)


def _listed(part: Part) -> list[Any]:
    return list(part["enum"]) if "enum" in part else [part["const"]]


def _finite(parts: Parts) -> list[Any] | None:
    """Return a list that holds every value that fits, None where there may be endlessly many."""
    for part in parts:
        if "enum" in part or "const" in part:
            return _listed(part)
    if kinds_of(parts) <= _FEW:
        return [None, True, False]
    for part in parts:
        for keyword in ("anyOf", "oneOf"):
            if part.get(keyword):
                lists = [_finite(parts_of(branch)) for branch in part[keyword]]
                if all(each is not None for each in lists):
                    return [value for each in lists for value in each or ()]
    return None


def _entry(part: Part, index: int) -> Part | None:
    prefix = part.get("prefixItems", ())
    if index < len(prefix):
        found: Part = prefix[index]
        return found
    return part.get("items")


def _has(part: Part, pattern: str) -> bool:
    return pattern in part.get("patternProperties", {})


def _schemas_for(part: Part, name: str) -> list[Part]:
    """Return what one conjunct says of a property: by name, by pattern, or as any other."""
    found = [part["properties"][name]] if name in part.get("properties", {}) else []
    found += [schema for pattern, schema in part.get("patternProperties", {}).items() if matches(pattern, name)]
    if not found and "additionalProperties" in part:
        found = [part["additionalProperties"]]
    return found


def _are_apart(one: Parts, other: Parts) -> bool:
    """Tell whether surely no value fits both: by type, by a list of values, or by a property that tells them apart."""
    if not kinds_of(one + other):
        return True
    for left, right in ((one, other), (other, one)):
        values = _finite(left)
        if values is not None:
            return not any(fits(left, each) and fits(right, each) for each in values)
    if not kinds_of(one + other) <= _OBJECT:
        return False
    required = {name for part in one for name in part.get("required", ())}
    required &= {name for part in other for name in part.get("required", ())}
    return any(_are_apart(_named(one, name), _named(other, name)) for name in required)


def _named(parts: Parts, name: str) -> Parts:
    return parts_of(*(schema for part in parts for schema in _schemas_for(part, name)))
