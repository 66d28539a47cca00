"""A compiled bundle as files: what publishing derives from a policy bundle, and what engines read back.

``policy.json`` holds ``{digest, entrypoints, builtins, roots, level, data, modules, prefix}`` for evaluating, and for
people ``rules`` (rule, level, title, description, severity, controls, file, line), ``tests``, ``coverage`` (lines by
file), ``covered`` (percent) and ``opa`` (its version).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from catalog.policies.engine.contract import CompiledBundle

WASM: Final = "policy.wasm"
FACTS: Final = "policy.json"
MEDIA_TYPES: Final = {WASM: "application/wasm", FACTS: "application/vnd.slipway.policy.v1+json"}


def digest_of(wasm: bytes, data: Mapping[str, Any], entrypoints: Sequence[str]) -> str:
    """Return the digest that names a compiled bundle: what decides about its answers, and nothing else."""
    parts = {"wasm": hashlib.sha256(wasm).hexdigest(), "data": data, "entrypoints": list(entrypoints)}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_bundle(wasm: bytes, facts: bytes) -> CompiledBundle:
    """Return the bundle of the two files; raise ``ValueError`` where they are not what was made together."""
    try:
        document: dict[str, Any] = json.loads(facts)
        bundle = CompiledBundle(
            digest=str(document["digest"]),
            wasm=wasm,
            entrypoints=tuple(map(str, document["entrypoints"])),
            builtins=tuple(map(str, document["builtins"])),
            data=document["data"],
            modules=document["modules"],
            prefix=str(document["prefix"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"The compiled policy is incomplete: {error}.") from None
    if digest_of(wasm, bundle.data, bundle.entrypoints) != bundle.digest:
        raise ValueError("The compiled policy is not the one that its facts describe.")
    return bundle
