"""A compiled bundle as files: what publishing derives from a policy bundle, and what engines read back."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from catalog.policies.engine.contract import CompiledBundle

WASM: Final = "policy.wasm"
FACTS: Final = "policy.json"
DATA: Final = "policy.data.json"
MODULES: Final = "policy.modules.json"
MEDIA_TYPES: Final = {
    WASM: "application/wasm",
    FACTS: "application/vnd.slipway.policy.v1+json",
    DATA: "application/json",
    MODULES: "application/json",
}


def digest_of(wasm: bytes, data: bytes, entrypoints: tuple[str, ...]) -> str:
    """Return the digest that names a compiled bundle: what decides about its answers, and nothing else."""
    parts = {"wasm": hashlib.sha256(wasm).hexdigest(), "data": hashlib.sha256(data).hexdigest()}
    text: bytes = rfc8785.dumps({**parts, "entrypoints": list(entrypoints)})
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def read_bundle(files: Mapping[str, bytes]) -> CompiledBundle:
    """Return the bundle of these files, by the names above; raise ``ValueError`` where they are not what was made."""
    try:
        facts: dict[str, Any] = json.loads(files[FACTS])
        entrypoints = tuple(str(each) for each in facts["entrypoints"])
        modules: dict[str, str] = json.loads(files[MODULES]) if MODULES in files else {}
        data: dict[str, Any] = json.loads(files[DATA])
        digest = digest_of(files[WASM], files[DATA], entrypoints)
    except (KeyError, TypeError) as error:
        raise ValueError(f"The compiled policy is incomplete: {error}.") from None
    if digest != facts["digest"]:
        raise ValueError("The compiled policy is not the one that its facts describe.")
    return CompiledBundle(
        digest=digest,
        wasm=files[WASM],
        entrypoints=entrypoints,
        builtins=tuple(facts["builtins"]),
        data=data,
        modules=modules,
        prefix=str(facts.get("prefix", "")),
    )
