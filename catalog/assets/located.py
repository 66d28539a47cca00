"""Reading YAML and JSON that a stranger wrote: safe, bounded, and with the line of every value."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from catalog.assets.findings import Finding, printable

Place = tuple[str | int, ...]

_LARGEST_INTEGER = 2**53 - 1
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Bounds:
    """How large a document may be: ``size`` in bytes, ``nodes`` (keys and values) with aliases written out."""

    size: int = 64 * 1024
    depth: int = 32
    aliases: int = 50
    nodes: int = 20_000


BOUNDS = Bounds()


@dataclass(frozen=True)
class Located:
    """A value of JSON's kinds, and the lines, from 1, at which its parts begin."""

    value: Any
    _lines: dict[Place, int] = field(repr=False)

    def line(self, place: Sequence[str | int]) -> int:
        """Return the line of the part at ``place``, or of the nearest part around it."""
        wanted = tuple(place)
        while wanted and wanted not in self._lines:
            wanted = wanted[:-1]
        return self._lines.get(wanted, 1)


class DocumentRefusedError(Exception):
    """A document that cannot be read; ``finding`` says where and why."""

    def __init__(self, rule: str, path: str, line: int | None, message: str, fix: str) -> None:
        super().__init__(message)
        self.finding = Finding(rule, path, line, message, fix)


class _PlainLoader(yaml.SafeLoader):
    """YAML whose plain values are those of JSON: no dates, no ``yes``, no base 60, no merge keys."""


_PlainLoader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("bool", r"(?:true|false)\Z", ["t", "f"]),
    ("null", r"(?:null|~|)\Z", ["n", "~", ""]),
    ("int", r"-?(?:0|[1-9][0-9]*)\Z", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z", list("-0123456789")),
):
    _PlainLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _first)


def load_yaml(data: bytes, path: str, bounds: Bounds = BOUNDS) -> Located:
    """Read one YAML document as JSON data; raise `DocumentRefusedError` for anything else or anything too large."""
    text = _decode(data, path, bounds)
    try:
        _check_events(text, path, bounds)
        loader = _PlainLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise _bad_yaml(error, path) from None
    if node is None:
        raise DocumentRefusedError("yaml", path, 1, "The document is empty.", "Write it.")
    builder = _Builder(path, bounds)
    return Located(builder.build(node, ()), builder.lines)


def check_yaml_syntax(data: bytes, path: str, bounds: Bounds) -> None:
    """Raise `DocumentRefusedError` where a YAML file of another tool cannot be read; its values are not looked at."""
    text = _decode(data, path, bounds)
    try:
        _check_events(text, path, bounds)
    except yaml.YAMLError as error:
        raise _bad_yaml(error, path) from None


def _bad_yaml(error: yaml.YAMLError, path: str) -> DocumentRefusedError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark else None
    return DocumentRefusedError("yaml", path, line, f"Not valid YAML: {printable(problem[:200])}.", "Correct it.")


def _decode(data: bytes, path: str, bounds: Bounds) -> str:
    if len(data) > bounds.size:
        message = f"The file is larger than {bounds.size} bytes."
        raise DocumentRefusedError("document-size", path, None, message, "Make it smaller.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentRefusedError("encoding", path, line, "The file is not UTF-8.", "Save it as UTF-8.") from None


def _check_events(text: str, path: str, bounds: Bounds) -> None:
    """Refuse, before any tree is built, what would make a tree too deep, too large or share too much."""
    depth = aliases = nodes = 0
    for event in yaml.parse(text, Loader=_PlainLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        nodes += isinstance(event, NodeEvent)
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        elif isinstance(event, AliasEvent):
            aliases += 1
        if depth > bounds.depth:
            raise _too_deep(path, bounds, line)
        if nodes > bounds.nodes:
            raise _too_many(path, bounds, line)
        if aliases > bounds.aliases:
            message = f"The document uses more than {bounds.aliases} aliases."
            raise DocumentRefusedError("yaml-alias", path, line, message, "Write the values out.")


class _Builder:
    """Turns YAML nodes into JSON data and notes the line of each part."""

    def __init__(self, path: str, bounds: Bounds) -> None:
        self.path = path
        self.bounds = bounds
        self.lines: dict[Place, int] = {}
        self.nodes = 0

    def build(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self.nodes += 1
        if self.nodes > self.bounds.nodes or len(place) > self.bounds.depth:
            message = "The document is too large once its aliases are written out."
            raise DocumentRefusedError("yaml-alias", self.path, line, message, "Write the values out.")
        self.lines.setdefault(place, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        raise self._unknown_tag(node, line)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        if node.tag != f"{_TAG}map":
            raise self._unknown_tag(node, node.start_mark.line + 1)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, line) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                message = "A key is not a text."
                raise DocumentRefusedError("yaml-key", self.path, line, message, "Write it in quotes.")
            if key in result:
                message = f'The key "{printable(key[:80])}" is there twice.'
                raise DocumentRefusedError("duplicate-key", self.path, line, message, "Keep one of them.")
            self.lines[(*place, key)] = line
            result[key] = self.build(value_node, (*place, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        read = _SCALARS.get(node.tag)
        if read is None:
            raise self._unknown_tag(node, line)
        try:
            return read(node.value)
        except (ValueError, KeyError):
            message = f"{node.value[:40]!a} is not a value that JSON can carry."
            fix = "Write it in quotes, or as a smaller number."
            raise DocumentRefusedError("yaml-value", self.path, line, message, fix) from None

    def _unknown_tag(self, node: yaml.Node, line: int) -> DocumentRefusedError:
        message = f'The tag "{printable(node.tag[:80])}" is not accepted.'
        return DocumentRefusedError("yaml-tag", self.path, line, message, "Write plain values only.")


def load_json(data: bytes, path: str, bounds: Bounds = BOUNDS) -> Any:
    """Read a JSON document; raise `DocumentRefusedError` for repeated keys, NaN, or anything too large or deep."""
    text = _decode(data, path, bounds)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_pairs, parse_constant=_no_constant, parse_int=_exact, parse_float=_finite
        )
        depth, nodes = _measure(value, bounds.depth)
    except json.JSONDecodeError as error:
        message = f"Not valid JSON: {error.msg}."
        raise DocumentRefusedError("json", path, error.lineno, message, "Correct it.") from None
    except RecursionError:
        raise _too_deep(path, bounds) from None
    except ValueError as error:
        raise DocumentRefusedError("json", path, None, f"Not valid JSON: {error}.", "Correct it.") from None
    if depth > bounds.depth:
        raise _too_deep(path, bounds)
    if nodes > bounds.nodes:
        raise _too_many(path, bounds)
    return value


def read_text(data: bytes, path: str, bounds: Bounds = BOUNDS) -> str:
    """Return a file's text; raise `DocumentRefusedError` where it is too large or not text."""
    text = _decode(data, path, bounds)
    if "\0" in text:
        raise DocumentRefusedError("encoding", path, None, "The file holds a NUL character.", "Save it as plain text.")
    return text


def _too_many(path: str, bounds: Bounds, line: int | None = None) -> DocumentRefusedError:
    message = f"The document has more than {bounds.nodes} parts."
    return DocumentRefusedError("document-size", path, line, message, "Make it smaller.")


def _too_deep(path: str, bounds: Bounds, line: int | None = None) -> DocumentRefusedError:
    message = f"The document nests deeper than {bounds.depth} levels."
    return DocumentRefusedError("document-depth", path, line, message, "Make it flatter.")


def _measure(value: Any, deepest: int) -> tuple[int, int]:
    """Return how deep ``value`` nests (at most one more than ``deepest``) and of how many parts it is.

    Raises ``ValueError`` for a text that cannot be stored.
    """
    level = [value]
    depth = nodes = 0
    while level and depth <= deepest:
        depth += 1
        nodes += len(level)
        below: list[Any] = []
        for part in level:
            if isinstance(part, str):
                _storable(part)
            elif isinstance(part, dict):
                below += [*part.keys(), *part.values()]
            elif isinstance(part, list):
                below += part
        level = below
    return depth, nodes


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key "{printable(twice[:80])}" is there twice')
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _exact(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > _LARGEST_INTEGER:
        raise ValueError("a number is too large to be carried exactly")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("a text holds a NUL character or half a character")
    return text


_SCALARS: dict[str, Callable[[str], Any]] = {
    f"{_TAG}str": _storable,
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": {"true": True, "false": False}.__getitem__,
    f"{_TAG}int": _exact,
    f"{_TAG}float": _finite,
}
