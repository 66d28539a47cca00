"""What a requester gives to an asset: defaults, validation, and keeping secrets out of sight."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError
from catalog.forms.pointers import escape
from catalog.forms.validation import field_errors

HIDDEN = "[secret]"


class InvalidInputsError(InvalidInputError):
    """Inputs that do not fit the asset's schema; ``errors`` points into ``/inputs``."""

    code = "invalid_inputs"
    title = "The inputs are not valid"


def complete_inputs(schema: Mapping[str, Any], values: Mapping[str, Any], pointer: str = "/inputs") -> dict[str, Any]:
    """Return ``values`` with the schema's defaults filled in; raise ``InvalidInputsError`` for every misfit at once.

    An asset without a schema (``{}``) takes no inputs. Error messages never repeat a value.
    """
    unstorable = [
        FieldError(f"{pointer}{place}", "This holds a character that is none.") for place in _broken(values, "")
    ]
    if unstorable:
        raise InvalidInputsError("Some inputs are not valid: see each field.", unstorable)
    effective = schema or {"type": "object", "properties": {}, "additionalProperties": False}
    filled: dict[str, Any] = _with_defaults(effective, dict(deepcopy(dict(values))))
    errors = [FieldError(f"{pointer}{error.pointer}", error.detail) for error in field_errors(effective, filled)]
    if errors:
        raise InvalidInputsError("Some inputs are not valid: see each field.", errors)
    return filled


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


def _with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    properties = schema.get("properties", {})
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        if name not in value and "default" in part:
            value[name] = deepcopy(part["default"])
        if name in value:
            value[name] = _with_defaults(part, value[name])
    return value


def secret_pointers(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the JSON pointers of the inputs marked ``writeOnly``, which nothing may show."""
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, dict):
            pointer = f"{prefix}/{escape(name)}"
            if part.get("writeOnly") is True:
                yield pointer
            else:
                yield from secret_pointers(part, pointer)


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
