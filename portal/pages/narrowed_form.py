"""Input forms as the tenant narrows them: the schema without what is hidden, and each rule's reason as help."""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.assets.models import AssetVersionRead
from catalog.forms.visibility import shown_schema
from catalog.overlays.fitting import Fitted
from catalog.overlays.models import Rule
from portal.pages.schema_shape import shape_of


def hints_of(version: AssetVersionRead, fitted: Fitted) -> dict[str, Any]:
    """Return a version's hints, with the reason of each rule behind an input's help."""
    hints: dict[str, Any] = dict(version.input_hints or {})
    if fitted.misfits:
        return hints
    helps = {each.pointer: str(each.schema.get("description") or "") for each in shape_of(fitted.form_schema).walk()}
    for rule in fitted.rules:
        pointer = rule.pointer.removesuffix("/*")
        if pointer not in helps:
            continue
        key = pointer if pointer in hints else pointer.removeprefix("/")
        hint = hints.get(key) if isinstance(hints.get(key), Mapping) else {}
        told = str((hint or {}).get("help") or helps[pointer])
        hints[key] = {**(hint or {}), "help": f"{told} {words_of(rule)}".strip()}
    return hints


def schema_of(version: AssetVersionRead, fitted: Fitted) -> Mapping[str, Any]:
    """Return what a form of a version is made from and read by: with the conditions under which it shows inputs."""
    return shown_schema(fitted.deciding_schema, version.input_hints or {})


def words_of(rule: Rule) -> str:
    """Say what a rule does to its input, and why."""
    what = "Set by your tenant" if rule.is_lock else "Narrowed by your tenant"
    return f"{what}: {rule.reason}"


def rule_of(rules: Sequence[Rule], pointer: str) -> Rule | None:
    """Return the rule about an input, or about the entries of a list that it is."""
    return next((each for each in rules if each.pointer.removesuffix("/*") == pointer), None)
