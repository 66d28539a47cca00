"""``python -m workers.policy_compiler test|compile DIR``: a bundle where it is written, as publishing sees it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from catalog.assets.check import check_directory
from catalog.assets.findings import Finding, errors_of, in_order
from catalog.assets.kinds.policy_bundle import KIND
from catalog.errors import SlipwayError
from catalog.settings import load_settings
from workers.policy_compiler import Compiled, PolicySources
from workers.policy_compiler.compiling import compile_sources
from workers.policy_compiler.here import run_here
from workers.toolchain import OPA, ToolMissingError, ensure

_DONE, _REFUSED, _NOT_FOUND, _NOT_REACHABLE = 0, 1, 4, 5


def main() -> int:
    """Do what the command line asks; 0 where the bundle is sound, 1 where something is wrong with it."""
    asked = _arguments()
    directory = Path(asked.directory)
    if not (directory / "asset.yaml").is_file():
        sys.stderr.write(f"slipway: {directory} holds no asset.yaml. Begin one: slipway asset init policy-bundle DIR\n")
        return _NOT_FOUND
    try:
        opa = ensure(load_settings().tools_dir, OPA, _say)
    except ToolMissingError as error:
        sys.stderr.write(f"slipway: {error}\n")
        return _NOT_REACHABLE
    try:
        checked, _archive = check_directory(directory)
    except SlipwayError as error:
        sys.stderr.write(f"slipway: {error}\n")
        return _REFUSED
    package = checked.package
    if package is None or package.manifest.kind != KIND.name or checked.errors:
        other = [] if package is None or package.manifest.kind == KIND.name else [_not_ours(package.manifest.kind)]
        return _report(Compiled(in_order([*checked.findings, *other])), asked)
    compiled = compile_sources(PolicySources.of(package), opa, run_here)
    findings = in_order([*checked.findings, *compiled.findings])
    return _report(Compiled(findings, compiled.artifacts, compiled.report), asked)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="slipway policy", description="Test or compile a policy bundle.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("test", "run the tests, with coverage"), ("compile", "compile as publishing does")):
        command = commands.add_parser(name, help=about)
        command.add_argument("directory", metavar="DIR")
        command.add_argument("--json", action="store_true", help="print everything as JSON")
        if name == "compile":
            command.add_argument("--output", type=Path, help="the folder for policy.wasm and policy.json")
    return parser.parse_args()


def _not_ours(kind: str) -> Finding:
    return Finding("kind", "asset.yaml", None, f"The asset is a {kind}.", "Choose the folder of a policy bundle.")


def _report(compiled: Compiled, asked: argparse.Namespace) -> int:
    succeeded = not errors_of(compiled.findings)
    if asked.command == "compile" and asked.output and succeeded:
        asked.output.mkdir(parents=True, exist_ok=True)
        for each in compiled.artifacts:
            (asked.output / each.name).write_bytes(each.data)
    document: dict[str, Any] = {
        "succeeded": succeeded,
        "findings": [finding.as_json() for finding in compiled.findings],
        **{name: compiled.report.get(name) for name in ("tests", "covered", "coverage", "rules", "digest", "opa")},
    }
    if asked.json:
        sys.stdout.write(f"{json.dumps(document, indent=1)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(compiled, asked, succeeded=succeeded)))
    return _DONE if succeeded else _REFUSED


def _lines(compiled: Compiled, asked: argparse.Namespace, *, succeeded: bool) -> list[str]:
    report = compiled.report
    lines = [f"{finding.level}: {finding}" for finding in compiled.findings]
    tests = report.get("tests") or []
    if asked.command == "test":
        lines += [f"{each['outcome']:<8} {each['name']}" for each in tests]
        for path, facts in sorted((report.get("coverage") or {}).items()):
            reached, missed = len(facts["covered"]), facts["uncovered"]
            share = 100 * reached / (reached + len(missed)) if reached or missed else 100
            rest = f"; not reached: lines {', '.join(map(str, missed[:20]))}" if missed else ""
            lines.append(f"{share:5.1f} %  {path}{rest}")
    passed = sum(each["outcome"] == "passed" for each in tests)
    covered = "" if report.get("covered") is None else f", {report['covered']} % of the lines reached"
    lines.append(f"{passed} of {len(tests)} tests passed{covered}.")
    if asked.command == "compile" and succeeded:
        lines.append(f"Compiled to {report['digest']} with OPA {report['opa']}.")
        lines += [f"Wrote {asked.output / each.name}." for each in compiled.artifacts if asked.output]
    return lines


if __name__ == "__main__":
    sys.exit(main())
