"""What changed between the inputs or the outputs of two versions, each change with the smallest bump it asks for."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from catalog.assets.compatibility.inclusion import Filling, Gap, Inclusion, TooLargeError, shown
from catalog.assets.compatibility.normal import ANNOTATIONS, Part, bare, nested, parts_of, written_out
from catalog.forms.pointers import escape

CLOSED: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
"""What an asset without a schema takes and gives: nothing."""

Side = Literal["inputs", "outputs", "manifest"]


class Bump(IntEnum):
    """How far a version has to rise: not at all, or its patch, minor or major number."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True, order=True)
class Change:
    """One difference: ``pointer`` leads to the input or output, ``what`` is a stable name of the sort of change.

    ``bump`` is the least that it asks for, ``message`` says what changed and, where that is major, why it breaks.
    ``proven`` is false where it could not be shown that nothing breaks. A number that is too low for a ``binding``
    change is refused though nothing breaks.
    """

    side: Side
    pointer: str
    what: str
    bump: Bump
    message: str
    proven: bool = True
    binding: bool = False


@dataclass(frozen=True)
class Face:
    """One side of a version: its schema, and the pointers of inputs that cannot change later."""

    schema: Mapping[str, Any]
    immutable: frozenset[str] = field(default_factory=frozenset)

    @property
    def whole(self) -> Part:
        """Return the schema with its references written out."""
        return written_out(self.schema or CLOSED, self.schema)


def input_changes(before: Face, after: Face) -> list[Change]:
    """Return what changed for whoever gives inputs."""
    old, new = before.whole, after.whole
    places = _Places(old, new)
    found = [*_removed(places, "inputs"), *_added(places, "inputs")]
    found += _defaults(places, before.immutable)
    found += _immutable(places, before.immutable, after.immutable)
    found += _secrets(places)
    try:
        gaps = Inclusion().gaps(parts_of(bare(old)), parts_of(bare(new)), filling=Filling(old, new))
    except TooLargeError:
        gaps = [Gap("", "the schemas as a whole", certain=False)]
    gaps += _disturbed(places, new)
    found += _narrowed(gaps, found, places)
    return _complete(found, places, "inputs")


def output_changes(before: Face, after: Face) -> list[Change]:
    """Return what changed for whoever reads outputs; more outputs than were declared break nobody."""
    old, new = before.whole, after.whole
    places = _Places(old, new)
    found = [*_removed(places, "outputs"), *_added(places, "outputs")]
    try:
        gaps = Inclusion(tolerant=True).gaps(parts_of(bare(new)), parts_of(bare(old)), filling=Filling(None, None))
    except TooLargeError:
        gaps = [Gap("", "the schemas as a whole", certain=False)]
    found += _widened(gaps, found)
    return _complete(found, places, "outputs")


class _Places:
    """The declared properties of two schemas by pointer, as far as plain properties lead."""

    def __init__(self, old: Part, new: Part) -> None:
        self.old = dict(_properties(old, ""))
        self.new = dict(_properties(new, ""))
        self.old_root, self.new_root = old, new
        self.required = {pointer for pointer, _ in _required(new, "")}

    @property
    def common(self) -> list[str]:
        return [pointer for pointer in self.old if pointer in self.new]


def _properties(schema: Part, pointer: str) -> Iterator[tuple[str, Part]]:
    """Yield every property that a schema declares, also one behind a reference or in an ``allOf``."""
    for part in parts_of(schema):
        for name, child in part.get("properties", {}).items():
            place = f"{pointer}/{escape(name)}"
            yield place, child
            yield from _properties(child, place)
        if isinstance(part.get("items"), Mapping):
            yield f"{pointer}/*", part["items"]
            yield from _properties(part["items"], f"{pointer}/*")


def _required(schema: Part, pointer: str) -> Iterator[tuple[str, str]]:
    for part in parts_of(schema):
        for name in part.get("required", ()):
            yield f"{pointer}/{escape(name)}", name
        for name, child in part.get("properties", {}).items():
            yield from _required(child, f"{pointer}/{escape(name)}")


def _is_below(pointer: str, others: Collection[str]) -> bool:
    return any(pointer.startswith(f"{other}/") for other in others)


def _removed(places: _Places, side: Side) -> Iterator[Change]:
    gone = [pointer for pointer in places.old if pointer not in places.new and not pointer.endswith("/*")]
    for pointer in gone:
        if not _is_below(pointer, gone):
            reason = "whoever sets it is refused" if side == "inputs" else "whoever reads it finds nothing"
            yield Change(side, pointer, "removed", Bump.MAJOR, f"It was removed, so {reason}.")


def _added(places: _Places, side: Side) -> Iterator[Change]:
    come = [pointer for pointer in places.new if pointer not in places.old and not pointer.endswith("/*")]
    for pointer in come:
        if not _is_below(pointer, come):
            yield Change(side, pointer, "added", Bump.MINOR, "It is new.")


def _defaults(places: _Places, immutable: frozenset[str]) -> Iterator[Change]:
    for pointer in places.common:
        old, new = places.old[pointer], places.new[pointer]
        if old.get("default") == new.get("default") and ("default" in old) == ("default" in new):
            continue
        secret = bool(old.get("writeOnly") or new.get("writeOnly"))
        text = _default_text(old, new, secret=secret)
        fixed = pointer in immutable or _is_below(pointer, immutable)
        if fixed and "default" in old:
            reason = "it cannot be changed later, so what runs with the old default could never be upgraded"
            yield Change("inputs", pointer, "default", Bump.MAJOR, f"{text}, and {reason}.")
        else:
            yield Change("inputs", pointer, "default", Bump.MINOR, f"{text}.")


def _default_text(old: Part, new: Part, *, secret: bool) -> str:
    if "default" not in old:
        return "It has a default now"
    if "default" not in new:
        return "It has no default any more"
    if secret:
        return "Its default changed"
    return f"Its default changed from {shown([old['default']])} to {shown([new['default']])}"


def _immutable(places: _Places, before: frozenset[str], after: frozenset[str]) -> Iterator[Change]:
    for pointer in sorted(after - before):
        if pointer in places.old:
            reason = "whoever changes it from one version to the next is refused"
            yield Change("inputs", pointer, "immutable", Bump.MAJOR, f"It cannot be changed later any more: {reason}.")
    for pointer in sorted(before - after):
        if pointer in places.new:
            yield Change("inputs", pointer, "mutable", Bump.MINOR, "It can be changed later now.")


def _secrets(places: _Places) -> Iterator[Change]:
    for pointer in places.common:
        was, is_now = (bool(each[pointer].get("writeOnly")) for each in (places.old, places.new))
        if was and not is_now:
            message = "It is no secret any more, so values that were given as secrets would be shown."
            yield Change("inputs", pointer, "shown", Bump.MAJOR, message)
        elif is_now and not was:
            yield Change("inputs", pointer, "secret", Bump.MINOR, "It is kept secret now.")


def _narrowed(gaps: list[Gap], found: list[Change], places: _Places) -> Iterator[Change]:
    removed = {each.pointer for each in found if each.what == "removed"}
    for gap in gaps:
        if gap.pointer in removed or _is_below(gap.pointer, removed):
            continue
        if gap.what == "leaving it out":
            had = "default" in places.old.get(gap.pointer, {})
            text = "It has to be given now" + (", because its default is gone." if had else ", and it has no default.")
            yield Change("inputs", gap.pointer, "required", Bump.MAJOR, text)
        elif gap.certain:
            yield Change("inputs", gap.pointer, "narrowed", Bump.MAJOR, f"It does not take {gap.what} any more.")
        else:
            text = f"It cannot be shown that it still takes whatever it took ({gap.what})."
            yield Change("inputs", gap.pointer, "unproven", Bump.MAJOR, text, proven=False)


def _widened(gaps: list[Gap], found: list[Change]) -> Iterator[Change]:
    removed = {each.pointer for each in found if each.what == "removed"}
    for gap in gaps:
        if gap.pointer in removed or _is_below(gap.pointer, removed):
            continue
        if gap.what == "leaving it out":
            text = "It may be missing now, and was always there before."
            yield Change("outputs", gap.pointer, "optional", Bump.MAJOR, text)
        elif gap.certain:
            yield Change(
                "outputs", gap.pointer, "widened", Bump.MAJOR, f"It may be {gap.what} now, and never was before."
            )
        else:
            text = f"It cannot be shown that it is never more than it was ({gap.what})."
            yield Change("outputs", gap.pointer, "unproven", Bump.MAJOR, text, proven=False)


def _complete(found: list[Change], places: _Places, side: Side) -> list[Change]:
    """Add what changed without breaking anything, so that no difference goes unsaid."""
    said = {each.pointer for each in found}
    for pointer in ["", *places.common]:
        old, new = (places.old_root, places.new_root) if not pointer else (places.old[pointer], places.new[pointer])
        if pointer in said:
            continue
        if _own(bare(old)) != _own(bare(new)):
            verb = "It takes more than before." if side == "inputs" else "It promises more than before."
            found.append(Change(side, pointer, "loosened" if side == "inputs" else "tightened", Bump.MINOR, verb))
        elif any(old.get(name) != new.get(name) for name in ANNOTATIONS - {"default", "writeOnly", "$defs"}):
            found.append(Change(side, pointer, "described", Bump.PATCH, "Its description changed."))
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda each: (-each.bump, each.pointer, each.what, each.message))


def _own(schema: Part) -> dict[str, Any]:
    """Return what a schema says of its own value, leaving to its declared properties what is about them."""
    own = {name: value for name, value in schema.items() if name not in {"properties", "items", "required"}}
    return {**own, "required": sorted(schema.get("required", ())), "items": "items" in schema}


def _disturbed(places: _Places, new: Part) -> Iterator[Gap]:
    """Yield where a default that came, changed or went could change what conditions and combinations say.

    Values are completed with defaults before they are checked, so a condition that mentions such an input may turn out
    differently although neither the condition nor the given values changed.
    """
    changed = {
        pointer
        for pointer in {*places.old, *places.new}
        if places.old.get(pointer, {}).get("default") != places.new.get(pointer, {}).get("default")
    }
    if not changed:
        return
    names = {pointer.rpartition("/")[2] for pointer in changed}
    for part, is_condition in _conditions(new, within=False):
        counted = any(keyword in part for keyword in _COUNTING) and (is_condition or _holds(part, names))
        if counted or (is_condition and _mentioned(part) & {*names, ANY}):
            pointer = min(changed)
            yield Gap(pointer, "its default may change what a condition says", certain=False)
            return


ANY = "*"
_COUNTING = ("maxProperties", "minProperties", "propertyNames", "patternProperties", "unevaluatedProperties")
_CONDITIONS = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "contains")


def _conditions(schema: Part, *, within: bool) -> Iterator[tuple[Part, bool]]:
    yield schema, within
    if "dependentRequired" in schema and not within:
        yield {"dependentRequired": schema["dependentRequired"]}, True
    for keyword, child in nested(schema):
        yield from _conditions(child, within=within or keyword in _CONDITIONS)


def _holds(part: Part, names: set[str]) -> bool:
    return bool({escape(name) for name in part.get("properties", {})} & names)


def _mentioned(part: Part) -> set[str]:
    names = {*part.get("properties", {}), *part.get("required", ()), *part.get("dependentSchemas", {})}
    for name, others in part.get("dependentRequired", {}).items():
        names |= {name, *others}
    closed = "additionalProperties" in part and part["additionalProperties"] != {}
    listed = any(isinstance(each, dict) for each in part.get("enum", ())) or isinstance(part.get("const"), dict)
    return {escape(name) for name in names} | ({ANY} if closed or listed else set())
