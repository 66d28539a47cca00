"""Run where a publisher's policies are: checks, tests, compiles or tries them with OPA, and writes what came of it.

Usage: ``python -I program.py OPA compile|try OPTIONS``, in a folder with ``content/``, ``tests/`` and
``capabilities.json`` (and ``input.json`` to try something). Writes ``out/report.json`` and, where it compiled,
``out/policy.wasm``, ``out/data.json`` and ``out/modules.json``. Whoever reads the report takes it for a stranger's.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUT = Path("out")
MOST_TEXT = 2000
MOST_ITEMS = 500
MOST_TRACE = 4000
STEP_SECONDS = 60
EVIDENCE = frozenset({"attestations", "statements", "sbom", "provenance", "signatures", "vex", "evidence", "scans"})


class Opa:
    """The program ``opa`` with the capabilities of release policies."""

    def __init__(self, path: str) -> None:
        self.path = path

    def run(self, *arguments: str, seconds: int = STEP_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run one command; one that takes too long ends with status 124."""
        try:
            return subprocess.run(
                [self.path, *arguments], capture_output=True, text=True, timeout=seconds, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(arguments, 124, "", f"it took longer than {seconds} s")


def main() -> None:
    """Do what is asked, and write the report."""
    OUT.mkdir(exist_ok=True)
    opa, options = Opa(sys.argv[1]), json.loads(sys.argv[3])
    report = compile_bundle(opa, options) if sys.argv[2] == "compile" else try_out(opa, options)
    (OUT / "report.json").write_text(json.dumps(report))


def compile_bundle(opa: Opa, options: dict[str, Any]) -> dict[str, Any]:
    """Check, test and compile; what comes after a failed check is left out."""
    folders = [name for name in ("content", "tests") if Path(name).is_dir()]
    report: dict[str, Any] = {"errors": errors_of(opa.run("check", "--strict", *CAPABILITIES, *FORMAT, *folders))}
    if report["errors"]:
        return report
    report["rules"] = list(rules_of(opa))
    if options["tests"]:
        report |= tests_of(opa, folders)
    report["errors"] = build(opa, options["entrypoints"])
    if not report["errors"]:
        report["server"] = rewrite(opa, options["prefix"])
    return report


CAPABILITIES = ("--capabilities", "capabilities.json")
# The compiler itself puts calls of internal.test_case into tests.
TEST_CAPABILITIES = ("--capabilities", "test_capabilities.json")
FORMAT = ("--format", "json")


def errors_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return what a command found wrong: message, code, file and line."""
    if done.returncode == 0:
        return []
    found: list[dict[str, Any]] = []
    for text in (done.stdout, done.stderr):
        try:
            document = json.loads(text)
        except ValueError:
            continue
        for each in (document.get("errors") or [])[:MOST_ITEMS]:
            location = each.get("location") or {}
            found.append(problem(each.get("message", ""), each.get("code", ""), location))
    return found or [problem((done.stderr or done.stdout).strip() or "OPA failed without a word", "", {})]


def problem(message: str, code: str, location: dict[str, Any]) -> dict[str, Any]:
    """Return one problem in the form of the report."""
    return {"message": message[:MOST_TEXT], "code": code, "file": location.get("file", ""), "row": location.get("row")}


def tests_of(opa: Opa, folders: list[str]) -> dict[str, Any]:
    """Run the tests, for their results and then for what they cover."""
    done = opa.run("test", *TEST_CAPABILITIES, *FORMAT, "--timeout", "5s", *folders)
    try:
        results = json.loads(done.stdout)
    except ValueError:
        results = None
    if not isinstance(results, list):
        return {"tests": [], "test_errors": errors_of(done) or [problem("no test ran", "", {})]}
    tests = [
        {
            "name": f"{each.get('package', '').removeprefix('data.')}.{each.get('name', '')}",
            "file": each["location"].get("file", ""),
            "row": each["location"].get("row"),
            "outcome": outcome_of(each),
            "message": str((each.get("error") or {}).get("message", ""))[:MOST_TEXT],
        }
        for each in results
    ]
    if done.returncode:
        # What failing tests reach says nothing.
        return {"tests": tests}
    measured = opa.run("test", "--coverage", *TEST_CAPABILITIES, *FORMAT, "--timeout", "5s", *folders)
    return {"tests": tests, "coverage": coverage_of(measured.stdout)}


def outcome_of(test: dict[str, Any]) -> str:
    """Return passed, failed, skipped or error."""
    if test.get("error"):
        return "error"
    return "failed" if test.get("fail") else "skipped" if test.get("skip") else "passed"


def coverage_of(text: str) -> dict[str, Any]:
    """Return the covered and uncovered lines of each file of the content."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    files: dict[str, Any] = {}
    for name, facts in (document.get("files") or {}).items():
        if name.startswith("content/"):
            covered = lines_of(facts.get("covered"))
            files[name] = {
                "covered": sorted(covered),
                "uncovered": sorted(lines_of(facts.get("not_covered")) - covered),
            }
    return files


def lines_of(ranges: list[dict[str, Any]] | None) -> set[int]:
    """Return the first line of every range: what a range spans is not what ran."""
    return {each["start"]["row"] for each in ranges or []}


def build(opa: Opa, entrypoints: list[str]) -> list[dict[str, Any]]:
    """Compile to WebAssembly; return what went wrong."""
    arguments = [part for each in entrypoints for part in ("-e", each)]
    bundle = OUT / "bundle.tar.gz"
    done = opa.run("build", "-t", "wasm", *arguments, *CAPABILITIES, "-o", str(bundle), "-b", "content")
    if done.returncode:
        return errors_of(done)
    with tarfile.open(bundle) as archive:
        for name in ("policy.wasm", "data.json"):
            member = archive.extractfile(f"/{name}")
            (OUT / name).write_bytes(b"" if member is None else member.read())
    bundle.unlink()
    return []


def rewrite(opa: Opa, prefix: str) -> bool:
    """Write the modules with every package below ``prefix``, for a server that many bundles share."""
    moved = Path("moved")
    shutil.copytree("content", moved, ignore=lambda folder, names: [each for each in names if is_other(folder, each)])
    done = opa.run("refactor", "move", "--write", "-p", f"data:data.{prefix}", str(moved))
    if done.returncode:
        return False
    modules = {str(path.relative_to(moved)): path.read_text() for path in sorted(moved.rglob("*.rego"))}
    (OUT / "modules.json").write_text(json.dumps(modules, sort_keys=True))
    return True


def is_other(folder: str, name: str) -> bool:
    """Tell whether a name is that of a file without rules."""
    return not name.endswith(".rego") and not (Path(folder) / name).is_dir()


def rules_of(opa: Opa) -> Iterator[dict[str, Any]]:
    """Yield what the rules of the content say about themselves, and how they use evidence."""
    for path in sorted(Path("content").rglob("*.rego")):
        done = opa.run("parse", *FORMAT, "--json-include", "locations", str(path))
        if done.returncode:
            continue
        document = json.loads(done.stdout)
        package = ".".join(str(each["value"]) for each in document["package"]["path"][1:])
        for rule in document.get("rules") or []:
            yield facts_of(rule, str(path), package)


def facts_of(rule: dict[str, Any], path: str, package: str) -> dict[str, Any]:
    """Return the facts of one rule."""
    notes: dict[str, Any] = next((each for each in rule.get("annotations") or []), {})
    head = rule["head"]
    reference = head.get("ref") or []
    name = head.get("name") or (reference[0]["value"] if reference else "")
    location = rule.get("location") or (reference[0].get("location") if reference else None) or {}
    absent, present = evidence_of(rule.get("body") or [])
    return {
        "package": package,
        "name": str(name),
        "file": path,
        "row": location.get("row"),
        "function": bool(head.get("args")),
        "default": bool(rule.get("default")),
        "value": (head.get("value") or {}).get("value") if isinstance(head.get("value"), dict) else None,
        "title": str(notes.get("title", ""))[:MOST_TEXT],
        "description": str(notes.get("description", ""))[:MOST_TEXT],
        "custom": notes.get("custom") or {},
        "reports": list(reports_of(rule)),
        "absent": absent,
        "present": present,
    }


def reports_of(node: Any) -> Iterator[dict[str, str]]:
    """Yield the rule and level of every object that a rule builds with both as plain texts."""
    if isinstance(node, dict):
        if node.get("type") == "object" and isinstance(node.get("value"), list):
            texts = {
                key["value"]: item["value"]
                for key, item in node["value"]
                if key.get("type") == "string" and item.get("type") == "string"
            }
            if "rule" in texts:
                yield {name: texts[name] for name in ("rule", "level") if name in texts}
        for value in node.values():
            yield from reports_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from reports_of(value)


def evidence_of(body: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Return the lines at which a body asks for the absence, and at which for the presence, of evidence."""
    absent: list[int] = []
    present: list[int] = []
    for expression in body:
        if not any(names_evidence(reference) for reference in references(expression)):
            continue
        row = (expression.get("location") or {}).get("row") or 0
        if expression.get("negated") or counts_nothing(expression):
            absent.append(row)
        else:
            present.append(row)
    return absent, present


def references(node: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield every reference below a node."""
    if isinstance(node, dict):
        if node.get("type") == "ref":
            yield node["value"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def names_evidence(reference: list[dict[str, Any]]) -> bool:
    """Tell whether a reference leads into the evidence of the input."""
    head, *rest = reference
    names = [each.get("value") for each in rest[:3] if isinstance(each.get("value"), str)]
    return head.get("value") == "input" and any(name in EVIDENCE for name in names)


def counts_nothing(expression: dict[str, Any]) -> bool:
    """Tell whether an expression compares a count with zero from above: ``count(x) == 0``, ``<= 0``, ``< 1``."""
    terms = expression.get("terms")
    if not isinstance(terms, list) or len(terms) != 3:
        return False
    operator = [each.get("value") for each in terms[0].get("value", []) if isinstance(each, dict)]
    counted = any(each[0].get("value") == "count" for each in references(terms[1]))
    limits = {"equal": 0, "eq": 0, "lte": 0, "lt": 1}
    return counted and operator[:1] != [] and terms[2].get("value") == limits.get(str(operator[0]))


def try_out(opa: Opa, options: dict[str, Any]) -> dict[str, Any]:
    """Evaluate one rule over one input, with trace, coverage and profile."""
    errors = errors_of(opa.run("check", "--strict", *CAPABILITIES, *FORMAT, "content"))
    if errors:
        return {"errors": errors}
    common = ["eval", *CAPABILITIES, "-d", "content", "-i", "input.json", "--timeout", "5s", options["query"]]
    traced = opa.run(*common, "--explain", "full", "--format", "pretty", seconds=20)
    measured = opa.run(*common, "--coverage", "--profile", "--profile-limit", "50", *FORMAT, seconds=20)
    report: dict[str, Any] = {"errors": errors_of(measured)}
    lines = traced.stdout.splitlines()
    trace = [line[:300] for line in lines if "| " in line or line.startswith("query:")]
    report["trace"] = trace[:MOST_TRACE]
    report["trace_cut"] = len(trace) > MOST_TRACE
    try:
        document = json.loads(measured.stdout)
    except ValueError:
        return report
    answers = document.get("result") or []
    report["defined"] = bool(answers)
    report["result"] = answers[0]["expressions"][0]["value"] if answers else None
    report["coverage"] = coverage_of(json.dumps(document.get("coverage") or {}))
    report["profile"] = [
        {
            "file": each["location"].get("file", ""),
            "row": each["location"].get("row"),
            "nanoseconds": each.get("total_time_ns", 0),
            "evaluations": each.get("num_eval", 0),
        }
        for each in (document.get("profile") or [])[:MOST_ITEMS]
    ]
    return report


if __name__ == "__main__":
    main()
