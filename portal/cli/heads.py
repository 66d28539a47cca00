"""The last entry of each registry log that was seen from here, so that a rewritten history is noticed."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_state_path


def compare_head(url: str, asset: str, hashes: Sequence[str]) -> bool:
    """Tell whether a log goes on from what was last seen of it, and remember its end; the first time it always does."""
    path = user_state_path("slipway") / "registry-heads.json"
    heads = _read(path)
    name = f"{url} {asset}"
    known = heads.get(name)
    if known is not None and known not in hashes:
        return False
    if hashes and known != hashes[-1]:
        _write(path, {**heads, name: hashes[-1]})
    return True


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, heads: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps(heads, indent=1), encoding="utf-8")
    new.replace(path)
