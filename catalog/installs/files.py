"""Files of a repository as an install keeps them, and the one form of JSON that digests are of."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

File = tuple[bytes, bool]
"""One file of a repository: its content, and whether it is executable."""


def canonical(value: Any) -> bytes:
    """Return JSON data as the bytes that its digest is of: sorted names, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """Return ``sha256:...`` of JSON data in its canonical form."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def pack(files: Mapping[str, File | None]) -> bytes:
    """Return files by path (None for one that shall be gone) as bytes that are the same for the same files."""
    return canonical(
        {
            path: None if file is None else {"data": base64.b64encode(file[0]).decode(), "x": file[1]}
            for path, file in files.items()
        }
    )


def unpack(data: bytes) -> dict[str, File | None]:
    """Return what ``pack`` was given."""
    return {
        path: None if each is None else (base64.b64decode(each["data"]), bool(each["x"]))
        for path, each in json.loads(data).items()
    }


def listed(files: Mapping[str, File]) -> list[dict[str, Any]]:
    """Return path, digest, size in bytes and mode of files, by path: what a revision keeps of them."""
    return [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "executable": flag}
        for path, (data, flag) in sorted(files.items())
    ]
