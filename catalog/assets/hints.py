"""The hints for an input form, ``inputs.ui.json``: a small vocabulary of which nothing is ever required."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog.assets.findings import Finding
from catalog.assets.located import DocumentRefusedError, load_json
from catalog.assets.shapes import suggestion
from catalog.forms import offers, visibility

WIDGETS = (
    "text",
    "textarea",
    "password",
    "select",
    "radio",
    "checkbox",
    "number",
    "range",
    "date",
    "code",
    "keyvalue",
    "list",
    "environment",
    "team",
    "repository",
    "asset",
    "secretRef",
)
REVIEWS = ("show", "mask", "hide")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 2000


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FIELD_HINTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "order": (_is_number, "a number: fields come in its order"),
    "step": (_is_text, "the name of the step that shows the field"),
    "widget": (lambda value: value in WIDGETS, f"one of {', '.join(WIDGETS)}"),
    "help": (_is_text, "a text"),
    "placeholder": (_is_text, "a text"),
    "visibleWhen": (
        lambda value: isinstance(value, dict),
        "an object of names of inputs and the values they must have",
    ),
    "optionsFrom": (
        lambda value: isinstance(value, dict),
        "an object with source, and filter and dependsOn where needed",
    ),
    "review": (lambda value: value in REVIEWS, f"one of {', '.join(REVIEWS)}"),
}


def check_hints(data: bytes, path: str, schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Read the hints; return those that are known, and a warning for each that is not.

    The document maps the name of each input to its hints: ``{"greeting": {"widget": "text", "help": "..."}}``. Only
    a file that is no JSON object is an error.
    """
    try:
        document = load_json(data, path)
    except DocumentRefusedError as refusal:
        return {}, [refusal.finding]
    if not isinstance(document, dict):
        return {}, [Finding("hints", path, None, "The hints are not a JSON object.", 'Write {"input": {...}}.')]
    findings: list[Finding] = []
    properties = schema.get("properties", {})
    known: dict[str, Any] = {}
    for field, hints in document.items():
        if field not in properties:
            message = f"There is no input {field[:80]!a}."
            findings.append(Finding("hint-field", path, None, message, suggestion(field, [*properties]), "warning"))
        elif not isinstance(hints, dict):
            message = f"The hints of {field} are not an object."
            findings.append(Finding("hint-value", path, None, message, 'Write {"help": "..."}.', "warning"))
        else:
            problems = dict(_problems(field, hints, path)) | dict(_misfits(field, document, path, schema))
            findings += problems.values()
            known[field] = {name: value for name, value in hints.items() if name not in problems}
    return known, findings


def _problems(field: str, hints: Mapping[str, Any], path: str) -> Iterator[tuple[str, Finding]]:
    for name, value in hints.items():
        if name not in FIELD_HINTS:
            message = f"{field}: the hint {name[:80]!a} is not known and has no effect."
            yield name, Finding("hint-unknown", path, None, message, suggestion(name, [*FIELD_HINTS]), "warning")
            continue
        is_valid, wanted = FIELD_HINTS[name]
        if not is_valid(value):
            message = f"{field}: the hint {name} has a value that has no effect."
            yield name, Finding("hint-value", path, None, message, f"Write {wanted}.", "warning")


def _misfits(
    field: str, document: Mapping[str, Any], path: str, schema: Mapping[str, Any]
) -> Iterator[tuple[str, Finding]]:
    """Yield what is wrong with the hints that are about other inputs, or about what there is."""
    hints = document[field]
    found = {visibility.HINT: "", offers.HINT: ""}
    if isinstance(hints.get(visibility.HINT), dict):
        found[visibility.HINT] = visibility.problem_of(schema, field, document)
    if isinstance(hints.get(offers.HINT), dict):
        found[offers.HINT] = offers.problem_of(schema, hints)
    for name, problem in found.items():
        if problem:
            message = f"{field}: the hint {name} has a value that has no effect."
            yield name, Finding("hint-value", path, None, message, problem, "warning")
