"""Engines that evaluate compiled policy bundles; the rest of Slipway knows the protocol ``PolicyEngine`` alone."""

from catalog.policies.engine.contract import (
    ABSENT,
    Budget,
    CompiledBundle,
    Decided,
    DenialCode,
    Denied,
    Moment,
    Outcome,
    PolicyEngine,
    Question,
)
from catalog.policies.engine.wasm import WasmEngine

__all__ = [
    "ABSENT",
    "Budget",
    "CompiledBundle",
    "Decided",
    "DenialCode",
    "Denied",
    "Moment",
    "Outcome",
    "PolicyEngine",
    "Question",
    "WasmEngine",
]
