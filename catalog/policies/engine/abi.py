"""One instance of a policy module: OPA's WebAssembly ABI 1.2 and later, with fuel, a memory cap and host functions.

Semantics: OPA's page about WebAssembly and ``wasm/src`` of its sources. An instance belongs to one thread.
"""

import ctypes
import json
from collections.abc import Callable, Mapping
from typing import Any
from weakref import proxy

import wasmtime

from catalog.policies.engine.contract import ABSENT, Budget, CompiledBundle, DenialCode, Moment
from catalog.policies.engine.host import HostCalls, Stopped

_EXPORTS = (
    "builtins",
    "entrypoints",
    "opa_eval",
    "opa_heap_ptr_get",
    "opa_heap_ptr_set",
    "opa_json_dump",
    "opa_malloc",
    "opa_value_dump",
    "opa_value_parse",
)
_OUT_OF_MEMORY = ("opa_malloc: failed", "mpd: init")
_MOST_TEXT = 1024
_START_FUEL = 50_000_000
_FUEL_PER_BYTE = 200
_RESULT_PREFIX = '{{"result": '
_NO_RESULT = "set()"
PAGE = 64 * 1024


class ModuleRefusedError(ValueError):
    """The bytes are no policy module of an ABI that we speak."""


class Instance:
    """A module in memory, ready for one evaluation after the other in the thread that made it."""

    def __init__(
        self, engine: wasmtime.Engine, module: wasmtime.Module, bundle: CompiledBundle, budget: Budget
    ) -> None:
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=budget.memory_bytes, instances=1, memories=1, tables=4)
        self._store.set_fuel(_START_FUEL)
        # The library keeps every function of the host as long as there is the store, so none may keep the store.
        self._host = HostCalls(proxy(self))
        self.memory_bytes = budget.memory_bytes
        self._memory = wasmtime.Memory(self._store, _memory_type(module))
        exports = wasmtime.Instance(self._store, module, self._imports(module)).exports(self._store)
        self._call: dict[str, Callable[..., Any]] = {
            name: exports[name]  # type: ignore[misc]  # a missing one is a KeyError, which the caller names
            for name in _EXPORTS
        }
        version = exports["opa_wasm_abi_version"].value(self._store)  # type: ignore[union-attr]
        minor = exports["opa_wasm_abi_minor_version"].value(self._store)  # type: ignore[union-attr]
        if version != 1 or minor < 2:
            raise ModuleRefusedError(f"The module speaks OPA's ABI {version}.{minor}, not 1.2 or later.")
        self.entrypoints: Mapping[str, int] = self._constant("entrypoints")
        self._host.names = {number: name for name, number in self._constant("builtins").items()}
        start = self._call["opa_heap_ptr_get"](self._store)
        data = json.dumps(bundle.data, ensure_ascii=False)
        self._store.set_fuel(_START_FUEL + _FUEL_PER_BYTE * 4 * len(data))
        self._data = self._parse_data(data, start)

    @property
    def builtins(self) -> frozenset[str]:
        """The functions that the policy wants from the host."""
        return frozenset(self._host.names.values())

    @property
    def size(self) -> int:
        """How much memory the instance has grown to, in bytes."""
        return int(self._memory.data_len(self._store))

    def evaluate(
        self, entrypoint: int, text: str | Any, moment: Moment, data: str | None, budget: Budget, *, strict: bool
    ) -> tuple[str | None, int]:
        """Return the text of the result (None: undefined) and the fuel used; traps and ``Stopped`` pass through.

        ``text`` is the input in JSON or ``ABSENT``; ``data`` in JSON replaces the bundle's own.
        """
        given = b"" if text is ABSENT else text.encode("utf-8")
        # Reading the input takes fuel as well; a large one does not leave less for the rules.
        fuel = budget.fuel + _FUEL_PER_BYTE * len(given)
        self._store.set_fuel(fuel)
        self._host.begin(moment, budget.host_work, strict=strict)
        root, base = self._data if data is None else self._parse_data(data, self._data[1])
        end = base + len(given)
        self._reserve(end + PAGE)
        self._memory.write(self._store, given, base)
        heap = (end + 15) // 8 * 8
        address = self._call["opa_eval"](self._store, 0, entrypoint, root, base, len(given), heap, 1)
        dumped = self.text_at(address, budget.output_bytes)
        used = fuel - self._store.get_fuel()
        if dumped == _NO_RESULT:
            return None, used
        if not (dumped.startswith(_RESULT_PREFIX) and dumped.endswith("}}")):
            raise _aborted("the result has an unknown form")
        return dumped[len(_RESULT_PREFIX) : -2], used

    def text_at(self, address: int, most: int) -> str:
        """Return the text that ends with NUL at ``address``; raise ``Stopped`` beyond ``most`` bytes."""
        size = self._memory.data_len(self._store)
        if not 0 < address < size:
            raise _aborted("an address lies outside the memory")
        start = ctypes.addressof(self._memory.data_ptr(self._store).contents) + address
        window = 4096
        while True:
            window = min(window, size - address, most + 1)
            found = ctypes.string_at(start, window)
            end = found.find(b"\0")
            if end >= 0:
                return found[:end].decode("utf-8", "replace")
            if window > most:
                raise Stopped(DenialCode.OUTPUT_TOO_LARGE, f"The policy made a value of more than {most} bytes.")
            if window == size - address:
                raise _aborted("a text does not end")
            window *= 8

    def value_text(self, address: int, most: int) -> str:
        """Return the text of the value at ``address``."""
        return self.text_at(self._call["opa_value_dump"](self._store, address), most)

    def new_value(self, text: str) -> int:
        """Put a value into the memory and return its address."""
        given = text.encode("utf-8")
        # The buffer is not given back: parsed strings may point into it.
        address = self._call["opa_malloc"](self._store, len(given) + 1)
        self._memory.write(self._store, given + b"\0", address)
        value: int = self._call["opa_value_parse"](self._store, address, len(given))
        if value == 0:
            raise _aborted("a value could not be read")
        return value

    def _parse_data(self, text: str, start: int) -> tuple[int, int]:
        """Read data into the memory from ``start`` on; return its address and where free memory begins."""
        given = text.encode("utf-8")
        self._call["opa_heap_ptr_set"](self._store, start)
        address = self._call["opa_malloc"](self._store, len(given) + 1)
        self._memory.write(self._store, given, address)
        data = self._call["opa_value_parse"](self._store, address, len(given))
        return data, (self._call["opa_heap_ptr_get"](self._store) + 15) // 8 * 8

    def _reserve(self, end: int) -> None:
        size = self._memory.data_len(self._store)
        if end > size:
            pages = (end - size + PAGE - 1) // PAGE
            try:
                self._memory.grow(self._store, pages)
            except wasmtime.WasmtimeError:
                raise _aborted("opa_malloc: failed") from None

    def _constant(self, export: str) -> dict[str, int]:
        address = self._call["opa_json_dump"](self._store, self._call[export](self._store))
        found: dict[str, int] = json.loads(self.text_at(address, PAGE * 4))
        return found

    def _imports(self, module: wasmtime.Module) -> list[Any]:
        made: list[Any] = []
        for wanted in module.imports:
            if wanted.module != "env":
                raise ModuleRefusedError(f"The module imports {wanted.module}.{wanted.name}, which is not there.")
            made.append(self._import(str(wanted.name)))
        return made

    def _import(self, name: str) -> Any:
        # Types are made anew: one that an engine has seen belongs to it, and another engine would abort the process.
        i32 = wasmtime.ValType.i32()
        if name == "memory":
            return self._memory
        if name in ("opa_abort", "opa_println"):
            function = _stopping(proxy(self)) if name == "opa_abort" else _ignore
            return wasmtime.Func(self._store, wasmtime.FuncType([i32], []), function)
        if name.startswith("opa_builtin") and name[-1] in "01234":
            taken = [i32] * (int(name[-1]) + 2)
            return wasmtime.Func(self._store, wasmtime.FuncType(taken, [i32]), self._host.call)
        raise ModuleRefusedError(f"The module imports env.{name}, which is not there.")


def _stopping(instance: Instance) -> Callable[[int], None]:
    """Return what ends an evaluation with the words at an address."""

    def stop(address: int) -> None:
        raise _aborted(instance.text_at(address, _MOST_TEXT))

    return stop


def _aborted(message: str) -> Stopped:
    if message.startswith(_OUT_OF_MEMORY):
        return Stopped(DenialCode.OUT_OF_MEMORY, "The policy needs more memory than an evaluation may use.")
    return Stopped(DenialCode.ERROR, f"The policy stopped: {message}.")


def _ignore(_address: int) -> None:
    """Drop what a policy prints."""


def _memory_type(module: wasmtime.Module) -> wasmtime.MemoryType:
    for wanted in module.imports:
        if wanted.name == "memory" and isinstance(wanted.type, wasmtime.MemoryType):
            return wasmtime.MemoryType(wasmtime.Limits(wanted.type.limits.min, None))
    raise ModuleRefusedError("The module takes no memory from the host.")
