"""Calls from a policy module to functions of the host: names, arguments, results, and how much work they may make."""

from typing import Protocol

from catalog.policies.engine.builtins import UNDEFINED, BuiltinError, Recorded, host_function
from catalog.policies.engine.contract import DenialCode, Denied, Moment
from catalog.policies.engine.values import ValueRefusedError, dump, parse

_CALL_COST = 200
_MOST_ARGUMENT = 1024 * 1024


class Stopped(Exception):  # noqa: N818  # an evaluation that ends early, not an error of ours
    """An evaluation ends without an answer; ``denied`` says why."""

    def __init__(self, code: DenialCode, reason: str) -> None:
        super().__init__(reason)
        self.denied = Denied(code, reason)


class Memory(Protocol):
    """What a call needs of the instance that makes it."""

    def value_text(self, address: int, most: int) -> str:
        """Return the text of the value at ``address``."""
        ...

    def new_value(self, text: str) -> int:
        """Put a value into the memory and return its address."""
        ...


class HostCalls:
    """The functions of the host as one instance calls them."""

    def __init__(self, memory: Memory) -> None:
        self.names: dict[int, str] = {}
        self._memory = memory
        self._recorded = Recorded(Moment(0))
        self._left = 0
        self._strict = True

    def begin(self, moment: Moment, work: int, *, strict: bool) -> None:
        """Start an evaluation."""
        self._recorded = Recorded(moment)
        self._left = work
        self._strict = strict

    def call(self, number: int, _context: int, *addresses: int) -> int:
        """Run one function and return the address of its result; 0 stands for undefined."""
        name = self.names.get(number, f"number {number}")
        function = host_function(name)
        if function is None:
            raise unknown_builtin([name])
        texts = [self._memory.value_text(address, _MOST_ARGUMENT) for address in addresses]
        # Functions take time in proportion to what they read and write: RE2 and our own are linear, or bounded.
        self._spend(name, _CALL_COST + sum(map(len, texts)) * function.weight)
        try:
            result = function.run(self._recorded, [parse(text) for text in texts])
            text = "" if result is UNDEFINED else dump(result)
        except (BuiltinError, ValueRefusedError) as error:
            return self._failed(name, str(error))
        except RecursionError:
            return self._failed(name, "the value is nested too deeply")
        if result is UNDEFINED:
            return 0
        self._spend(name, len(text))
        return self._memory.new_value(text)

    def _failed(self, name: str, reason: str) -> int:
        if self._strict:
            raise Stopped(DenialCode.ERROR, f"The policy stopped: {name}: {reason}.")
        return 0

    def _spend(self, name: str, work: int) -> None:
        self._left -= work
        if self._left < 0:
            reason = f"The policy had {name} read and write more than an evaluation may."
            raise Stopped(DenialCode.OUT_OF_FUEL, reason)


def unknown_builtin(names: list[str]) -> Stopped:
    """Return the end of an evaluation that calls functions which no release policy may use."""
    reason = f"The policy calls {', '.join(names)}, which no release policy may use."
    return Stopped(DenialCode.UNKNOWN_BUILTIN, reason)
