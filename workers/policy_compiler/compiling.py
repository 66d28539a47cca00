"""The compilation of one bundle: hands it to the program that runs OPA, and turns what that wrote into an outcome."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from catalog.assets.artifacts import Artifact
from catalog.assets.findings import Finding, in_order
from catalog.policies.engine import CompiledBundle, WasmEngine
from catalog.policies.engine.artifacts import FACTS, MEDIA_TYPES, WASM, digest_of
from catalog.policies.engine.builtins.capabilities import release_capabilities
from workers.policy_compiler import Compiled, PolicySources
from workers.policy_compiler.findings import bundle_findings, rule_table
from workers.sandbox import MIB, Outcome, SandboxLimits, Task

Run = Callable[[Task], Outcome]


class CompilerMissingError(RuntimeError):
    """The compiler could not be started on this machine, whatever it was to compile."""


PROGRAM = Path(__file__).with_name("program.py")
LIMITS = SandboxLimits(wall_seconds=180, cpu_seconds=120, memory_bytes=1024 * MIB, disk_bytes=64 * MIB)
LARGEST_WASM = 8 * MIB
_REPORT = "out/report.json"
_WASM, _DATA, _MODULES = "out/policy.wasm", "out/data.json", "out/modules.json"
_LARGEST_REPORT = 8 * MIB
_NOT_STARTED = frozenset({126, 127})


@cache
def capabilities(opa: Path, *, for_tests: bool = False) -> bytes:
    """Return the capabilities file for this OPA."""
    printed = subprocess.run([opa, "capabilities", "--current"], capture_output=True, check=True, timeout=60).stdout
    return json.dumps(release_capabilities(json.loads(printed), for_tests=for_tests), sort_keys=True).encode()


@cache
def version(opa: Path) -> str:
    """Return the version of this OPA, such as ``1.22.2``."""
    printed = subprocess.run([opa, "version"], capture_output=True, text=True, check=True, timeout=60).stdout
    first = printed.splitlines()[0].rpartition(" ")[2]
    return first.removeprefix("v")


def compile_sources(sources: PolicySources, opa: Path, run: Run) -> Compiled:
    """Check, test and compile a bundle; the same sources give the same bytes.

    ``run`` runs the program that calls OPA, behind a wall where the sources are a stranger's.
    """
    prefix = f"slipway.b{_sources_digest(sources)[:16]}"
    options = {"entrypoints": list(sources.entrypoints), "tests": sources.has_tests, "prefix": prefix}
    outcome = run(_task(sources.files, opa, "compile", options, (_REPORT, _WASM, _DATA, _MODULES)))
    raw = read_report(outcome)
    if raw is None:
        return Compiled((_failed(outcome),))
    findings = bundle_findings(raw, sources)
    facts: dict[str, Any] = {
        "entrypoints": list(sources.entrypoints),
        "rules": rule_table(raw, sources.spec),
        "tests": _tests(raw),
        "coverage": raw.get("coverage", {}),
        "covered": coverage_share(raw.get("coverage", {})),
        "opa": version(opa),
    }
    if any(finding.level == "error" for finding in findings):
        return Compiled(in_order(findings), report=facts)
    return _made(outcome.files, sources, facts, findings, prefix)


def _made(
    files: Mapping[str, bytes], sources: PolicySources, facts: dict[str, Any], findings: list[Finding], prefix: str
) -> Compiled:
    wasm, data, modules = files.get(_WASM, b""), _object(files.get(_DATA)), _object(files.get(_MODULES))
    entrypoints = tuple(sources.entrypoints)
    bundle = CompiledBundle(digest_of(wasm, data, entrypoints), wasm, entrypoints)
    engine = WasmEngine()
    problem = engine.check(bundle) if len(wasm) <= LARGEST_WASM else None
    if problem is not None or len(wasm) > LARGEST_WASM:
        message = problem.reason if problem else f"The compiled policy has more than {LARGEST_WASM // MIB} MiB."
        refused = Finding("rego-module", "content", None, message, "Make the bundle smaller, or ask for less.")
        return Compiled(in_order([*findings, refused]), report=facts)
    facts |= {
        "digest": bundle.digest,
        "builtins": list(engine.builtins(bundle)),
        "roots": _object(sources.files.get("content/.manifest")).get("roots", [""]),
        "level": sources.spec.get("level", "mandatory"),
        "data": data,
        "modules": modules,
        "prefix": prefix,
    }
    made = {WASM: wasm, FACTS: json.dumps(facts, sort_keys=True, indent=1).encode()}
    artifacts = tuple(Artifact(name, MEDIA_TYPES[name], content) for name, content in made.items())
    return Compiled(in_order(findings), artifacts, facts)


def _object(data: bytes | None) -> dict[str, Any]:
    found = json.loads(data or b"{}")
    return found if isinstance(found, dict) else {}


def try_sources(files: Mapping[str, bytes], query: str, given: Any, opa: Path, run: Run) -> dict[str, Any]:
    """Evaluate one rule of ``content/...`` over an input and return result, trace, coverage and profile.

    ``query`` is a path such as ``baseline/deny``. The answer holds ``errors`` (message, code, file, row); where there
    are none ``defined``, ``result``, ``trace`` (lines), ``trace_cut``, ``coverage`` (lines by file) and ``profile``.
    """
    options = {"query": "data." + query.replace("/", ".")}
    given_files = {**files, "input.json": json.dumps(given).encode()}
    outcome = run(_task(given_files, opa, "try", options, (_REPORT,)))
    report = read_report(outcome)
    if report is None:
        failed = _failed(outcome)
        return {"errors": [{"message": failed.message, "code": "stopped", "file": "", "row": None}]}
    return report


def read_report(outcome: Outcome) -> dict[str, Any] | None:
    """Return the report of the program, None where it wrote none that can be read.

    Raises ``CompilerMissingError`` where the program did not even start.
    """
    if outcome.stopped is None and outcome.status in _NOT_STARTED:
        raise CompilerMissingError("the compiler of policies could not be started in the sandbox")
    data = outcome.files.get(_REPORT, b"")
    if not outcome.succeeded or len(data) > _LARGEST_REPORT:
        return None
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def coverage_share(coverage: Mapping[str, Any]) -> float | None:
    """Return how many of the lines with rules the tests reach, in percent; None where nothing was measured."""
    covered = sum(len(each["covered"]) for each in coverage.values())
    lines = covered + sum(len(each["uncovered"]) for each in coverage.values())
    return round(100 * covered / lines, 1) if lines else None


def _tests(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tests in order of their names: OPA runs several at once."""
    rows = [{key: each[key] for key in ("name", "file", "row", "outcome")} for each in raw.get("tests", ())]
    return sorted(rows, key=lambda row: (row["name"], row["file"], row["row"] or 0))


def _task(files: Mapping[str, bytes], opa: Path, mode: str, options: Mapping[str, Any], collect: Sequence[str]) -> Task:
    command = ["python", "-I", str(PROGRAM), str(opa), mode, json.dumps(options)]
    return Task(
        command,
        files={
            **files,
            "capabilities.json": capabilities(opa),
            "test_capabilities.json": capabilities(opa, for_tests=True),
        },
        readable=(PROGRAM, opa),
        collect=collect,
        limits=LIMITS,
    )


def _failed(outcome: Outcome) -> Finding:
    reason = outcome.reason(LIMITS) or "it wrote no report"
    message = f"The bundle could not be compiled: {reason}."
    return Finding("rego-stopped", "content", None, message, "Make the rules and their tests do less.")


def _sources_digest(sources: PolicySources) -> str:
    content = hashlib.sha256()
    for path in sorted(sources.files):
        if path.startswith("content/"):
            content.update(f"{path}\0{hashlib.sha256(sources.files[path]).hexdigest()}\n".encode())
    return content.hexdigest()
