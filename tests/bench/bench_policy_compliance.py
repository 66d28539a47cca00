"""How much of OPA's own compliance cases the policy engine answers as OPA does, by category.

The cases come through the Go module proxy (or its cache on this machine). Counted apart are

- ``refused``: cases that call a function which publishing refuses, and this checks that it does;
- ``default``: cases that ask for strict builtin errors, where the error happens in a function that OPA compiled into
  the module. OPA's Wasm has no strict mode (``internal/wasm/sdk/test/e2e/external_test.go``: "The WASM compiler does
  not support strict errors ... expect an empty/undefined result"), so ``opa eval`` is asked here without strict errors,
  as OPA runs by default, and the answer has to be the same;
- ``excepted``: cases that OPA itself excepts from its Wasm, by the list beside that test (``exceptions.yaml``).

``python bench_policy_compliance.py [WORD...]`` runs the categories whose names hold one of the words.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.policies.engine import ABSENT, CompiledBundle, Decided, Denied, Moment, Question, WasmEngine
from catalog.policies.engine.builtins import REFUSED, refusal
from catalog.policies.engine.builtins.capabilities import release_capabilities
from catalog.settings import load_settings
from workers.toolchain import OPA, ensure

MODULE = f"github.com/open-policy-agent/opa@{OPA.version}"
ASKED = "slipway_bench"
SECONDS = 60


@dataclass(frozen=True)
class Case:
    """One case of OPA's suite."""

    category: str
    note: str
    facts: dict[str, Any] = field(repr=False)

    @property
    def wants_error(self) -> bool:
        """Whether OPA answers with an error."""
        return "want_error" in self.facts or "want_error_code" in self.facts


@dataclass(frozen=True)
class Verdict:
    """What became of a case: pass, default, excepted, refused, wrong, denied, build or hang."""

    case: Case
    outcome: str
    detail: str = ""


def main() -> None:
    """Run the cases and print the table."""
    cases = [case for case in load(fetch()) if not sys.argv[1:] or any(word in case.category for word in sys.argv[1:])]
    started = time.monotonic()
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = [(case, pool.submit(run, case)) for case in cases]
        for case, future in waiting:
            try:
                verdicts.append(future.result(timeout=SECONDS))
            except TimeoutError:
                verdicts.append(Verdict(case, "hang"))
    report(verdicts, time.monotonic() - started)


class _Loader(yaml.CSafeLoader):
    """Reads ``on``, ``off``, ``yes`` and ``no`` as texts, as the YAML of Go does where nothing else is wanted."""


_Loader.yaml_implicit_resolvers = {
    head: [each for each in resolvers if each[0] != "tag:yaml.org,2002:bool"]
    for head, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


@cache
def fetch() -> Path:
    """Return the folder of OPA's sources."""
    go = shutil.which("go") or str(Path(sys.executable).with_name("go"))
    made = subprocess.run([go, "mod", "download", "-json", MODULE], capture_output=True, text=True, check=True, cwd="/")
    return Path(json.loads(made.stdout)["Dir"])


def load(folder: Path) -> Iterator[Case]:
    """Yield every case, by category and note."""
    for path in sorted(folder.glob("v1/test/cases/testdata/v1/*/*.yaml")):
        for facts in yaml.load(path.read_text(), _Loader)["cases"]:  # noqa: S506  # it is a safe loader
            yield Case(path.parent.name, facts["note"], facts)


@cache
def excepted() -> dict[str, str]:
    """Return the notes of the cases that OPA excepts from its Wasm, each with OPA's reason."""
    path = fetch() / "internal/wasm/sdk/test/e2e/exceptions.yaml"
    reasons: dict[str, str] = yaml.load(path.read_text(), _Loader)  # noqa: S506  # it is a safe loader
    return reasons


@cache
def tools() -> tuple[Path, Path, WasmEngine]:
    """Return OPA, the capabilities file and the engine of this process."""
    opa = ensure(load_settings().tools_dir, OPA)
    current = json.loads(subprocess.run([opa, "capabilities", "--current"], capture_output=True, check=True).stdout)
    path = Path(tempfile.mkdtemp(prefix="slw-bench-")) / "capabilities.json"
    path.write_text(json.dumps(release_capabilities(current)))
    return opa, path, WasmEngine()


def run(case: Case) -> Verdict:
    """Compile and ask one case, and judge the answer."""
    with tempfile.TemporaryDirectory(prefix="slw-case-") as name:
        folder = Path(name)
        built = build(case, folder)
        if isinstance(built, Verdict):
            return built
        facts = case.facts
        given = ABSENT if "input_term" in facts else facts.get("input", ABSENT)
        strict = bool(facts.get("strict_error"))
        outcome = tools()[2].evaluate(
            Question(built, f"{ASKED}/answers", given, Moment(time.time_ns(), "x"), strict=strict)
        )
        verdict = judge(case, outcome)
        if verdict.outcome == "wrong" and strict and isinstance(outcome, Decided):
            return as_by_default(case, folder, given, outcome)
        if verdict.outcome != "pass" and case.note in excepted():
            return Verdict(case, "excepted", f"{excepted()[case.note]} {verdict.detail}")
        return verdict


def judge(case: Case, outcome: Decided | Denied) -> Verdict:
    """Compare an answer with what OPA answers."""
    if case.wants_error:
        if isinstance(outcome, Denied):
            return Verdict(case, "pass")
        return Verdict(case, "wrong", f"no error: {outcome.value}")
    if isinstance(outcome, Denied):
        return Verdict(case, "denied", f"{outcome.code}: {outcome.reason}")
    if "want_result" in case.facts:
        wanted = case.facts["want_result"] or []
        detail = f"wanted {wanted}, got {outcome.value}"
        return Verdict(case, "pass" if is_same(wanted, outcome.value, case) else "wrong", detail)
    defined = bool(outcome.value)
    return Verdict(case, "pass" if defined == case.facts.get("want_defined", True) else "wrong", f"defined: {defined}")


def as_by_default(case: Case, folder: Path, given: Any, outcome: Decided) -> Verdict:
    """Compare the answer with that of ``opa eval``, which has strict errors only where they are asked for."""
    opa, capabilities, _engine = tools()
    command = [str(opa), "eval", "--format", "json", "--capabilities", str(capabilities)]
    for path in sorted(folder.glob("*.rego")):
        command += ["-d", path.name]
    (folder / "data.json").write_text(json.dumps(case.facts.get("data") or {}))
    command += ["-d", "data.json"]
    if given is not ABSENT:
        (folder / "input.json").write_text(json.dumps(given))
        command += ["-i", "input.json"]
    made = subprocess.run([*command, f"data.{ASKED}.answers"], cwd=folder, capture_output=True, text=True)
    if made.returncode:
        return Verdict(case, "wrong", f"opa eval: {made.stdout[:200]}; got {outcome.value}")
    theirs = json.loads(made.stdout)["result"][0]["expressions"][0]["value"]
    detail = f"opa eval {theirs}, got {outcome.value}"
    return Verdict(case, "default" if is_same(theirs, outcome.value, case) else "wrong", detail)


def is_same(wanted: list[Any], got: list[Any], case: Case) -> bool:
    """Tell whether two lists of answers are the same set."""
    ours, theirs = [plain(each, case) for each in got], [plain(each, case) for each in wanted]
    return all(each in ours for each in theirs) and all(each in theirs for each in ours)


def plain(value: Any, case: Case) -> Any:
    """Return a value that compares as OPA compares: 1 is 1.0 but not true, and sets have no order."""
    if isinstance(value, dict):
        return {key: plain(value[key], case) for key in sorted(value)}
    if isinstance(value, list):
        items = [plain(item, case) for item in value]
        return sorted(items, key=repr) if case.facts.get("sort_bindings") else items
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", Decimal(str(value)))
    return value


def build(case: Case, folder: Path) -> CompiledBundle | Verdict:
    """Compile a case with a rule that collects the answers of its query."""
    opa, capabilities, _engine = tools()
    facts = case.facts
    for index, module in enumerate(facts.get("modules") or []):
        (folder / f"m{index}.rego").write_text(module)
    (folder / "asked.rego").write_text(asking(facts))
    command = [str(opa), "build", "-t", "wasm", "-e", f"{ASKED}/answers", "-o", "bundle.tar.gz"]
    command += ["--capabilities", str(capabilities), *sorted(path.name for path in folder.glob("*.rego"))]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        return unbuilt(case, made.stdout + made.stderr)
    with tarfile.open(folder / "bundle.tar.gz") as archive:
        member = archive.extractfile("/policy.wasm")
        wasm = b"" if member is None else member.read()
    entrypoints, data = (f"{ASKED}/answers",), facts.get("data") or {}
    digest = hashlib.sha256(wasm + repr(data).encode()).hexdigest()
    return CompiledBundle(digest, wasm, entrypoints, data=data)


def asking(facts: dict[str, Any]) -> str:
    """Return the module whose rule ``answers`` holds the bindings of the case's query."""
    wanted = facts.get("want_result") or [{}]
    bindings = ", ".join(f'"{name}": {name}' for name in wanted[0])
    scope = f" with input as {facts['input_term']}" if "input_term" in facts else ""
    return f"package {ASKED}\n\nanswers contains {{{bindings}}} if {{\n\t{facts['query']}{scope}\n}}\n"


def unbuilt(case: Case, message: str) -> Verdict:
    """Judge a case that does not compile."""
    names = set(re.findall(r"undefined function ([\w.]+)", message))
    modules = "\n".join(case.facts.get("modules") or [])
    names |= {name for name in REFUSED if re.search(rf"\b{re.escape(name)}\b", modules)}
    names = {name for name in names if refusal(name)}
    if names:
        return Verdict(case, "refused", ", ".join(sorted(names)))
    if case.wants_error:
        return Verdict(case, "pass")
    return Verdict(case, "build", message.strip()[:300])


def report(verdicts: list[Verdict], seconds: float) -> None:
    """Print the table by category, then every case that is not as OPA has it."""
    kinds = ("pass", "default", "excepted", "denied", "build", "wrong", "hang", "refused")
    print(f"{'category':38} {'share':>6} " + " ".join(f"{kind:>9}" for kind in kinds))
    for category in [*sorted({each.case.category for each in verdicts}), ""]:
        counts = Counter(each.outcome for each in verdicts if category in ("", each.case.category))
        asked = sum(counts.values()) - counts["refused"]
        share = f"{100 * (counts['pass'] + counts['default']) / asked:5.1f}%" if asked else "-"
        print(f"{category or 'ALL':38} {share:>6} " + " ".join(f"{counts[kind]:9}" for kind in kinds))
    for each in verdicts:
        if each.outcome not in ("pass", "refused", "default"):
            print(f"{each.outcome:9} {each.case.note}: {each.detail[:400]}")
    refused = Counter(name for each in verdicts if each.outcome == "refused" for name in each.detail.split(", "))
    counts = Counter(each.outcome for each in verdicts)
    asked = len(verdicts) - counts["refused"]
    if asked:
        usual = counts["pass"] + counts["default"]
        print(f"as topdown with strict errors where a case asks for them: {100 * counts['pass'] / asked:.2f}%")
        print(f"as OPA answers by default: {100 * usual / asked:.2f}% of {asked}")
        rest = asked - counts["excepted"]
        print(f"the same without what OPA excepts from its own Wasm: {100 * usual / rest:.2f}% of {rest}")
    print("refused: " + ", ".join(f"{name} {count}" for name, count in refused.most_common()))
    print(f"{len(verdicts)} cases in {seconds:.0f} s")


if __name__ == "__main__":
    main()
