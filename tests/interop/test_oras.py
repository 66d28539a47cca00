"""The OCI door and the layouts, as the real oras meets them."""

import io
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.resolver import ResolveAssets
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.attestations.service import SupplyChainAttestationService
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from catalog.transfers.exporting import ExportService
from catalog.uploads.service import UploadService
from portal.__main__ import Server
from portal.app import create_app
from workers import toolchain


@pytest.fixture(scope="module")
def oras() -> Path:
    return toolchain.ensure(load_settings().tools_dir, toolchain.ORAS, print)


@pytest.fixture
def settings(settings: Settings, free_port: int) -> Settings:
    """Let statements be signed, and the portal be served on a socket of its own."""
    more = {
        "master_key": SecretStr("a master key of forty-three characters, or so"),
        "port": free_port,
        "base_url": f"http://127.0.0.1:{free_port}",
    }
    return settings.model_copy(update=more)


@pytest.fixture
def free_port() -> int:

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def archive(database: Database, settings: Settings, acme: Principal) -> bytes:
    """Publish acme/preview 0.1.0 with a signed statement, and return its archive."""
    files = skeleton("deployment-blueprint", "acme", "preview")
    data = build_archive({path: PackageFile(content) for path, content in files.items()}).data
    with database.tenant_session(acme.tenant_id) as session:
        UploadService(session, open_blobs(settings)).receive(acme, io.BytesIO(data))
        version = AssetService(session).version(acme.tenant_id, "acme", "preview", "0.1.0")
        SupplyChainAttestationService(session, settings).sign_published(acme, version.model_dump())
    return data


@pytest.fixture
def registry(settings: Settings, archive: bytes) -> Iterator[str]:
    """Serve the portal and return the registry's name."""
    assert archive
    server = Server(create_app(settings), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.started
    yield f"127.0.0.1:{settings.port}"
    server.handle_exit(15, None)
    thread.join(20)


@pytest.fixture
def token(database: Database, acme: Principal) -> str:
    with database.tenant_session(acme.tenant_id) as session:
        return TenantService(session).create_token(acme, CreateToken(name="oras", scopes=["assets:read"])).token


class Oras:
    """The command, with a home of its own."""

    def __init__(self, command: Path, home: Path) -> None:
        self._command, self.home = command, home

    def __call__(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        done = subprocess.run(
            [self._command, *arguments],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments))


@pytest.fixture
def signed_in(oras: Path, registry: str, token: str, tmp_path: Path) -> Oras:
    home = tmp_path / "home"
    home.mkdir()
    command = Oras(oras, home)
    command("login", registry, "--plain-http", "--username", "anybody", "--password-stdin", stdin=token)
    return command


def test_an_asset_is_pulled_with_its_statements(signed_in: Oras, registry: str, archive: bytes) -> None:
    name = f"{registry}/acme/preview"
    assert signed_in("repo", "tags", "--plain-http", name).split() == ["0.1.0", "latest"]
    signed_in("pull", "--plain-http", f"{name}:0.1.0", "--output", "pulled")
    (pulled,) = (signed_in.home / "pulled").iterdir()
    assert pulled.read_bytes() == archive
    manifest = signed_in.json("manifest", "fetch", "--plain-http", f"{name}:latest")
    assert manifest["artifactType"] == "application/vnd.slipway.asset.deployment-blueprint.v1"
    config = signed_in.json("manifest", "fetch-config", "--plain-http", f"{name}:0.1.0")
    assert config["metadata"]["name"] == "preview"
    found = signed_in.json("discover", "--plain-http", "--format", "json", f"{name}:0.1.0")
    (referrer,) = found["referrers"]
    assert referrer["artifactType"].startswith("application/vnd.dev.sigstore.bundle")
    fallback = signed_in.json(
        "discover", "--plain-http", "--format", "json", "--distribution-spec", "v1.1-referrers-tag", f"{name}:0.1.0"
    )
    assert fallback["referrers"] == found["referrers"]


def test_an_asset_is_copied_with_everything_that_refers_to_it(signed_in: Oras, registry: str) -> None:
    source = f"{registry}/acme/preview:0.1.0"
    signed_in("cp", "--recursive", "--from-plain-http", source, "--to-oci-layout", "copied:0.1.0")
    found = signed_in.json("discover", "--oci-layout", "--format", "json", "copied:0.1.0")
    assert len(found["referrers"]) == 1


def test_without_a_token_nothing_is_pulled(oras: Path, registry: str, tmp_path: Path) -> None:
    assert "unauthorized" in Oras(oras, tmp_path)("pull", "--plain-http", f"{registry}/acme/preview:0.1.0", status=1)


def test_pushing_is_refused(signed_in: Oras, registry: str) -> None:
    (signed_in.home / "file").write_text("x")
    said = signed_in("push", "--plain-http", f"{registry}/acme/preview:9.9.9", "file", status=1)
    assert "404" in said or "405" in said or "not" in said.lower()


def test_a_layout_that_was_exported_is_one_for_oras(
    oras: Path, archive: bytes, database: Database, settings: Settings, acme: Principal, tmp_path: Path
) -> None:
    with (tmp_path / "layout.tar").open("wb") as target, database.tenant_session(acme.tenant_id) as session:
        wanted = ResolveAssets(requirements=["acme/preview"])
        ExportService(session, settings, open_blobs(settings)).export(acme, wanted, target)
    command = Oras(oras, tmp_path)
    command("cp", "--recursive", "--from-oci-layout", "layout.tar:acme_preview_0.1.0", "--to-oci-layout", "copied:one")
    found = command.json("discover", "--oci-layout", "--format", "json", "copied:one")
    assert len(found["referrers"]) == 1
    command("pull", "--oci-layout", "copied:one", "--output", "pulled")
    (pulled,) = (tmp_path / "pulled").iterdir()
    assert pulled.read_bytes() == archive
