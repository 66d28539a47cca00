"""Regular expressions with RE2, which takes time in proportion to the text whatever the pattern; and globs."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2

from catalog.policies.engine.builtins.calls import BuiltinError, Table, integer, into
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.builtins.glob_intersection import intersect

FUNCTIONS: Table = {}

_MOST_PATTERN = 10_000
_MEMORY = 8 * 1024 * 1024
_MOST_TEXT = 4 * 1024 * 1024
_GLOB_SPECIAL = set("*?\\[]{}")


@into(FUNCTIONS, "regex.find_n", weight=20)
def find_n(pattern: Any, value: Any, most: Any) -> list[str]:
    """Return the first matches; a negative number means all."""
    regexp, data, limit = _compiled(pattern), string(value, 2).encode(), integer(most, 3)
    return [data[slice(*span[0])].decode() for span in _matches(regexp, data, limit)]


@into(FUNCTIONS, "regex.replace", weight=20)
def replace(value: Any, pattern: Any, replacement: Any) -> str:
    """Replace every match; ``$1`` and ``${name}`` stand for groups, as in Go."""
    data, regexp, template = string(value).encode(), _compiled(pattern, 2), string(replacement, 3)
    parts: list[bytes] = []
    size = at = 0
    expand = _template(template, regexp)
    for spans in _matches(regexp, data, -1):
        made = expand(data, spans)
        size += len(made)
        if size > _MOST_TEXT:
            raise BuiltinError("the text is too long")
        parts += [data[at : spans[0][0]], made]
        at = spans[0][1]
    return b"".join([*parts, data[at:]]).decode("utf-8", "replace")


@into(FUNCTIONS, "regex.split", weight=20)
def split(pattern: Any, value: Any) -> list[str]:
    """Split at every match, as Go's ``Regexp.Split`` does."""
    regexp, data = _compiled(pattern), string(value, 2).encode()
    if not data:
        return [""]
    found: list[bytes] = []
    begin = end = 0
    for spans in _matches(regexp, data, -1):
        if spans[0][1] == 0:
            continue
        end = spans[0][0]
        found.append(data[begin:end])
        begin = spans[0][1]
    if end != len(data):
        found.append(data[begin:])
    return [part.decode() for part in found]


@into(FUNCTIONS, "regex.template_match", weight=20)
def template_match(template: Any, value: Any, start: Any, end: Any) -> bool:
    """Match a text whose parts between the delimiters are patterns."""
    whole, opening, closing = string(template), string(start, 3), string(end, 4)
    if len(opening.encode()) != 1 or len(closing.encode()) != 1:
        raise BuiltinError("a delimiter has to be exactly one character long")
    pattern, level, begin, last = "^", 0, 0, 0
    for index, char in enumerate(whole):
        if char == opening:
            level += 1
            begin = index if level == 1 else begin
        elif char == closing:
            level -= 1
            if level == 0:
                inner = whole[begin + 1 : index]
                _compiled(f"^{inner}$")
                pattern += f"{re2.escape(whole[last:begin])}({inner})"
                last = index + 1
        if level < 0:
            break
    if level:
        raise BuiltinError(f'unbalanced braces in "{whole}"')
    regexp = _compiled(f"{pattern}{re2.escape(whole[last:])}$")
    return regexp.search(string(value, 2).encode()) is not None


@into(FUNCTIONS, "regex.globs_match", weight=20)
def globs_match(left: Any, right: Any) -> bool:
    """Tell whether some text matches both globs."""
    return intersect(string(left), string(right, 2))


@into(FUNCTIONS, "glob.quote_meta")
def quote_meta(pattern: Any) -> str:
    """Return the pattern that matches this text alone."""
    return "".join(f"\\{char}" if char in _GLOB_SPECIAL else char for char in string(pattern))


def _compiled(pattern: Any, position: int = 1) -> Any:
    return compiled(string(pattern, position))


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return the pattern compiled by RE2; raise ``BuiltinError`` where it is none."""
    if len(pattern) > _MOST_PATTERN:
        raise BuiltinError("the pattern is too long")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        shown = error.args[0] if error.args else error
        shown = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
        raise BuiltinError(f"error parsing regexp: {shown}") from None


def _matches(regexp: Any, data: bytes, most: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the spans of matches as Go finds them: no empty match right behind another."""
    at, behind, count = 0, -1, 0
    while at <= len(data) and count != most:
        match = regexp.search(data, at)
        if match is None:
            return
        start, end = match.span()
        if end == at and start == end:
            accepted = start != behind
            at += 1
            while at < len(data) and data[at] & 0xC0 == 0x80:
                at += 1
        else:
            accepted = not (start == end and start == behind)
            at = end
        behind = end
        if accepted:
            count += 1
            yield [match.span(group) for group in range(regexp.groups + 1)]


def _template(template: str, regexp: Any) -> Any:
    """Return a function that fills the groups of a match in."""
    names = {str(name): index for name, index in regexp.groupindex.items()}
    parts: list[bytes | int] = []
    at = 0
    while (dollar := template.find("$", at)) >= 0:
        parts.append(template[at:dollar].encode())
        name, at = _reference(template, dollar + 1)
        if name is None:
            parts.append(b"$")
        elif name.isdigit() and name.isascii():
            parts.append(int(name[:9]) if int(name[:9]) <= regexp.groups else b"")
        elif name in names:
            parts.append(names[name])
    parts.append(template[at:].encode())

    def fill(data: bytes, spans: list[tuple[int, int]]) -> bytes:
        return b"".join(
            part if isinstance(part, bytes) else data[slice(*spans[part])] if spans[part][0] >= 0 else b""
            for part in parts
        )

    return fill


def _reference(template: str, at: int) -> tuple[str | None, int]:
    """Read what follows a dollar sign: a name, in braces or not, and where it ends; no name is a plain dollar."""
    if template[at : at + 1] == "$":
        return None, at + 1
    braced = template[at : at + 1] == "{"
    end = at + braced
    while end < len(template) and (template[end] == "_" or template[end].isalnum()):
        end += 1
    name = template[at + braced : end]
    if not name or (braced and template[end : end + 1] != "}"):
        return None, at
    return name, end + braced
