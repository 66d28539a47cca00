"""What publishing leaves of a policy bundle, read for evaluating: the module, and what its facts say of it."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.gating import Level
from catalog.policies.bundles import LoadedBundle
from catalog.policies.engine import read_bundle
from catalog.policies.errors import BundleNotCompiledError


class _Facts(BaseModel):
    model_config = ConfigDict(extra="ignore")

    roots: tuple[str, ...] = ("",)
    level: Level = Level.MANDATORY


def read_loaded(asset: str, version: str, wasm: bytes, facts: bytes) -> LoadedBundle:
    """Return a bundle from ``policy.wasm`` and ``policy.json``; raise ``BundleNotCompiledError`` where they are not."""
    try:
        compiled = read_bundle(wasm, facts)
        read = _Facts.model_validate_json(facts)
    except (ValueError, ValidationError):
        raise BundleNotCompiledError(
            f"The compiled policy of {asset} {version} cannot be read. Publish a new version."
        ) from None
    return LoadedBundle(asset, version, compiled, read.roots, read.level)


def write_facts(loaded: LoadedBundle) -> bytes:
    """Return the part of ``policy.json`` that evaluating needs."""
    compiled = loaded.compiled
    document: dict[str, Any] = {
        "digest": compiled.digest,
        "entrypoints": list(compiled.entrypoints),
        "builtins": list(compiled.builtins),
        "roots": list(loaded.roots),
        "level": str(loaded.level),
        "data": dict(compiled.data),
        "modules": dict(compiled.modules),
        "prefix": compiled.prefix,
    }
    return json.dumps(document, sort_keys=True).encode()
