"""The form for a JSON Schema: what each control shows."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.errors import FieldError
from portal.pages.schema_shape import TRUE_WORDS, Schema, Shape, is_long_text, scalar_text, shape_of

Submitted = Mapping[str, Sequence[str]]
Hints = Mapping[str, Any]

_INPUT_TYPES = {"email": "email", "uri": "url", "date": "date", "time": "time", "date-time": "text"}
_TEXT_WIDGETS = {"text", "textarea", "password", "date", "code"}
_WORD = re.compile(r"[_\-\s]+|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Option:
    """One value of a choice, as it is sent and as it reads."""

    value: str
    label: str
    is_selected: bool


@dataclass(frozen=True)
class Control:
    """One control of a form.

    ``name`` is what the browser sends and ``pointer`` what errors name; ``widget`` is one of group, text, textarea,
    number, checkbox, select, radio, checkboxes, lines, pairs or json. ``value`` is empty for secrets, always.
    """

    pointer: str
    name: str
    id: str
    widget: str
    label: str
    is_required: bool
    help: str = ""
    error: str = ""
    value: str = ""
    placeholder: str = ""
    input_type: str = "text"
    is_checked: bool = False
    is_secret: bool = False
    is_code: bool = False
    options: tuple[Option, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Control", ...] = ()

    def labels(self) -> dict[str, tuple[str, str]]:
        """Return label and element id for the pointer of every control, for the summary of errors."""
        found = {self.pointer: (self.label, self.id)}
        for child in self.children:
            found.update(child.labels())
        return found


@dataclass(frozen=True)
class FormSource:
    """What fills a form: ``submitted`` (shown again as it was sent) wins over ``values``, and these over defaults."""

    prefix: str = "inputs"
    hints: Hints | None = None
    values: Mapping[str, Any] | None = None
    submitted: Submitted | None = None
    errors: Sequence[FieldError] = ()


def element_id(name: str) -> str:
    """Return the id of the element for a field name such as ``inputs/region``."""
    return "field-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def build_form(schema: Schema, source: FormSource) -> Control:
    """Return the form for ``schema`` as one group of controls."""
    return _control(shape_of(schema), source)


def humanised(name: str) -> str:
    """Return a property name as a label, such as ``Health path`` for ``health_path`` or ``healthPath``."""
    words = [word for word in _WORD.split(name) if word]
    text = " ".join(word if word.isupper() else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def _hint(source: FormSource, shape: Shape) -> Mapping[str, Any]:
    hints = source.hints or {}
    for key in (shape.pointer, shape.pointer.removeprefix("/")):
        if isinstance(found := hints.get(key), Mapping):
            return found
    return {}


def _field_name(source: FormSource, shape: Shape) -> str:
    return source.prefix + shape.pointer


def _control(shape: Shape, source: FormSource) -> Control:
    hint = _hint(source, shape)
    name = _field_name(source, shape)
    pointer = "/" + name
    schema = shape.schema
    is_secret = bool(schema.get("writeOnly"))
    value = "" if is_secret else _text_value(shape, source)
    widget = _widget(shape, str(hint.get("widget", "")))
    # A control that stands for a whole list or mapping shows what is wrong with its members too.
    inner = () if shape.kind == "group" else (f"{pointer}/",)
    own_errors = [each.detail for each in source.errors if each.pointer == pointer or each.pointer.startswith(inner)]
    fallback = humanised(shape.path[-1]) if shape.path else ""
    return Control(
        pointer=pointer,
        name=name,
        id=element_id(name),
        widget=widget,
        label=str(schema.get("title") or fallback),
        is_required=shape.is_required,
        help=str(hint.get("help") or schema.get("description") or ""),
        error=" ".join(own_errors),
        value=value,
        placeholder=str(hint.get("placeholder") or _example(schema, is_secret=is_secret)),
        input_type="password" if is_secret else _input_type(schema, str(hint.get("widget", ""))),
        is_checked=value.lower() in TRUE_WORDS,
        is_secret=is_secret,
        is_code=hint.get("widget") == "code" or shape.kind in {"json", "pairs"},
        options=_options(shape, source, value),
        attributes=_attributes(shape),
        children=tuple(_control(child, source) for child in _ordered(shape, source)),
    )


def _ordered(shape: Shape, source: FormSource) -> list[Shape]:
    def rank(child: Shape) -> float:
        order = _hint(source, child).get("order")
        return float(order) if isinstance(order, int | float) else float("inf")

    return sorted(shape.children, key=rank)


def _widget(shape: Shape, wished: str) -> str:
    if shape.kind == "text":
        is_long = is_long_text(shape.schema) and not shape.schema.get("writeOnly")
        return "textarea" if wished in {"textarea", "code"} or (is_long and wished not in _TEXT_WIDGETS) else "text"
    if shape.kind == "choice":
        return "radio" if wished == "radio" else "select"
    return {"boolean": "checkbox", "choices": "checkboxes"}.get(shape.kind, shape.kind)


def _input_type(schema: Schema, wished: str) -> str:
    if wished in {"password", "date"}:
        return wished
    return _INPUT_TYPES.get(str(schema.get("format", "")), "text")


def _example(schema: Schema, *, is_secret: bool) -> str:
    examples = schema.get("examples")
    if is_secret or not isinstance(examples, list) or not examples or "default" in schema:
        return ""
    return examples[0] if isinstance(examples[0], str) else json.dumps(examples[0])


def _attributes(shape: Shape) -> tuple[tuple[str, str], ...]:
    names = {"minLength": "minlength", "maxLength": "maxlength", "pattern": "pattern"}
    schema = shape.schema
    if shape.kind == "number":
        step = str(schema.get("multipleOf", "1" if shape.item == "integer" else "any"))
        pairs = [("step", step)]
        pairs += [
            (html, str(schema[key])) for key, html in {"minimum": "min", "maximum": "max"}.items() if key in schema
        ]
        return tuple(pairs)
    if shape.kind != "text":
        return ()
    # An HTML pattern matches the whole value where a schema's matches anywhere: only anchored ones mean the same.
    pattern = str(schema.get("pattern", ""))
    if not (pattern.startswith("^") and pattern.endswith("$")):
        names.pop("pattern")
    return tuple((html, str(schema[key])) for key, html in names.items() if key in schema)


def _text_value(shape: Shape, source: FormSource) -> str:
    """Return what the control shows: as submitted, else the value, else the default."""
    name = _field_name(source, shape)
    if source.submitted is not None:
        sent = source.submitted.get(name, ())
        return "\n".join(sent) if shape.kind == "choices" else (sent[-1] if sent else "")
    value: Any = source.values
    for part in shape.path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        value = shape.schema.get("default", shape.schema.get("const"))
    return _as_text(shape, value)


def _as_text(shape: Shape, value: Any) -> str:
    if value is None or shape.kind == "group":
        return ""
    if shape.kind in {"lines", "choices"} and isinstance(value, list):
        return "\n".join(scalar_text(member) for member in value)
    if shape.kind == "pairs" and isinstance(value, Mapping):
        return "\n".join(f"{key}={scalar_text(member)}" for key, member in value.items())
    return json.dumps(value, indent=2) if shape.kind == "json" else scalar_text(value)


def _options(shape: Shape, source: FormSource, value: str) -> tuple[Option, ...]:
    if shape.kind not in {"choice", "choices"}:
        return ()
    chosen = value.split("\n") if shape.kind == "choices" else [value]
    texts = [(scalar_text(option), label) for option, label in shape.options]
    options = tuple(Option(text, label, is_selected=text in chosen) for text, label in texts)
    has_choice = any(option.is_selected for option in options)
    if shape.kind == "choice" and not has_choice and (not shape.is_required or source.submitted is None):
        return (Option("", "Choose…" if shape.is_required else "Not set", is_selected=True), *options)
    if shape.kind == "choice" and not shape.is_required:
        return (Option("", "Not set", is_selected=False), *options)
    return options
