"""What a requester gives to an asset: defaults, validation, and keeping secrets out of sight."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError
from catalog.forms.effective import filled
from catalog.forms.pointers import escape
from catalog.forms.validation import field_errors

HIDDEN = "[secret]"


class InvalidInputsError(InvalidInputError):
    """Inputs that do not fit the asset's schema; ``errors`` points into ``/inputs``."""

    code = "invalid_inputs"
    title = "The inputs are not valid"


def complete_inputs(schema: Mapping[str, Any], values: Mapping[str, Any], pointer: str = "/inputs") -> dict[str, Any]:
    """Return ``values`` with the defaults of all that ``schema`` asks for beside them, in whatever branch holds.

    Raises ``InvalidInputsError`` for every misfit at once.
    An asset without a schema (``{}``) takes no inputs. Error messages never repeat a value.
    """
    unstorable = [
        FieldError(f"{pointer}{place}", "This holds a character that is none.") for place in _broken(values, "")
    ]
    if unstorable:
        raise InvalidInputsError("Some inputs are not valid: see each field.", unstorable)
    effective = schema or {"type": "object", "properties": {}, "additionalProperties": False}
    complete: dict[str, Any] = filled(effective, deepcopy(dict(values)))
    errors = [FieldError(f"{pointer}{error.pointer}", error.detail) for error in field_errors(effective, complete)]
    if errors:
        raise InvalidInputsError("Some inputs are not valid: see each field.", errors)
    return complete


def _broken(value: Any, place: str) -> Iterator[str]:
    """Yield the JSON pointers of texts and names that cannot be stored; of a name itself, its object's."""
    if isinstance(value, str) and storable(value) != value:
        yield place
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _broken(item, f"{place}/{index}")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from [place] if storable(name) != name else _broken(item, f"{place}/{escape(name)}")


def secret_pointers(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the JSON pointers of the inputs marked ``writeOnly``, which nothing may show."""
    yield from marked_pointers(schema, "writeOnly", prefix)


def marked_pointers(schema: Mapping[str, Any], mark: str, prefix: str = "") -> Iterator[str]:
    """Yield the JSON pointers of the inputs that a keyword, such as ``readOnly``, is true of."""
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, dict):
            pointer = f"{prefix}/{escape(name)}"
            if part.get(mark) is True:
                yield pointer
            else:
                yield from marked_pointers(part, mark, pointer)


def without_secrets(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with every secret replaced by ``[secret]``, fit for pages, logs and events."""
    properties = schema.get("properties", {})
    shown: dict[str, Any] = {}
    for name, value in values.items():
        part = properties.get(name)
        if isinstance(part, dict) and part.get("writeOnly") is True:
            shown[name] = HIDDEN
        elif isinstance(part, dict) and isinstance(value, dict):
            shown[name] = without_secrets(part, value)
        else:
            shown[name] = value
    return shown
