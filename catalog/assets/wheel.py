"""Building a pure Python wheel from files in memory, deterministically."""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can carry


def build_wheel(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    requires: tuple[str, ...],
    more: tuple[tuple[str, str], ...] = (),
) -> tuple[str, bytes]:
    """Return the file name and the bytes of a wheel that installs ``files`` (by path) and needs ``requires``.

    ``more`` are further fields of its METADATA, in their order.
    """
    module = re.sub(r"[-_.]+", "_", name).lower()
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    fields = [*(("Requires-Dist", each) for each in requires), *more]
    metadata += "".join(f"{field}: {value}\n" for field, value in fields)
    packed = {
        **files,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: slipway\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    packed[f"{info}/RECORD"] = _record(packed, f"{info}/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in sorted(packed):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, packed[path])
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


def _record(files: Mapping[str, bytes], own_path: str) -> bytes:
    lines = []
    for path in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[path]).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(files[path])}")
    return "".join(f"{line}\n" for line in [*lines, f"{own_path},,"]).encode()
