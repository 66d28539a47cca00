"""What tests of the standard doors share: wheels as publishers build them, and the form in which clients send them."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]
PLUGIN = b"runtime: python\n"


def make_wheel(
    name: str = "acme-network",
    version: str = "1.0.0",
    metadata: str = "Summary: A network of one's own\nRequires-Python: >=3.10\nLicense-Expression: Apache-2.0\n",
    description: str = "# Acme network\n\nUse it.\n",
    files: Mapping[str, bytes] | None = None,
) -> tuple[str, bytes]:
    """Return the file name and the bytes of a wheel with one component."""
    module = name.replace("-", "_").lower()
    info = f"{module}-{version}.dist-info"
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"
    head += "Description-Content-Type: text/markdown\n"
    content = {
        f"{module}/__init__.py": b'"""A component."""\n',
        f"{module}/PulumiPlugin.yaml": PLUGIN,
        **(files or {}),
        f"{info}/METADATA": f"{head}\n{description}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}")
    content[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in content.items():
            wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


def send_wheel(client: Client, filename: str, data: bytes, tenant: str = "acme", **fields: str) -> httpx.Response:
    """Upload a wheel as twine does; ``fields`` replace or add fields of the form."""
    form = {
        ":action": "file_upload",
        "protocol_version": "1",
        "filetype": "bdist_wheel",
        "sha256_digest": hashlib.sha256(data).hexdigest(),
        **fields,
    }
    return client.post(
        f"/t/{tenant}/legacy/", data=form, files={"content": (filename, data, "application/octet-stream")}
    )


@pytest.fixture(autouse=True)
def worker(working: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Run the worker that looks into wheels before they are published."""
    with working():
        yield


@pytest.fixture(scope="session")
def new_wheel() -> Callable[..., tuple[str, bytes]]:
    """Return what builds wheels."""
    return make_wheel


@pytest.fixture(scope="session")
def send() -> Callable[..., httpx.Response]:
    """Return what uploads a wheel with a client."""
    return send_wheel


@pytest.fixture
def publish_wheel(api: Client) -> Callable[..., tuple[str, bytes]]:
    """Return what builds a wheel and uploads it for ``acme``."""

    def published(name: str = "acme-network", version: str = "1.0.0", **parts: Any) -> tuple[str, bytes]:
        filename, data = make_wheel(name, version, **parts)
        answer = send_wheel(api, filename, data)
        assert answer.status_code == 200, answer.text
        return filename, data

    return published
