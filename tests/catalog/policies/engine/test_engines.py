"""One contract for every engine: the same questions, the same answers, in this process and by a real OPA server."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.policies.engine import (
    ABSENT,
    CompiledBundle,
    Decided,
    DenialCode,
    Denied,
    Moment,
    OpaServerEngine,
    Outcome,
    PolicyEngine,
    Question,
    WasmEngine,
    open_engine,
    read_bundle,
)
from catalog.settings import Settings
from workers.policy_compiler import PolicySources
from workers.policy_compiler.compiling import compile_sources
from workers.policy_compiler.here import run_here

GATE = """package gate

import data.gate.lib

deny contains violation if {
	some index, artifact in input.release.artifacts
	not lib.pinned(artifact)
	violation := {"rule": "digest", "path": sprintf("/release/artifacts/%d", [index])}
}

deny contains violation if {
	semver.compare(input.release.version, data.gate.least) < 0
	violation := {"rule": "version", "path": "/release/version"}
}

hour := time.clock(time.now_ns())[0]

always := "here"

missing if input == null

kept := {"set": {3, 1, 2}, "number": 1.50, "keys": {1: "a"}}
"""
LIBRARY = """package gate.lib

pinned(artifact) if regex.match(`^sha256:[0-9a-f]{64}$`, artifact.digest)
"""
ENTRYPOINTS = [f"gate/{name}" for name in ("deny", "hour", "always", "missing", "kept")]
SOUND = {"release": {"version": "1.10.0", "artifacts": [{"digest": "sha256:" + "a" * 64}]}}


@pytest.fixture(scope="module")
def server(opa: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [opa, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", "--disable-telemetry"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=["wasm", "opa-server"])
def engine(request: pytest.FixtureRequest) -> Iterator[PolicyEngine]:
    if request.param == "wasm":
        yield WasmEngine()
        return
    opened = OpaServerEngine(request.getfixturevalue("server"))
    yield opened
    opened.close()


def published(opa: Path, files: Mapping[str, str], entrypoints: list[str]) -> CompiledBundle:
    contents = {path: text.encode() for path, text in files.items()}
    compiled = compile_sources(PolicySources(contents, {"entrypoints": entrypoints}), opa, run_here)
    assert compiled.succeeded, compiled.findings
    made = {each.name: each.data for each in compiled.artifacts}
    return read_bundle(made["policy.wasm"], made["policy.json"])


@pytest.fixture(scope="module")
def bundle(opa: Path) -> CompiledBundle:
    files = {
        "content/.manifest": '{"revision": "1.0.0", "roots": ["gate"], "rego_version": 1}',
        "content/gate/gate.rego": GATE,
        "content/gate/lib.rego": LIBRARY,
        "content/gate/data.json": '{"least": "1.9.0"}',
    }
    return published(opa, files, ENTRYPOINTS)


@pytest.fixture
def ask(engine: PolicyEngine, bundle: CompiledBundle) -> Callable[..., Outcome]:
    def asking(name: str, given: Any = ABSENT, **options: Any) -> Outcome:
        return engine.evaluate(Question(bundle, f"gate/{name}", given, **options))

    return asking


def value(outcome: Outcome) -> Any:
    assert isinstance(outcome, Decided), outcome
    return outcome.value


def code(outcome: Outcome) -> DenialCode:
    assert isinstance(outcome, Denied), outcome
    assert outcome.reason.endswith(".")
    return outcome.code


def test_engines_satisfy_the_protocol(engine: PolicyEngine) -> None:
    assert isinstance(engine, PolicyEngine)


def test_a_sound_release(ask: Callable[..., Outcome]) -> None:
    assert value(ask("deny", SOUND)) == []


def test_violations(ask: Callable[..., Outcome]) -> None:
    given = {"release": {"version": "1.2.0", "artifacts": [{"digest": "latest"}, {}]}}
    assert value(ask("deny", given)) == [
        {"rule": "digest", "path": "/release/artifacts/0"},
        {"rule": "digest", "path": "/release/artifacts/1"},
        {"rule": "version", "path": "/release/version"},
    ]


def test_an_error_denies(ask: Callable[..., Outcome]) -> None:
    given = {"release": {"version": "newest", "artifacts": []}}
    assert code(ask("deny", given)) is DenialCode.ERROR
    assert value(ask("deny", given, strict=False)) == []


def test_values(ask: Callable[..., Outcome]) -> None:
    assert value(ask("kept", {})) == {"set": [1, 2, 3], "number": 1.5, "keys": {"1": "a"}}


def test_input_that_is_absent_or_null(ask: Callable[..., Outcome], engine: PolicyEngine) -> None:
    assert code(ask("missing", {})) is DenialCode.UNDEFINED
    assert value(ask("missing", None)) is True
    if engine.name == "wasm":
        assert code(ask("missing")) is DenialCode.UNDEFINED
        assert value(ask("always")) == "here"


def test_the_time_is_the_questions(ask: Callable[..., Outcome]) -> None:
    for hour in (3, 17):
        assert value(ask("hour", {}, moment=Moment(hour * 3600 * 10**9))) == hour


def test_what_is_refused(ask: Callable[..., Outcome]) -> None:
    assert code(ask("gone", {})) is DenialCode.UNKNOWN_ENTRYPOINT
    assert code(ask("deny", {"x": float("inf")})) is DenialCode.INPUT_INVALID
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    assert code(ask("deny", deep)) is DenialCode.TOO_DEEP


def test_two_bundles_with_the_same_packages(engine: PolicyEngine, opa: Path) -> None:
    bundles = [
        published(opa, {"content/gate.rego": f"package gate\n\nanswer := {number}\n"}, ["gate/answer"])
        for number in (1, 2)
    ]
    for number, each in enumerate([*bundles, *bundles]):
        assert value(engine.evaluate(Question(each, "gate/answer", {}))) == number % 2 + 1


def test_a_server_that_has_forgotten(server: str, bundle: CompiledBundle) -> None:
    engine = OpaServerEngine(server)
    assert value(engine.evaluate(Question(bundle, "gate/deny", SOUND))) == []
    for policy in httpx.get(f"{server}/v1/policies", timeout=60).json()["result"]:
        httpx.delete(f"{server}/v1/policies/{policy['id']}")
    assert value(engine.evaluate(Question(bundle, "gate/deny", SOUND))) == []
    engine.close()


def test_a_server_that_is_not_there(bundle: CompiledBundle) -> None:
    engine = open_engine(Settings(opa_url="http://127.0.0.1:9"))
    assert isinstance(engine, OpaServerEngine)
    assert code(engine.evaluate(Question(bundle, "gate/deny", SOUND))) is DenialCode.UNAVAILABLE
    engine.close()


def test_what_is_drawn_is_not_asked_of_a_server(server: str, opa: Path) -> None:
    drawn = published(opa, {"content/t.rego": 'package t\n\nx := rand.intn("a", 9)\n'}, ["t/x"])
    engine = OpaServerEngine(server)
    assert code(engine.evaluate(Question(drawn, "t/x", {}))) is DenialCode.UNKNOWN_BUILTIN
    engine.close()


def test_without_a_setting_this_process_evaluates() -> None:
    assert isinstance(open_engine(Settings(opa_url="")), WasmEngine)


def test_files_of_a_bundle_that_do_not_belong_together(bundle: CompiledBundle) -> None:
    whole = b'{"digest": "sha256:x", "entrypoints": [], "builtins": [], "data": {}, "modules": {}, "prefix": ""}'
    for facts, says in ((whole, "not the one"), (b"{}", "incomplete"), (b"[" * 100_000, "incomplete")):
        with pytest.raises(ValueError, match=says):
            read_bundle(bundle.wasm, facts)
