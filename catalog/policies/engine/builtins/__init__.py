"""Functions of Rego that the host gives to policies, and the one list of what a policy may call."""

from catalog.policies.engine.builtins.calls import UNDEFINED, BuiltinError, HostFunction, Recorded
from catalog.policies.engine.builtins.registry import (
    COMPILED_AWAY,
    HOST,
    NATIVE,
    REFUSED,
    host_function,
    refusal,
)

__all__ = [
    "COMPILED_AWAY",
    "HOST",
    "NATIVE",
    "REFUSED",
    "UNDEFINED",
    "BuiltinError",
    "HostFunction",
    "Recorded",
    "host_function",
    "refusal",
]
