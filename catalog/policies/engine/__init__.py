"""Engines that evaluate compiled policy bundles; the rest of Slipway knows the protocol ``PolicyEngine`` alone."""

from catalog.policies.engine.artifacts import read_bundle
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
from catalog.policies.engine.opa_server import OpaServerEngine
from catalog.policies.engine.wasm import WasmEngine
from catalog.settings import Settings

__all__ = [
    "ABSENT",
    "Budget",
    "CompiledBundle",
    "Decided",
    "DenialCode",
    "Denied",
    "Moment",
    "OpaServerEngine",
    "Outcome",
    "PolicyEngine",
    "Question",
    "WasmEngine",
    "open_engine",
    "read_bundle",
]


def open_engine(settings: Settings) -> PolicyEngine:
    """Return the engine of this installation: an OPA server where one is set, else this process itself."""
    return OpaServerEngine(settings.opa_url) if settings.opa_url else WasmEngine()
