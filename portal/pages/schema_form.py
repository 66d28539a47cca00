"""The form for a JSON Schema: what each control shows."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.assets.inputs import HIDDEN
from catalog.errors import FieldError
from catalog.forms.effective import BRANCHES, ENTRIES, FITTING, effective, filled, is_conditional
from catalog.forms.pointers import pointer_to
from catalog.forms.sentences import EXAMPLES
from portal.pages.schema_controls import Control, Option, element_id, told_apart
from portal.pages.schema_input import CHOSEN, MOST_ROWS, ROWS, settle
from portal.pages.schema_shape import TRUE_WORDS, Schema, Shape, Submitted, is_long_text, scalar_text, shape_for

Hints = Mapping[str, Any]
Offers = Callable[[Mapping[str, Any], Any], tuple[str, ...]]
"""From the hints of an input, and the value of the whole form, to the values that there are."""

_INPUT_TYPES = {"email": "email", "uri": "url", "date": "date"}
_TEXT_WIDGETS = {"text", "textarea", "password", "date", "code"}
_TYPE_NAMES = {
    "string": "Text",
    "integer": "Whole number",
    "number": "Number",
    "boolean": "Yes or no",
    "array": "List",
    "object": "Group",
}
_PARTED = frozenset({"group", "rows", "entries", "alternatives"})
_MOST_EMPTY_ROWS = 20
_WORD = re.compile(r"[_\-\s]+|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class FormSource:
    """What fills a form: ``submitted`` (shown again as it was sent) wins over ``values``, and these over defaults.

    ``is_optional`` holds inside of what may be left out as a whole; ``read`` is what was read of ``submitted``.
    ``offers`` answers which values there are of what a hint names; without it none are suggested. ``forgotten`` are the
    names of the fields whose stored secrets are to be taken away.
    """

    prefix: str = "inputs"
    hints: Hints | None = None
    values: Mapping[str, Any] | None = None
    submitted: Submitted | None = None
    errors: Sequence[FieldError] = ()
    is_optional: bool = False
    read: Any = None
    offers: Offers | None = None
    forgotten: Collection[str] = ()


def build_form(schema: Schema, source: FormSource) -> Control:
    """Return the form for ``schema`` as one group of controls: what it asks for in the branches that hold."""
    if source.submitted is not None:
        settled = settle(schema, source.submitted, source.prefix)
        shape, source = settled.shape, replace(source, read=settled.value)
    else:
        source = replace(source, values=filled(schema, dict(source.values or {})))
        shape = shape_for(schema, source.values)
    depends = any(_depends(each) for each in (source.hints or {}).values())
    return told_apart(replace(_control(shape, source), is_live=is_conditional(schema) or depends))


def _depends(hint: Any) -> bool:
    offered = hint.get("optionsFrom") if isinstance(hint, Mapping) else None
    return isinstance(offered, Mapping) and bool(offered.get("dependsOn"))


def split_form(
    before: Schema, after: Schema, source: FormSource, held: Mapping[str, Any] | None = None
) -> tuple[Control, Control]:
    """Return the part of a form that is new, changed or at fault, and the part that stays as it was under ``before``.

    What a condition opens now that was closed before is new. ``held`` is what was given so far, where the form starts
    from something else; what differs from it is in front.
    """
    form = build_form(after, source)
    given = source.values or {}
    held = given if held is None else held
    known = _parts(before, replace(source, submitted=None, values=held))
    touched = [name for name in {**held, **given} if given.get(name) != held.get(name)]
    asked = _parts(after, source)
    at_fault = {each.pointer.split("/")[2] for each in source.errors if each.pointer.count("/") > 1}
    same = {f"{source.prefix}{pointer_to((name,))}" for name, part in asked.items() if known.get(name) == part}
    shown = {f"{source.prefix}{pointer_to((name,))}" for name in touched}
    shown |= {f"{source.prefix}/{name}" for name in at_fault}
    stays = [each for each in form.children if each.name in same - shown]
    front = [each for each in form.children if each not in stays]
    return replace(form, children=tuple(front)), replace(form, children=tuple(stays), is_live=False)


def _parts(schema: Schema, source: FormSource) -> Mapping[str, Any]:
    """Return what each property of a form asks for, without what it holds."""
    if source.submitted is not None:
        value = settle(schema, source.submitted, source.prefix).value
    else:
        value = dict(source.values or {})
    found: Mapping[str, Any] = effective(schema, filled(schema, value)).get("properties", {})
    return {name: _without_state(part) for name, part in found.items()}


def _without_state(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {key: _without_state(each) for key, each in part.items() if key not in {ENTRIES, BRANCHES, FITTING}}
    return [_without_state(each) for each in part] if isinstance(part, list) else part


def humanised(name: str) -> str:
    """Return a property name as a label, such as ``Health path`` for ``health_path`` or ``healthPath``."""
    words = [word for word in _WORD.split(name) if word]
    text = " ".join(word if word.isupper() else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def _hint(source: FormSource, shape: Shape) -> Mapping[str, Any]:
    hints = source.hints or {}
    # What is said of the entries of a list holds for each of them.
    steps = ["*" if step.isdecimal() else step for step in shape.path]
    places = (shape.pointer, pointer_to(steps))
    for key in (*places, *(each.removeprefix("/") for each in places)):
        if isinstance(found := hints.get(key), Mapping):
            return found
    return {}


def _field_name(source: FormSource, shape: Shape) -> str:
    return source.prefix + shape.field


def _control(shape: Shape, source: FormSource) -> Control:
    hint = _hint(source, shape)
    name = _field_name(source, shape)
    pointer = f"/{source.prefix}{shape.pointer}"
    schema = shape.schema
    is_secret = bool(schema.get("writeOnly"))
    was_sent = is_secret and any(text.strip() for text in (source.submitted or {}).get(name, ()))
    is_stored = is_secret and _value_at(source.values, shape.path) == HIDDEN
    may_go = is_stored and (source.is_optional or not shape.is_required)
    value = "" if is_secret else _text_value(shape, source)
    # A control that stands for a whole list or mapping shows what is wrong with its members too.
    inner = () if shape.kind in _PARTED else (f"{pointer}/",)
    own_errors = [each.detail for each in source.errors if each.pointer == pointer or each.pointer.startswith(inner)]
    children = tuple(_members(shape, source))
    return Control(
        pointer=pointer,
        name=name,
        id=element_id(name) + ("-rest" if shape.is_rest else ""),
        widget="fixed" if schema.get("readOnly") is True else _widget(shape, str(hint.get("widget", ""))),
        label="" if shape.is_rest else str(schema.get("title") or humanised(shape.key)),
        is_required=shape.is_required,
        help="" if shape.is_rest else str(hint.get("help") or schema.get("description") or ""),
        error="" if shape.is_rest or (shape.kind == "alternatives" and children) else " ".join(own_errors),
        value=value,
        placeholder=str(hint.get("placeholder") or _example(schema, is_secret=is_secret)),
        input_type="password" if is_secret else _input_type(schema, str(hint.get("widget", ""))),
        is_checked=value.lower() in TRUE_WORDS,
        is_demanded=shape.is_required and not source.is_optional and not was_sent and not is_stored,
        is_secret=is_secret,
        is_kept=was_sent or is_stored,
        is_code=hint.get("widget") == "code" or shape.kind == "json",
        options=_options(shape, source, value),
        attributes=_attributes(shape),
        children=children,
        off="false" if shape.is_required or value or "default" in schema else "",
        is_deprecated=schema.get("deprecated") is True,
        can_remove=was_sent or may_go,
        is_forgotten=may_go and name in source.forgotten,
        can_add=len(children) < most_rows(schema),
        suggestions=_suggestions(shape, source, hint),
        step=str(hint.get("step", "")) if len(shape.path) == 1 else "",
    )


def _suggestions(shape: Shape, source: FormSource, hint: Hints) -> tuple[str, ...]:
    """Return the values that there are of what a hint names, for a text that is written freely."""
    if source.offers is None or shape.kind != "text" or shape.schema.get("writeOnly") or not hint:
        return ()
    return source.offers(hint, source.values if source.read is None else source.read)


def most_rows(schema: Schema) -> int:
    """Return how many rows a list or a mapping takes."""
    first = schema.get("prefixItems")
    bounds = [int(schema[keyword]) for keyword in ("maxItems", "maxProperties") if keyword in schema]
    return min(*bounds, len(first) if first and schema.get("items") is False else MOST_ROWS, MOST_ROWS)


def _members(shape: Shape, source: FormSource) -> Iterator[Control]:
    source = replace(source, is_optional=source.is_optional or not shape.is_required)
    if shape.kind == "alternatives":
        chosen = _chosen(shape, source)
        if chosen is not None:
            yield replace(_control(shape.children[chosen], source), label=alternative_name(shape, chosen))
    elif shape.kind in {"rows", "entries"}:
        yield from _rows(shape, source)
    else:
        yield from (_control(child, source) for child in _ordered(shape, source))


def _rows(shape: Shape, source: FormSource) -> Iterator[Control]:
    """Yield the rows of a list or a mapping; a new one begins with those that it needs."""
    is_list = shape.kind == "rows"
    count = len(shape.children)
    if source.submitted is None or _field_name(source, shape) + ROWS not in source.submitted:
        first = len(shape.schema.get("prefixItems", ()))
        needed = max(first, int(shape.schema.get("minItems", 0))) if shape.is_required else 0
        # The rest of a group waits until it is asked for; a mapping by itself begins with a row.
        count = max(count, min(needed, _MOST_EMPTY_ROWS) if is_list else 0 if shape.is_rest else 1)
    least = int(shape.schema.get("minItems", 0)) if is_list and shape.is_required else 0
    for at in range(count):
        row = shape.entry(at) if is_list else shape.member(at, shape.children[at].key if shape.children else "")
        made = _control(row, source)
        name = row.schema.get("title")
        label = f"{name or 'Entry'} {at + 1}" if is_list else str(name or "Value")
        off = made.off if is_list or row.key else ""
        yield replace(made, label=label, key="" if is_list else row.key, off=off, can_remove=count > least)


def _chosen(shape: Shape, source: FormSource) -> int | None:
    """Return which of the alternatives is shown: the one that was chosen, or the one that the value fits."""
    name = _field_name(source, shape) + CHOSEN
    if source.submitted is None or name not in source.submitted:
        return shape.fitting
    text = source.submitted[name][-1] if source.submitted[name] else ""
    at = int(text) if text.isdecimal() and len(text) < 4 else len(shape.children)
    return at if at < len(shape.children) else None


def alternative_name(shape: Shape, place: int) -> str:
    """Return what an alternative is called: by its title, or by its type."""
    schema = shape.children[place].schema
    given = schema.get("type", "object" if "properties" in schema else "")
    return str(schema.get("title") or _TYPE_NAMES.get(str(given)) or f"Alternative {place + 1}")


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
    if is_secret or "default" in schema:
        return ""
    if not isinstance(examples, list) or not examples:
        return "" if schema.get("format") == "date" else EXAMPLES.get(str(schema.get("format", "")), "")
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
    if source.submitted is not None and name in source.submitted:
        sent = source.submitted[name]
        return "\n".join(sent) if shape.kind == "choices" else (sent[-1] if sent else "")
    value = _value_at(source.read, shape.path)
    if value is None:
        value = _value_at(source.values, shape.path)
    if value is None:
        value = shape.schema.get("default", shape.schema.get("const"))
    return _as_text(shape, value)


def _value_at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        if isinstance(value, list):
            value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _as_text(shape: Shape, value: Any) -> str:
    if value is None or shape.kind in _PARTED:
        return ""
    if shape.kind in {"lines", "choices"} and isinstance(value, list):
        return "\n".join(scalar_text(member) for member in value)
    return json.dumps(value, indent=2) if shape.kind == "json" else scalar_text(value)


def _options(shape: Shape, source: FormSource, value: str) -> tuple[Option, ...]:
    if shape.kind == "alternatives":
        chosen_one = _chosen(shape, source)
        named = [
            Option(str(at), alternative_name(shape, at), is_selected=at == chosen_one)
            for at in range(len(shape.children))
        ]
        return (Option("", "Choose…" if shape.is_required else "Not set", is_selected=chosen_one is None), *named)
    if shape.kind not in {"choice", "choices"}:
        return ()
    chosen = value.split("\n") if shape.kind == "choices" else [value]
    texts = [(scalar_text(option), label) for option, label in shape.options]
    options = tuple(Option(text, label, is_selected=text in chosen) for text, label in texts)
    has_choice = any(option.is_selected for option in options)
    if shape.kind == "choice" and not has_choice:
        return (Option("", "Choose…" if shape.is_required else "Not set", is_selected=True), *options)
    if shape.kind == "choice" and not shape.is_required:
        return (Option("", "Not set", is_selected=False), *options)
    return options
