"""Policy bundles as OPA fetches them: a tar of rules and data with a manifest, signed where there is a key."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.assets.archive import read_archive
from catalog.assets.package import MOST_READ
from catalog.errors import UnavailableError

CONTENT = "content/"
MANIFEST = ".manifest"
SIGNATURES = ".signatures.json"


class BundleUnavailableError(UnavailableError):
    """The stored archive of a policy bundle is missing or damaged."""

    code = "bundle_unavailable"
    title = "The bundle cannot be served"


@dataclass(frozen=True)
class BundleSigner:
    """Signs a bundle: ``algorithm`` is the name of JSON Web Signatures, ``sign`` returns a signature in its form."""

    key_id: str
    algorithm: str
    sign: Callable[[bytes], bytes]


def build_bundle(archive: bytes, revision: str, signer: BundleSigner | None = None) -> bytes:
    """Return the bundle inside the archive of a policy bundle; the same arguments give the same bytes.

    Its manifest names ``revision``, which OPA reports and writes into every decision. With a ``signer`` it holds
    ``.signatures.json``: one JSON Web Token that lists the hash of each file (OPA's bundle signing format).
    """
    package = read_archive(archive)
    files = {path.removeprefix(CONTENT): package.read(path) for path in package.files if path.startswith(CONTENT)}
    manifest: dict[str, Any] = json.loads(files.get(MANIFEST, b"{}")[:MOST_READ])
    files[MANIFEST] = _json({**manifest, "revision": revision, "rego_version": 1})
    files.pop(SIGNATURES, None)
    if signer is not None:
        files[SIGNATURES] = _json({"signatures": [_token(files, signer)]})
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            header = tarfile.TarInfo(path)
            header.size = len(files[path])
            tar.addfile(header, io.BytesIO(files[path]))
    return buffer.getvalue()


def _token(files: Mapping[str, bytes], signer: BundleSigner) -> str:
    listed = [
        {"name": path, "hash": hashlib.sha256(_hashed(path, files[path])).hexdigest(), "algorithm": "SHA-256"}
        for path in sorted(files)
    ]
    head = {"alg": signer.algorithm, "typ": "JWT", "kid": signer.key_id}
    signed = f"{_base64(_json(head))}.{_base64(_json({'files': listed, 'keyid': signer.key_id}))}"
    return f"{signed}.{_base64(signer.sign(signed.encode()))}"


def _hashed(path: str, content: bytes) -> bytes:
    """Return what of a file is hashed: structured ones by what they say, the others by their bytes."""
    if path.endswith(".json") or path == MANIFEST:
        return json.dumps(json.loads(content), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return content


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
