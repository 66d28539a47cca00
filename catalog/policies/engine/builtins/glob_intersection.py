"""Whether two globs of ``regex.globs_match`` have a text in common: ``.``, ``*``, ``+`` and sets in brackets."""

from dataclasses import dataclass

from catalog.policies.engine.builtins.calls import BuiltinError

_MOST_TOKENS = 500
_ANY = frozenset({-1})


@dataclass(frozen=True)
class _Token:
    """One place of a glob: the characters it takes (``_ANY``: all), and whether it may stay or be left out."""

    chars: frozenset[int]
    optional: bool = False
    repeats: bool = False


def intersect(left: str, right: str) -> bool:
    """Tell whether some text matches both globs; raise ``BuiltinError`` where one is no glob."""
    first, second = _tokens(left), _tokens(right)
    seen = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        one, two = waiting.pop()
        if one == len(first) and two == len(second):
            return True
        for place in _steps(first, second, one, two):
            if place not in seen:
                seen.add(place)
                waiting.append(place)
    return False


def _steps(first: list[_Token], second: list[_Token], one: int, two: int) -> list[tuple[int, int]]:
    left = first[one] if one < len(first) else None
    right = second[two] if two < len(second) else None
    found: list[tuple[int, int]] = []
    if left is not None and left.optional:
        found.append((one + 1, two))
    if right is not None and right.optional:
        found.append((one, two + 1))
    if left is None or right is None or not _meet(left.chars, right.chars):
        return found
    found.append((one + 1, two + 1))
    if left.repeats:
        found.append((one, two + 1))
    if right.repeats:
        found.append((one + 1, two))
    return found


def _meet(left: frozenset[int], right: frozenset[int]) -> bool:
    return left is _ANY or right is _ANY or bool(left & right)


def _tokens(glob: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        if char in "*+":
            if not found or found[-1].repeats:
                raise BuiltinError(f"input:{glob}, pos:{at}, flag {char!r} must be preceded by a non-flag")
            found[-1] = _Token(found[-1].chars, optional=char == "*", repeats=True)
            at += 1
            continue
        if char == "]":
            raise BuiltinError(f"input:{glob}, pos:{at}, set-close ']' with no preceding '['")
        if char == "[":
            end = glob.find("]", at)
            if end < 0:
                raise BuiltinError(f"input:{glob}, pos:{at}, found [ without matching ]")
            found.append(_Token(_set(glob, at + 1, end)))
            at = end + 1
            continue
        if char == "\\" and at + 1 < len(glob):
            at += 1
            found.append(_Token(frozenset({ord(glob[at])})))
        else:
            found.append(_Token(_ANY if char == "." else frozenset({ord(char)})))
        at += 1
        if len(found) > _MOST_TOKENS:
            raise BuiltinError("the glob is too long")
    return found


def _set(glob: str, at: int, end: int) -> frozenset[int]:
    chars: set[int] = set()
    while at < end:
        if at + 2 < end and glob[at + 1] == "-":
            low, high = ord(glob[at]), ord(glob[at + 2])
            if low > high or high - low > 0x10000:
                raise BuiltinError(f"input:{glob}, pos:{at}, the range is not valid")
            chars.update(range(low, high + 1))
            at += 3
        else:
            chars.add(ord(glob[at]))
            at += 1
    return frozenset(chars)
