"""Regular expressions that publishers bring, on an engine whose time grows with the text and never explodes."""

from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

_LONGEST = 1000


def is_usable(pattern: str) -> bool:
    """Tell whether a pattern needs no more than a linear-time engine has: no look-around, no back references."""
    return _matcher(pattern) is not None


def matches(pattern: str, text: str) -> bool:
    """Tell whether a publisher's pattern is found in a text, in linear time; one that cannot be used never is."""
    matcher = _matcher(pattern)
    if matcher is None:
        return False
    try:
        matcher.validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> TypeAdapter[str] | None:
    if len(pattern) > _LONGEST:
        return None
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError:
        return None
