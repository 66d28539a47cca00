"""``python -m workers.doctor``: say what is found, what is missing, how to get it; 0 only if the main job can run."""

import argparse
import json
import sys

from pydantic import ValidationError

from catalog import running
from catalog.settings import load_settings
from workers.doctor.checks import CHECKS
from workers.doctor.findings import Finding, Verdict

_MARKS = {Verdict.FOUND: "ok     ", Verdict.LIMITED: "limited", Verdict.MISSING: "MISSING"}


def main() -> int:
    """Run every check and print the findings; return 1 where something that the main job needs is missing."""
    parser = argparse.ArgumentParser(prog="slipway doctor", description="Say what is missing and how to get it.")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    as_json = parser.parse_args().json
    try:
        settings = load_settings()
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(f"slipway: {'.'.join(map(str, problem['loc']))}: {problem['msg']}\n")
        return 2
    # Where Slipway runs, its servers are asked rather than looked for.
    present = running.find(settings.data_dir) or settings
    findings = [finding for check in CHECKS for finding in check(present)]
    ready = all(finding.verdict is not Verdict.MISSING for finding in findings)
    if as_json:
        sys.stdout.write(json.dumps({"ready": ready, "findings": [each.as_json() for each in findings]}, indent=1))
        sys.stdout.write("\n")
    else:
        sys.stdout.write("".join(map(_describe, findings)))
        sys.stdout.write("Environments can be made here.\n" if ready else "Environments cannot be made here yet.\n")
    return 0 if ready else 1


def _describe(finding: Finding) -> str:
    remedy = f"\n{'':21}-> {finding.remedy}" if finding.remedy else ""
    return f"{_MARKS[finding.verdict]}  {finding.name:<11} {finding.detail}{remedy}\n"


if __name__ == "__main__":
    sys.exit(main())
