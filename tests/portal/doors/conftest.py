"""What tests of the standard doors share: wheels as publishers build them, and the form in which clients send them."""

import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
Serve = Callable[[Settings], AbstractContextManager[Settings]]
TOOLS = Path(sys.executable).parent
TWINE, UV = str(TOOLS / "twine"), str(TOOLS / "uv")
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
def worker(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the worker that looks into wheels before they are published, where a test has a portal."""
    if not {"api", "portal_"} & set(request.fixturenames):
        yield
        return
    working: Callable[[], AbstractContextManager[None]] = request.getfixturevalue("working")
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


@dataclass(frozen=True)
class Portal:
    """A portal that serves, with a token for its tenant ``acme``."""

    url: str
    token: str
    folder: Path

    @property
    def index(self) -> str:
        return f"{self.with_token}/t/acme/simple/"

    @property
    def with_token(self) -> str:
        return self.url.replace("http://", f"http://__token__:{self.token}@")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a client that knows nothing of this machine's own configuration."""
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        environment = {
            **kept,
            "HOME": str(self.folder),
            "UV_CACHE_DIR": str(self.folder / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **variables,
        }
        return subprocess.run(
            list(command), capture_output=True, text=True, timeout=120, env=environment, cwd=self.folder
        )

    def twine(self, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(
            *(TWINE, "upload", "--disable-progress-bar", "--non-interactive"),
            *("--repository-url", f"{self.url}/t/acme/legacy/", *arguments),
            TWINE_USERNAME="__token__",
            TWINE_PASSWORD=password or self.token,
        )

    def uv_publish(self, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(
            *(UV, "publish", "--trusted-publishing", "never"),
            *("--publish-url", f"{self.url}/t/acme/legacy/", *arguments),
            UV_PUBLISH_TOKEN=password or self.token,
        )

    def pip(self, *arguments: str, index: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(
            *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--no-deps"),
            *("--no-cache-dir", "--index-url", index or self.index, *arguments),
        )

    def uv_pip(self, *arguments: str, index: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(UV, "pip", "install", "--no-deps", "--index-url", index or self.index, *arguments)

    def keep(self, wheel: tuple[str, bytes]) -> str:
        """Write a wheel into a folder of its own, and return its path."""
        folder = self.folder / hashlib.sha256(wheel[1]).hexdigest()[:12]
        folder.mkdir(exist_ok=True)
        path = folder / wheel[0]
        path.write_bytes(wheel[1])
        return str(path)

    def call(self, path: str, reason: str) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(f"{self.url}/api/v1{path}", headers=headers, json={"reason": reason}, timeout=60)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def portal_(
    settings: Settings, serve: Serve, acme: Principal, new_token: Callable[..., str], tmp_path: Path
) -> Iterator[Portal]:
    """Serve a portal."""
    with serve(settings) as own:
        yield Portal(own.base_url, new_token(acme, ["assets:write"]), tmp_path)
