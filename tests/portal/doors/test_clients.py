"""The standard doors with the clients themselves: twine, uv publish, pip and uv pip, over real HTTP."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from catalog.settings import Settings
from catalog.tenancy import Principal

Serve = Callable[[Settings], AbstractContextManager[Settings]]
NewWheel = Callable[..., tuple[str, bytes]]
TOOLS = Path(sys.executable).parent
TWINE, UV = str(TOOLS / "twine"), str(TOOLS / "uv")


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
        answer = httpx.post(f"{self.url}/api/v1{path}", headers=headers, json={"reason": reason})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def portal_(
    settings: Settings, serve: Serve, acme: Principal, new_token: Callable[..., str], tmp_path: Path
) -> Iterator[Portal]:
    """Serve a portal."""
    with serve(settings) as own:
        yield Portal(own.base_url, new_token(acme, ["assets:write"]), tmp_path)


def test_twine_publishes_and_pip_installs(portal_: Portal, new_wheel: NewWheel) -> None:
    wheel = portal_.keep(new_wheel(version="1.0.0"))
    first = portal_.twine(wheel)
    assert first.returncode == 0, first.stdout + first.stderr
    assert portal_.twine(wheel).returncode == 0, "the same file again is accepted"
    other = portal_.keep(new_wheel(version="1.0.0", description="Other bytes.\n"))
    refused = portal_.twine("--verbose", other)
    assert refused.returncode == 1
    assert "File already exists" in refused.stdout
    wrong = portal_.twine(wheel, password="slw_wrong")
    assert wrong.returncode == 1
    assert "401" in wrong.stdout + wrong.stderr

    assert portal_.twine(portal_.keep(new_wheel(version="1.1.0"))).returncode == 0
    portal_.call("/assets/acme/acme-network/versions/1.1.0/yank", "It leaks.")
    target = portal_.folder / "newest"
    installed = portal_.pip("--target", str(target), "acme-network")
    assert installed.returncode == 0, installed.stderr
    assert (target / "acme_network-1.0.0.dist-info").is_dir(), "a yanked version is not chosen"
    pinned = portal_.pip("--target", str(portal_.folder / "pinned"), "acme-network==1.1.0")
    assert pinned.returncode == 0
    assert "It leaks." in pinned.stderr

    missing = portal_.pip("--target", str(target), "nothing-like-this")
    assert "No matching distribution found for nothing-like-this" in missing.stderr
    stranger = portal_.index.replace(portal_.token, "slw_wrong")
    refused = portal_.pip("--no-input", "--target", str(target), "acme-network", index=stranger)
    assert refused.returncode == 1
    assert "from versions: none" in refused.stderr


def test_uv_publishes_and_installs(portal_: Portal, new_wheel: NewWheel) -> None:
    wheel = portal_.keep(new_wheel(version="1.0.0"))
    first = portal_.uv_publish(wheel)
    assert first.returncode == 0, first.stderr
    assert portal_.uv_publish(wheel).returncode == 0, "the same file again is accepted"
    refusals = {
        "File already exists.": portal_.uv_publish(portal_.keep(new_wheel(description="Other bytes.\n"))),
        "The token is not known": portal_.uv_publish(portal_.keep(new_wheel()), password="slw_wrong"),
        "A version has three numbers": portal_.uv_publish(portal_.keep(new_wheel(version="1.0"))),
    }
    for said, refused in refusals.items():
        assert refused.returncode != 0
        assert said in refused.stderr
    target = portal_.folder / "newest"
    installed = portal_.uv_pip("--target", str(target), "acme-network")
    assert installed.returncode == 0, installed.stderr
    assert (target / "acme_network-1.0.0.dist-info").is_dir()
    missing = portal_.uv_pip("--target", str(target), "nothing-like-this")
    assert "was not found in the package registry" in missing.stderr
    stranger = portal_.index.replace(portal_.token, "slw_wrong")
    assert "401 Unauthorized" in portal_.uv_pip("--target", str(target), "acme-network<1", index=stranger).stderr


def test_other_bytes_than_were_locked_are_refused(portal_: Portal, new_wheel: NewWheel) -> None:
    portal_.twine(portal_.keep(new_wheel()))
    locked = portal_.folder / "requirements.txt"
    locked.write_text(f"acme-network==1.0.0 --hash=sha256:{'0' * 64}\n")
    arguments = ("--target", str(portal_.folder / "locked"), "--require-hashes", "-r", str(locked))
    for refused, said in (
        (portal_.pip(*arguments), "DO NOT MATCH THE HASHES"),
        (portal_.uv_pip(*arguments), "Hash mismatch"),
    ):
        assert refused.returncode == 1
        assert said in refused.stderr
