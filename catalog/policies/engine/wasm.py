"""WasmEngine: evaluates policies in this process, each within its fuel, its memory and its share of host work."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from typing import Any

import wasmtime

from catalog.policies.engine.abi import Instance, ModuleRefusedError
from catalog.policies.engine.builtins import host_function
from catalog.policies.engine.contract import (
    ABSENT,
    CompiledBundle,
    Decided,
    DenialCode,
    Denied,
    Outcome,
    Question,
)
from catalog.policies.engine.host import Stopped, unknown_builtin
from catalog.policies.engine.inputs import InputRefusedError, input_text
from catalog.policies.engine.values import ValueRefusedError, parse, to_json

_MOST_MODULES = 64
_MOST_INSTANCES = 8
_KEPT_BYTES = 16 * 1024 * 1024
_STACK_BYTES = 1024 * 1024

_VERSION = f"wasmtime {version_of('wasmtime')}, builtins of slipway {version_of('slipway')}"

_TRAPS = {
    wasmtime.TrapCode.OUT_OF_FUEL: Denied(
        DenialCode.OUT_OF_FUEL, "The policy took more steps than an evaluation may take."
    ),
    wasmtime.TrapCode.STACK_OVERFLOW: Denied(DenialCode.TOO_DEEP, "The policy or its input is nested too deeply."),
}


@dataclass
class _Compiled:
    """One module, compiled at most once however many threads ask for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    module: wasmtime.Module | None = None


class WasmEngine:
    """The engine ``wasm``: no server, no child process; modules are compiled once, instances belong to a thread."""

    name = "wasm"

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.consume_fuel = True
        config.max_wasm_stack = _STACK_BYTES
        self._engine = wasmtime.Engine(config)
        self._compiled: OrderedDict[str, _Compiled] = OrderedDict()
        self._lock = threading.Lock()
        self._local = threading.local()

    @property
    def version(self) -> str:
        """Return the versions of the runtime and of Slipway, which holds the builtin functions."""
        return _VERSION

    def evaluate(self, question: Question) -> Outcome:
        """Answer the question; whatever goes wrong is a ``Denied``, and the next question finds a fresh instance."""
        try:
            text = ABSENT if question.input is ABSENT else input_text(question.input, question.budget)
            data = None if question.data is None else input_text(dict(question.data), question.budget)
        except InputRefusedError as refusal:
            return Denied(refusal.code, str(refusal))
        outcome = _guarded(lambda: self._evaluate(question, text, data))
        if isinstance(outcome, Denied) and outcome.code is not DenialCode.UNDEFINED:
            self._instances().pop(question.bundle.digest, None)
        return outcome

    def _evaluate(self, question: Question, text: Any, data: str | None) -> Outcome:
        budget = question.budget
        instance = self._instance(question)
        _hold_to_known(instance)
        number = instance.entrypoints.get(question.entrypoint)
        if number is None:
            return Denied(DenialCode.UNKNOWN_ENTRYPOINT, f"The bundle has no entry point {question.entrypoint}.")
        result, fuel = instance.evaluate(number, text, question.moment, data, budget, strict=question.strict)
        if instance.size > _KEPT_BYTES:
            self._instances().pop(question.bundle.digest, None)
        if result is None:
            return Denied(DenialCode.UNDEFINED, f"{question.entrypoint} is undefined for this input.")
        return Decided(to_json(parse(result)), fuel)

    def check(self, bundle: CompiledBundle) -> Denied | None:
        """Return why the bundle cannot be evaluated at all, or None."""

        def look() -> Outcome:
            instance = self._instance(Question(bundle, ""))
            missing = sorted(set(bundle.entrypoints) - set(instance.entrypoints))
            if missing:
                return Denied(DenialCode.UNKNOWN_ENTRYPOINT, f"The module has no entry point {', '.join(missing)}.")
            _hold_to_known(instance)
            return Decided(None)

        outcome = _guarded(look)
        return outcome if isinstance(outcome, Denied) else None

    def builtins(self, bundle: CompiledBundle) -> tuple[str, ...]:
        """Return the functions of the host that a bundle calls; only for one that ``check`` passes."""
        return tuple(sorted(self._instance(Question(bundle, "")).builtins))

    def _instances(self) -> OrderedDict[str, Instance]:
        found: OrderedDict[str, Instance] | None = getattr(self._local, "instances", None)
        if found is None:
            found = self._local.instances = OrderedDict()
        return found

    def _instance(self, question: Question) -> Instance:
        kept = self._instances()
        digest = question.bundle.digest
        found = kept.get(digest)
        if found is None or found.memory_bytes != question.budget.memory_bytes:
            module = self._module(question.bundle)
            found = kept[digest] = Instance(self._engine, module, question.bundle, question.budget)
        kept.move_to_end(digest)
        while len(kept) > _MOST_INSTANCES:
            kept.popitem(last=False)
        return found

    def _module(self, bundle: CompiledBundle) -> wasmtime.Module:
        with self._lock:
            entry = self._compiled.setdefault(bundle.digest, _Compiled())
            self._compiled.move_to_end(bundle.digest)
            while len(self._compiled) > _MOST_MODULES:
                self._compiled.popitem(last=False)
        with entry.lock:
            if entry.module is None:
                # The text format of WebAssembly, which the library reads as well, is nothing that OPA writes.
                if not bundle.wasm.startswith(b"\0asm"):
                    raise ModuleRefusedError("it is no WebAssembly")
                entry.module = wasmtime.Module(self._engine, bundle.wasm)
            return entry.module


def _hold_to_known(instance: Instance) -> None:
    unknown = sorted(name for name in instance.builtins if host_function(name) is None)
    if unknown:
        raise unknown_builtin(unknown)


def _guarded(evaluate: Callable[[], Outcome]) -> Outcome:
    """Run an evaluation and turn everything that may go wrong in it into the reason for a denial."""
    try:
        return evaluate()
    except Stopped as stop:
        return stop.denied
    except wasmtime.Trap as trap:
        known = None if trap.trap_code is None else _TRAPS.get(trap.trap_code)
        return known or Denied(DenialCode.ERROR, "The policy stopped: an instruction failed.")
    except ValueRefusedError as error:
        return Denied(DenialCode.ERROR, f"The policy's answer is no value: {error}.")
    except (ModuleRefusedError, json.JSONDecodeError, KeyError, wasmtime.WasmtimeError) as error:
        first = (str(error).strip().splitlines() or [""])[0][:200]
        return Denied(DenialCode.BUNDLE_INVALID, f"The compiled policy cannot be used: {first.rstrip('.')}.")
