"""What is wrong with a value, in sentences that name the field and the fix, and never repeat the value."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema.exceptions import ValidationError

from catalog.errors import FieldError
from catalog.forms.patterns import matches
from catalog.forms.pointers import escape, pointer_to

_SENTENCES = {
    "enum": "Choose one of: {value}.",
    "const": "This must be {value}.",
    "type": "This must be of type {value}.",
    "minLength": "This must have at least {value} characters.",
    "maxLength": "This must have at most {value} characters.",
    "minimum": "This must be at least {value}.",
    "maximum": "This must be at most {value}.",
    "exclusiveMinimum": "This must be more than {value}.",
    "exclusiveMaximum": "This must be less than {value}.",
    "multipleOf": "This must be a multiple of {value}.",
    "format": "This must be a valid {value}{example}.",
    "minItems": "This needs at least {value} entries.",
    "maxItems": "This takes at most {value} entries.",
    "minProperties": "This needs at least {value} entries.",
    "maxProperties": "This takes at most {value} entries.",
    "uniqueItems": "Each entry must be different.",
    "contains": "An entry is missing that must be among these.",
    "oneOf": "This must fit exactly one of the alternatives.",
    "anyOf": "This must fit one of the alternatives.",
    "not": "This value is not allowed.",
}
EXAMPLES: Mapping[str, str] = {
    "date": "2026-11-23",
    "time": "14:30:00Z",
    "date-time": "2026-11-23T14:30:00Z",
    "duration": "P1DT12H",
    "email": "ann@example.com",
    "hostname": "shop.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/path",
    "uuid": "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d",
    "json-pointer": "/database/size",
    "regex": "^[a-z]+$",
}
"""What a value of a format looks like."""

REQUIRED = "This is required."
_LONGEST = 300
_UNEXPECTED = "This is not taken here. Leave it out."


def field_errors_of(error: ValidationError) -> Iterator[FieldError]:
    """Yield what a misfit means for the fields of a form, each with its JSON pointer."""
    pointer = pointer_to(error.absolute_path)
    keyword = str(error.validator)
    if keyword in _SPECIAL:
        yield from _SPECIAL[keyword](error, pointer)
    elif error.validator is None or keyword in {"false", "unevaluatedProperties"}:
        yield FieldError(pointer, _UNEXPECTED)
    else:
        yield FieldError(pointer, _sentence(error))


def _missing(error: ValidationError, pointer: str) -> Iterator[FieldError]:
    schema: Any = error.schema
    instance: Any = error.instance
    yield from (
        FieldError(f"{pointer}/{escape(name)}", REQUIRED) for name in schema["required"] if name not in instance
    )


def _goes_with(error: ValidationError, pointer: str) -> Iterator[FieldError]:
    wanted: Any = error.validator_value
    instance: Any = error.instance
    for name, needed in wanted.items():
        if name in instance:
            missing = [each for each in needed if each not in instance]
            yield from (
                FieldError(f"{pointer}/{escape(each)}", f"{REQUIRED[:-1]} where {name} is given.") for each in missing
            )


def _unknown(error: ValidationError, pointer: str) -> Iterator[FieldError]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    there = ", ".join(sorted(known)) or "none"
    for name in instance:
        if name not in known and not any(matches(pattern, name) for pattern in schema.get("patternProperties", {})):
            yield FieldError(f"{pointer}/{escape(name)}", f"{name!r} is not an input. There are: {there}.")


def _alternatives(error: ValidationError, pointer: str) -> Iterator[FieldError]:
    """Explain the one alternative that was meant, where the value tells which: by a constant of it, or by its type."""
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.relative_schema_path[0], []).append(each)
    if len(branches) > 1:
        meant = [errors for errors in branches.values() if not any(_tells_apart(each) for each in errors)]
        branches = dict(enumerate(meant))
    if len(branches) == 1:
        for each in next(iter(branches.values())):
            yield from field_errors_of(each)
    else:
        yield FieldError(pointer, _sentence(error))


def _tells_apart(error: ValidationError) -> bool:
    """Tell whether an error says that another alternative is meant: a constant of a direct member, or the type."""
    depth = len(error.relative_path)
    return (str(error.validator) in {"const", "enum"} and depth <= 1) or (str(error.validator) == "type" and depth == 0)


_SPECIAL = {
    "required": _missing,
    "dependentRequired": _goes_with,
    "additionalProperties": _unknown,
    "oneOf": _alternatives,
    "anyOf": _alternatives,
}


def _sentence(error: ValidationError) -> str:
    if said := _authors(error):
        return said
    if error.validator == "pattern":
        return _of_pattern(error)
    sentence = _SENTENCES.get(str(error.validator), "This does not fit the schema.")
    wanted = error.validator_value
    shown = (
        ", ".join(str(each) for each in wanted)
        if isinstance(wanted, Sequence) and not isinstance(wanted, str)
        else str(wanted)
    )
    example = f", such as {EXAMPLES[shown]}" if shown in EXAMPLES else ""
    return sentence.format(value=shown[:_LONGEST], example=example)


def _authors(error: ValidationError) -> str:
    """Return what the schema itself says of such a misfit, "" where it says nothing.

    ``errorMessage`` is a text about all keywords beside it, or one for each by its name.
    """
    said = error.schema.get("errorMessage") if isinstance(error.schema, Mapping) else None
    text = said.get(str(error.validator)) if isinstance(said, Mapping) else said
    return " ".join(text.split())[:_LONGEST] if isinstance(text, str) else ""


def _of_pattern(error: ValidationError) -> str:
    """Say by an example what is accepted; the pattern itself is shown only where the schema has none."""
    schema: Any = error.schema
    examples = schema.get("examples")
    given = [*(examples if isinstance(examples, list) else ()), schema.get("default")]
    example = next((each for each in given if isinstance(each, str) and each), "")
    if example and not schema.get("writeOnly"):
        return f"This does not have the form that is asked for. Write it as in {example[:_LONGEST]}"
    pattern = str(error.validator_value)[:_LONGEST]
    return f"This does not have the form that is asked for: it must match the pattern {pattern}"
