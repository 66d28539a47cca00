"""YAML 1.2 as Go reads and writes it: no dates, no ``yes`` as true, aliases within bounds."""

import re
from decimal import Decimal
from typing import Any

import yaml

from catalog.policies.engine.builtins.calls import BuiltinError
from catalog.policies.engine.values import RegoSet, as_json_text, entries, parse

_MOST_TEXT = 256 * 1024
_MOST_NODES = 100_000
_MOST_DEPTH = 100
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_yaml(text: str) -> Any:
    """Return the value of the first document; raise ``BuiltinError`` where any part of the text is no YAML."""
    if len(text) > _MOST_TEXT:
        raise BuiltinError("the text is too long")
    if text.count("[") + text.count("{") > _MOST_NODES:
        raise BuiltinError("the text has too many parts")
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else "not readable"
        raise BuiltinError(f"yaml: {first}") from None
    return _Reader().value(nodes[0], 0) if nodes else None


class _Reader:
    """Turns nodes into values; aliases are repeated, and counted each time."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def value(self, node: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEPTH:
            raise BuiltinError("yaml: the document is too large or too deep")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        found: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key, item in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.style is None:
                merged = {**self._merged(item, depth + 1), **merged}
                continue
            found[self._key(key)] = self.value(item, depth + 1)
        return {**merged, **found}

    def _merged(self, node: Any, depth: int) -> dict[Any, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[Any, Any] = {}
        for source in sources:
            value = self.value(source, depth)
            if not isinstance(value, dict):
                raise BuiltinError("yaml: map merge requires map or sequence of maps as the value")
            found = {**value, **found}
        return found

    def _key(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise BuiltinError("yaml: a key is a list or an object")
        value = self._scalar(node)
        return value if isinstance(value, str) else as_json_text(value)

    def _scalar(self, node: Any) -> Any:
        text: str = node.value
        if node.tag == "tag:yaml.org,2002:binary" and not _implicit(node):
            raise BuiltinError("yaml: binary values are not supported")
        if node.style is not None or (node.tag == "tag:yaml.org,2002:str" and not _implicit(node)):
            return text
        return plain(text)


def _implicit(node: Any) -> bool:
    # The composer resolves plain scalars by YAML 1.1; what was written as a tag cannot be one of those of a plain text.
    return (
        node.start_mark.buffer is None
        or node.start_mark.buffer[node.start_mark.pointer : node.start_mark.pointer + 1] != "!"
    )


def plain(text: str) -> Any:
    """Return what a scalar without quotes stands for."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) and len(text) < 400:
        digits = text.replace("_", "").lower()
        sign = -1 if digits.startswith("-") else 1
        digits = digits.lstrip("+-")
        base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
        if base == 10 and len(digits) > 1 and digits.startswith("0") and set(digits) <= set("01234567"):
            base = 8
        try:
            return sign * int(digits[2:] if digits[:2] in ("0b", "0o", "0x") else digits, base)
        except ValueError:
            return text
    if _FLOAT.fullmatch(text) and len(text) < 400:
        return _float(text)
    return text


def _float(text: str) -> Any:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BuiltinError("yaml: the number is too large")
    return parse(repr(number)) if number != int(number) or abs(number) > 1e15 else int(number)


class _Dumper(yaml.SafeDumper):
    """Writes as Go's library does: lists below their key, indented by two."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Indent lists below a key as well."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Never write an alias."""
        del data
        return True


class _Plain(str):
    """A text that needs no quotes, such as a number with its exact digits."""

    __slots__ = ()


def _plain_scalar(dumper: yaml.SafeDumper, value: _Plain) -> Any:
    tag = "tag:yaml.org,2002:float" if set(str(value)) & set(".eE") else "tag:yaml.org,2002:int"
    return dumper.represent_scalar(tag, str(value))


def _text_scalar(dumper: yaml.SafeDumper, value: str) -> Any:
    # What would be read as something else stands in double quotes; several lines stand as a block.
    resolved = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    is_text = isinstance(plain(value), str) and resolved == "tag:yaml.org,2002:str"
    style = "|" if "\n" in value else None if is_text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(_Plain, _plain_scalar)
_Dumper.add_representer(str, _text_scalar)


def write_yaml(value: Any) -> str:
    """Return the value as YAML text."""
    text: str = yaml.dump(
        _plain_value(value), Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=10**6
    )
    return text.removesuffix("...\n")


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict):
        rows = [
            (key if isinstance(key, str) else as_json_text(key), _plain_value(item)) for key, item in entries(value)
        ]
        return dict(rows)
    if isinstance(value, list | RegoSet):
        return [_plain_value(item) for item in value]
    if isinstance(value, Decimal):
        return _Plain(as_json_text(value))
    return value
