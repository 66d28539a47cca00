"""What tells one try from another under the same name, so that what a person let through is all that comes through."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catalog.policies.masking import mask


def judged(parts: Mapping[str, Any], digests: Iterable[str], masks: Sequence[str]) -> dict[str, Any]:
    """Return digests, commits, places and inputs of what an input document is about.

    ``digests`` (``sha256:...``) are those of artifacts, of a version or of everything that a lock holds. Inputs are
    told by a digest of what policies see of them, so nothing secret is in it, nor anything to guess a secret by.
    """
    found: dict[str, Any] = {"digests": sorted(set(digests))}
    for name in ("release", "environment"):
        source = parts.get(name, {}).get("source")
        if source:
            found[f"{name}_commit"] = f"{source['repository']}@{source['revision']}"
    environment, install, proposal = (parts.get(name) for name in ("environment", "install", "proposal"))
    if environment is not None:
        found["environment"] = f"{environment['target']}, {environment['ttl_seconds']} s"
        found["environment_inputs"] = _digest(environment["inputs"], masks)
    if install is not None:
        found["install"] = f"{install['action']} {install['name']}"
        found["install_inputs"] = _digest({name: install[name] for name in ("inputs", "target")}, masks)
    if "visibility" in parts.get("asset", {}):
        found["visibility"] = parts["asset"]["visibility"]
    if proposal is not None:
        found["action"] = proposal["action"]
    return found


def _digest(value: Any, masks: Sequence[str]) -> str:
    text = json.dumps(mask(value, masks), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
