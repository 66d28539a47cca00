"""How a function of the host is written: plain values in, a value out, ``BuiltinError`` where OPA has an error."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from catalog.policies.engine.contract import Moment
from catalog.policies.engine.values import RegoSet, is_number


class _Undefined:
    """The type of ``UNDEFINED``."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = _Undefined()
"""What a function returns where the call has no result and no error."""


class BuiltinError(Exception):
    """The call is an error in OPA as well: a wrong type, or an argument that makes no sense."""


class Recorded:
    """The recorded inputs of one evaluation, from which everything follows that is not in the arguments."""

    def __init__(self, moment: Moment) -> None:
        self.now_ns = moment.now_ns
        self._seed = moment.seed.encode()

    def drawn(self, purpose: str, key: str) -> bytes:
        """Return 32 bytes that look random and are the same for the same moment, purpose and key."""
        return hmac.digest(self._seed, f"{purpose}\0{key}".encode("utf-8", "surrogatepass"), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One function: ``weight`` is how many units of work a byte of its arguments costs."""

    name: str
    function: Callable[..., Any]
    weight: int = 1
    recorded: bool = False

    def run(self, recorded: Recorded, arguments: list[Any]) -> Any:
        """Call the function; raise ``BuiltinError``, or return a value or ``UNDEFINED``."""
        try:
            return self.function(recorded, *arguments) if self.recorded else self.function(*arguments)
        except (TypeError, AttributeError, OverflowError, ArithmeticError) as error:
            # Arguments are checked where OPA's message is worth having; the rest is a wrong type all the same.
            raise BuiltinError(f"an argument has the wrong type ({type(error).__name__})") from None


F = TypeVar("F", bound=Callable[..., Any])
Table = dict[str, HostFunction]


def into(table: Table, *names: str, weight: int = 1, recorded: bool = False) -> Callable[[F], F]:
    """Enter the decorated function under these names."""

    def enter(function: F) -> F:
        for name in names:
            table[name] = HostFunction(name, function, weight, recorded)
        return function

    return enter


def text(value: Any, position: int = 1) -> str:
    """Return a string argument."""
    if not isinstance(value, str):
        raise BuiltinError(f"operand {position} must be string but got {type_name(value)}")
    return value


def number(value: Any, position: int = 1) -> int | Decimal:
    """Return a number argument, whole numbers as ``int``."""
    if not is_number(value):
        raise BuiltinError(f"operand {position} must be number but got {type_name(value)}")
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value  # type: ignore[no-any-return]


def integer(value: Any, position: int = 1) -> int:
    """Return a whole number argument."""
    found = number(value, position)
    if not isinstance(found, int):
        raise BuiltinError(f"operand {position} must be integer number but got floating-point number")
    return found


def mapping(value: Any, position: int = 1) -> dict[Any, Any]:
    """Return an object argument."""
    if not isinstance(value, dict):
        raise BuiltinError(f"operand {position} must be object but got {type_name(value)}")
    return value


def array(value: Any, position: int = 1) -> list[Any]:
    """Return an array argument."""
    if not isinstance(value, list):
        raise BuiltinError(f"operand {position} must be array but got {type_name(value)}")
    return value


def collection(value: Any, position: int = 1) -> list[Any]:
    """Return the members of an array or set argument."""
    if isinstance(value, RegoSet):
        return list(value.items)
    if isinstance(value, list):
        return value
    raise BuiltinError(f"operand {position} must be one of {{set, array}} but got {type_name(value)}")


def type_name(value: Any) -> str:
    """Return what OPA calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "set" if isinstance(value, RegoSet) else "object"
