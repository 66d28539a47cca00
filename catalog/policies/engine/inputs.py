"""The input of an evaluation as text, within its bounds."""

import json
from typing import Any

from catalog.policies.engine.contract import Budget, DenialCode

_NESTED = (dict, list, tuple)


class InputRefusedError(ValueError):
    """The input is no JSON, or larger or deeper than an evaluation may have it; ``code`` says which."""

    def __init__(self, code: DenialCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def input_text(value: Any, budget: Budget) -> str:
    """Return JSON data as text; raise ``InputRefusedError`` for what the budget or JSON does not allow."""
    depth = depth_of(value, budget.depth)
    if depth > budget.depth:
        raise InputRefusedError(DenialCode.TOO_DEEP, f"The input is nested deeper than {budget.depth} levels.")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text) if text.isascii() else len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputRefusedError(DenialCode.INPUT_INVALID, "The input holds half a character.") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InputRefusedError(DenialCode.INPUT_INVALID, f"The input is not JSON: {error}.") from None
    if size > budget.input_bytes:
        reason = f"The input has {size} bytes; an evaluation may have {budget.input_bytes}."
        raise InputRefusedError(DenialCode.INPUT_TOO_LARGE, reason)
    return text


def depth_of(value: Any, most: int) -> int:
    """Return how deep a value is nested, looking no further than one level beyond ``most``."""
    level = [value] if isinstance(value, _NESTED) else []
    depth = 0
    while level and depth <= most:
        inner: list[Any] = []
        for item in level:
            members = item.values() if isinstance(item, dict) else item
            inner += [member for member in members if isinstance(member, _NESTED)]
        level, depth = inner, depth + 1
    return depth
