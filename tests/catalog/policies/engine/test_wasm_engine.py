"""The engine of this process: what it answers, what it denies, and that nothing gets past its bounds."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from catalog.policies.engine import (
    ABSENT,
    Budget,
    CompiledBundle,
    Decided,
    DenialCode,
    Denied,
    Moment,
    Outcome,
    Question,
    WasmEngine,
)

Compile = Callable[..., CompiledBundle]

SMALL = """
deny contains violation if {
	some index, resource in input.resources
	not resource.owner
	violation := {"rule": "owner", "message": sprintf("%v (%d) has no owner", [resource.name, index])}
}

allow if input.approved

nothing if not input

newest := semver.compare(input.left, input.right)

kept := {1: "one", {2}: "two", "three": data.limits.most}

odd contains set() if input.approved
odd contains {1, 1.0, "1"} if input.approved
"""


@pytest.fixture(scope="module")
def small(compile_policy: Compile) -> CompiledBundle:
    rules = ("deny", "allow", "nothing", "newest", "kept", "odd")
    return compile_policy(SMALL, *rules, data={"limits": {"most": 3}})


def code(outcome: Outcome) -> DenialCode:
    assert isinstance(outcome, Denied), outcome
    assert outcome.reason.endswith(".")
    return outcome.code


def value(outcome: Outcome) -> Any:
    assert isinstance(outcome, Decided), outcome
    return outcome.value


def test_answers_are_json_with_sets_in_order(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    resources = [{"name": name} for name in ("b", "a")]
    asked = Question(small, "t/deny", {"resources": [*resources, {"name": "c", "owner": "x"}]})
    assert value(wasm_engine.evaluate(asked)) == [
        {"message": "a (1) has no owner", "rule": "owner"},
        {"message": "b (0) has no owner", "rule": "owner"},
    ]
    assert value(wasm_engine.evaluate(Question(small, "t/kept"))) == {"1": "one", "[2]": "two", "three": 3}
    assert value(wasm_engine.evaluate(Question(small, "t/odd", {"approved": True}))) == [[], [1, "1"]]


def test_data_of_the_question_replaces_the_bundles(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    for most in (9, 10):
        asked = Question(small, "t/kept", data={"limits": {"most": most}})
        assert value(wasm_engine.evaluate(asked))["three"] == most
    assert value(wasm_engine.evaluate(Question(small, "t/kept")))["three"] == 3


def test_undefined_denies(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    outcome = wasm_engine.evaluate(Question(small, "t/allow", {"approved": False}))
    assert outcome == Denied(DenialCode.UNDEFINED, "t/allow is undefined for this input.")


def test_no_input_is_not_null(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    assert value(wasm_engine.evaluate(Question(small, "t/nothing", ABSENT))) is True
    assert code(wasm_engine.evaluate(Question(small, "t/nothing", None))) is DenialCode.UNDEFINED


def test_an_entry_point_that_is_not_there(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    assert code(wasm_engine.evaluate(Question(small, "t/gone"))) is DenialCode.UNKNOWN_ENTRYPOINT


def test_an_error_denies_where_the_question_is_strict(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    wrong = {"left": "1.0.0", "right": "latest"}
    outcome = wasm_engine.evaluate(Question(small, "t/newest", wrong))
    assert code(outcome) is DenialCode.ERROR
    assert 'semver.compare: operand 2: string "latest" is not a valid SemVer' in str(outcome)
    assert code(wasm_engine.evaluate(Question(small, "t/newest", wrong, strict=False))) is DenialCode.UNDEFINED
    assert value(wasm_engine.evaluate(Question(small, "t/newest", {"left": "1.10.0", "right": "1.9.0"}))) == 1


def test_inputs_that_are_refused(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    endless: Any = []
    endless.append(endless)
    for given, expected in (
        (deep, DenialCode.TOO_DEEP),
        (endless, DenialCode.TOO_DEEP),
        ({"x": float("nan")}, DenialCode.INPUT_INVALID),
        ({"x": "\ud800"}, DenialCode.INPUT_INVALID),
        ({"x": object()}, DenialCode.INPUT_INVALID),
        ("x" * (9 * 1024 * 1024), DenialCode.INPUT_TOO_LARGE),
    ):
        assert code(wasm_engine.evaluate(Question(small, "t/allow", given))) is expected
    assert value(wasm_engine.evaluate(Question(small, "t/allow", {"approved": True}))) is True


def test_a_budget_for_more_depth_meets_the_stack_of_the_module(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    outcome = wasm_engine.evaluate(Question(small, "t/allow", deep, budget=Budget(depth=2000)))
    assert code(outcome) in {DenialCode.UNDEFINED, DenialCode.TOO_DEEP}


@pytest.mark.parametrize("wasm", [b"", b"\0asm", b"not a module at all" * 50, b"\0asm\1\0\0\0"])
def test_bytes_that_are_no_policy(wasm_engine: WasmEngine, wasm: bytes) -> None:
    bundle = CompiledBundle(f"sha256:{wasm.hex()}", wasm, ("t/allow",))
    assert code(wasm_engine.evaluate(Question(bundle, "t/allow"))) is DenialCode.BUNDLE_INVALID
    assert wasm_engine.check(bundle) is not None


def test_a_module_that_wants_what_is_refused(wasm_engine: WasmEngine, compile_policy: Compile) -> None:
    bundle = compile_policy('leak := opa.runtime().env\n\nallow if not http.send({"url": input.url})', "leak", "allow")
    for entrypoint in ("t/leak", "t/allow"):
        outcome = wasm_engine.evaluate(Question(bundle, entrypoint, {"url": "x"}))
        assert code(outcome) is DenialCode.UNKNOWN_BUILTIN
        assert "http.send, opa.runtime" in str(outcome)
    assert wasm_engine.check(bundle) is not None


def test_check_finds_a_missing_entry_point(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    assert wasm_engine.check(small) is None
    short = CompiledBundle("sha256:short", small.wasm, ("t/allow", "t/gone"))
    problem = wasm_engine.check(short)
    assert problem is not None
    assert "t/gone" in problem.reason


def test_threads_do_not_share_instances(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for turn in range(60):
            names = [{"name": f"{number}-{turn}-{each}"} for each in range(5)]
            got = wasm_engine.evaluate(Question(small, "t/deny", {"resources": names}))
            if not isinstance(got, Decided) or {v["message"].partition(" ")[0] for v in got.value} != {
                each["name"] for each in names
            }:
                wrong.append(got)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_same_question_takes_the_same_fuel(wasm_engine: WasmEngine, small: CompiledBundle) -> None:
    asked = Question(small, "t/deny", {"resources": [{"name": "a"}]}, Moment(1))
    outcomes = [wasm_engine.evaluate(asked) for _ in range(3)]
    assert outcomes[0] == outcomes[1] == outcomes[2]
