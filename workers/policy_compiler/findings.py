"""What is wrong with a bundle, said with file, line and the fix."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from catalog.assets.findings import Finding, printable
from catalog.policies.engine.builtins import REFUSED
from workers.policy_compiler import PolicySources

_UNDEFINED = re.compile(r"undefined function ([\w.]+)")
_TARGET = re.compile(r"with keyword target must reference")
_ALLOWING = re.compile(r"(allow|permit|pass|approve|accept|exempt|waive|compliant)")
_DENYING = re.compile(r"(deny|violation|warn|block|reject)")
_AS_OPA = "opa check --strict says the same on your machine."


def bundle_findings(raw: Mapping[str, Any], sources: PolicySources) -> list[Finding]:
    """Return every finding of a report."""
    found = [_error(each) for each in [*raw.get("errors", ()), *raw.get("test_errors", ())]]
    rules: list[dict[str, Any]] = list(raw.get("rules", ()))
    if "rules" not in raw:
        return found
    found += _tests(raw.get("tests", ()))
    found += _coverage(rules, raw.get("coverage", {}))
    found += _names(rules, sources.spec)
    found += _evidence(rules)
    return found


def rule_table(raw: Mapping[str, Any], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rules that report something: name, level, title, controls, severity and place; by name, then place."""
    controls = _controls(spec)
    rows: list[dict[str, Any]] = []
    for rule in raw.get("rules", ()):
        for reported in rule["reports"]:
            name = reported["rule"]
            own = rule["custom"].get("controls")
            named = [str(each) for each in own] if isinstance(own, list) else []
            rows.append(
                {
                    "rule": name,
                    "level": reported.get("level") or spec.get("level"),
                    "title": rule["title"],
                    "description": rule["description"],
                    "severity": str(rule["custom"].get("severity", "")),
                    "controls": sorted({*named, *controls.get(name, ())}),
                    "file": rule["file"],
                    "line": rule["row"],
                }
            )
    return sorted(rows, key=lambda row: (row["rule"], row["file"], row["line"] or 0))


def _controls(spec: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for control in spec.get("controls", ()):
        for name in control["rules"]:
            found.setdefault(name, []).append(control["id"])
    return found


def _error(each: Mapping[str, Any]) -> Finding:
    message = printable(str(each["message"]))
    path, row = str(each.get("file") or "content"), each.get("row")
    match = _UNDEFINED.search(message)
    reason = REFUSED.get(match[1]) if match else None
    if match and reason:
        fix = "Give the policy what it needs in its input or in data.json."
        return Finding("rego-builtin", path, row, f"{match[1]} may not be called: {reason}.", fix)
    if match:
        return Finding(
            "rego-function", path, row, f"There is no function {match[1]}.", "Correct its name or import it."
        )
    if _TARGET.search(message):
        fix = "Mock only input, data, and functions that a release policy may call."
        return Finding("rego-builtin", path, row, "A test replaces a function that no policy may call.", fix)
    return Finding("rego-compile", path, row, message.rstrip(".") + ".", _AS_OPA)


def _tests(tests: list[dict[str, Any]]) -> Iterator[Finding]:
    for each in tests:
        if each["outcome"] in ("failed", "error"):
            why = f" ({each['message']})" if each["message"] else ""
            message = f"The test {each['name']} fails{printable(why)}."
            yield Finding("rego-test", each["file"], each["row"], message, "Correct the rule or the test.")
        elif each["outcome"] == "skipped":
            message = f"The test {each['name']} is skipped."
            yield Finding("rego-test-skipped", each["file"], each["row"], message, "Run it or remove it.", "warning")


def _coverage(rules: list[dict[str, Any]], coverage: Mapping[str, Any]) -> Iterator[Finding]:
    by_file: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        by_file.setdefault(rule["file"], []).append(rule)
    for path, listed in by_file.items():
        lines = coverage.get(path)
        if lines is None:
            continue
        starts = sorted({rule["row"] or 0 for rule in listed})
        for index, start in enumerate(starts):
            end = starts[index + 1] if index + 1 < len(starts) else 10**9
            reached = any(start <= line < end for line in lines["covered"])
            missed = [line for line in lines["uncovered"] if start <= line < end]
            if missed and not reached:
                name = next(rule["name"] for rule in listed if (rule["row"] or 0) == start)
                message = f"No test reaches the rule {name}."
                yield Finding("rego-coverage", path, start, message, "Write a test in which it applies.", "warning")


def _names(rules: list[dict[str, Any]], spec: Mapping[str, Any]) -> Iterator[Finding]:
    controls = _controls(spec)
    for rule in rules:
        for reported in rule["reports"]:
            name, place = reported["rule"], (rule["file"], rule["row"])
            if not rule["title"]:
                fix = "Write # METADATA and # title: above it."
                yield Finding("rule-title", *place, f"The rule {name} has no title.", fix, "warning")
            if not rule["custom"].get("controls") and name not in controls:
                fix = "List it under spec.controls, or under custom.controls of its metadata."
                yield Finding("rule-control", *place, f"The rule {name} names no control.", fix, "warning")


def _evidence(rules: list[dict[str, Any]]) -> Iterator[Finding]:
    """Hold to the principle that leaving an attestation out never makes anything easier to pass."""
    for rule in rules:
        if _ALLOWING.match(rule["name"]) and rule["absent"]:
            message = f"The rule {rule['name']} allows because evidence is absent; whoever leaves it out passes."
            fix = "Ask for the evidence, and look at what it says."
            yield Finding("evidence-absent", rule["file"], rule["absent"][0], message, fix)
        if _ALLOWING.match(rule["name"]) and rule["default"] and rule["value"] is True:
            message = f"{rule['name']} is true by default, so what no rule foresees is allowed."
            fix = f"Write default {rule['name']} := false."
            yield Finding("default-allow", rule["file"], rule["row"], message, fix, "warning")
    asked = any(rule["absent"] for rule in rules)
    for rule in rules:
        if _DENYING.match(rule["name"]) and rule["present"] and not asked:
            message = f"The rule {rule['name']} looks at evidence that no rule asks for; without it everything passes."
            fix = "Add a rule that denies where the evidence is missing."
            yield Finding("evidence-deny-list", rule["file"], rule["present"][0], message, fix, "warning")
