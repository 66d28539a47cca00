"""Evaluations per second of a realistic release gate: this process, an OPA server over HTTP, and ``opa eval``.

``python tests/bench/bench_policy.py [SECONDS]``: eight groups of rules over an input of 50 resources, 100 known
vulnerabilities and 6 attestations (about 17 kB). All answers are compared first; ratios are of one run.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from catalog.policies.engine import CompiledBundle, Decided, OpaServerEngine, Question, WasmEngine, read_bundle
from catalog.settings import load_settings
from workers.policy_compiler import PolicySources
from workers.policy_compiler.compiling import compile_sources
from workers.policy_compiler.here import run_here
from workers.toolchain import OPA, ensure

SEVERITIES = ("low", "medium", "high", "critical")
GATE = """package gate

deny contains v if {
	not input.release.owner
	v := {"rule": "owner", "message": "The release has no owner."}
}

deny contains v if {
	not regex.match(`^[0-9a-f]{40}$`, input.release.source.revision)
	v := {"rule": "revision", "message": "The source is not a full commit id."}
}

deny contains v if {
	some index, artifact in input.release.artifacts
	not startswith(artifact.digest, "sha256:")
	v := {"rule": "digest", "message": sprintf("Artifact %d has no digest.", [index])}
}

deny contains v if {
	some resource in input.plan.resources
	resource.type == "storage"
	not resource.inputs.encrypted
	v := {"rule": "encrypted", "message": sprintf("%s is not encrypted.", [resource.name])}
}

deny contains v if {
	some resource in input.plan.resources
	some rule in resource.inputs.ingress
	rule.cidr == "0.0.0.0/0"
	not rule.port in {80, 443}
	v := {"rule": "exposed", "message": sprintf("%s is open on port %d.", [resource.name, rule.port])}
}

deny contains v if {
	some finding in input.vulnerabilities
	finding.severity in {"critical", "high"}
	finding.fixed
	not finding.id in waived
	v := {"rule": "vulnerable", "message": sprintf("%s in %s", [finding.id, finding.package])}
}

waived := {waiver.id | some waiver in input.waivers}

deny contains v if {
	some wanted in {"provenance", "sbom", "tests"}
	not wanted in {statement.type | some statement in input.attestations; statement.verified}
	v := {"rule": "attested", "message": sprintf("There is no verified %s.", [wanted])}
}

deny contains v if {
	cost := sum([resource.cost | some resource in input.plan.resources])
	cost > input.budget
	v := {"rule": "budget", "message": sprintf("%v is more than %v.", [cost, input.budget])}
}
"""


def gate_input() -> dict[str, Any]:
    """Return the input of a release."""
    resources = [
        {
            "name": f"resource-{index}",
            "type": ("storage", "network", "compute")[index % 3],
            "cost": index,
            "inputs": {"encrypted": index % 12 != 0, "ingress": [{"cidr": "10.0.0.0/8", "port": 8000 + index}]},
        }
        for index in range(50)
    ]
    vulnerabilities = [
        {
            "id": f"CVE-2026-{index:05d}",
            "package": f"pkg:pypi/library-{index}@1.{index}.0",
            "severity": SEVERITIES[index % 4],
            "fixed": index % 20 == 3,
        }
        for index in range(100)
    ]
    statements = [{"type": name, "verified": True, "signer": "ci"} for name in ("provenance", "sbom", "tests") * 2]
    return {
        "release": {
            "owner": "payments",
            "source": {"revision": "a" * 40},
            "artifacts": [{"name": "shop", "digest": "sha256:" + "b" * 64}],
        },
        "plan": {"resources": resources},
        "vulnerabilities": vulnerabilities,
        "waivers": [{"id": "CVE-2026-00003"}],
        "attestations": statements,
        "budget": 5000,
    }


def main() -> None:
    """Measure the three ways and print them."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 8.0
    opa, given = ensure(load_settings().tools_dir, OPA), gate_input()
    bundle = compiled(opa)
    question = Question(bundle, "gate/deny", given)
    print(f"input {len(json.dumps(given)) / 1000:.1f} kB, module {len(bundle.wasm) / 1000:.0f} kB")
    wasm = WasmEngine()
    expected = wasm.evaluate(question)
    assert isinstance(expected, Decided), expected
    print(f"{len(expected.value)} violations, {expected.fuel / 1e6:.2f} million instructions")
    rows = {"in process": measure(lambda: wasm.evaluate(question), seconds)}
    with server(opa) as url:
        engine = OpaServerEngine(url)
        answer = engine.evaluate(question)
        assert isinstance(answer, Decided), answer
        assert answer.value == expected.value
        rows["opa server, one connection"] = measure(lambda: engine.evaluate(question), seconds)
        engine.close()
    with tempfile.TemporaryDirectory() as folder:
        rows["opa eval"] = measure(evaluator(opa, Path(folder), given), min(seconds, 4.0))
    base = rows["in process"][0]
    for name, (rate, median, late) in rows.items():
        print(f"{name:28} {rate:8.0f}/s  p50 {median:7.2f} ms  p99 {late:7.2f} ms  ours is {base / rate:6.1f} times")
    print(f"in process, 2 threads        {threads(wasm, question, seconds):8.0f}/s")


def measure(ask: Callable[[], object], seconds: float) -> tuple[float, float, float]:
    """Return rate a second, median and 99th percentile in milliseconds."""
    ask()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    late = statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
    return 1000 * len(taken) / sum(taken), statistics.median(taken), late


def threads(engine: WasmEngine, question: Question, seconds: float) -> float:
    """Return the rate of two threads together."""
    counts = [0, 0]
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            engine.evaluate(question)
            counts[number] += 1

    running = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(counts) / seconds


def compiled(opa: Path) -> CompiledBundle:
    """Return the gate as publishing compiles it."""
    sources = PolicySources({"content/gate.rego": GATE.encode()}, {"entrypoints": ["gate/deny"]})
    made = {each.name: each.data for each in compile_sources(sources, opa, run_here).artifacts}
    return read_bundle(made["policy.wasm"], made["policy.json"])


def evaluator(opa: Path, folder: Path, given: dict[str, Any]) -> Callable[[], object]:
    """Return what runs ``opa eval`` once."""
    (folder / "gate.rego").write_text(GATE)
    (folder / "input.json").write_text(json.dumps(given))
    command = [str(opa), "eval", "-d", "gate.rego", "-i", "input.json", "data.gate.deny"]
    return lambda: subprocess.run(command, cwd=folder, capture_output=True, check=True)


@contextmanager
def server(opa: Path) -> Iterator[str]:
    """Run ``opa run --server`` for as long as the block takes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(opa), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    process = subprocess.Popen([*command, "--disable-telemetry"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
