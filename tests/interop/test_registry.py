"""A real registry elsewhere: an image is fetched and described by syft, and what was signed is found there by oras."""

import hashlib
import io
import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.attestations.dsse import read_signed
from catalog.attestations.sboms.documents import read_head, read_packages
from catalog.attestations.sboms.models import SbomFormat
from catalog.attestations.signatures import is_valid, load_public_key
from catalog.attestations.statements import read_statement
from catalog.clock import now
from catalog.db import Database
from catalog.providers.registries import Access
from catalog.providers.registries.oci import OciRegistry
from catalog.settings import Settings, load_settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from portal.app import create_app
from workers import toolchain
from workers.attestation import WORKER as ATTESTATION
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry as jobs
from workers.sandbox.run import Sandbox
from workers.sbom_generation import WORKER as SBOMS
from workers.sbom_generators import Material, MaterialKind, Root, generators

SITE = "usr/lib/python3.11/site-packages/flask-3.0.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: flask\nVersion: 3.0.0\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    program = toolchain.ensure(load_settings().tools_dir, toolchain.REGISTRY, print)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, "-port", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://localhost:{port}/v2/", timeout=1)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


def oras(*arguments: str) -> dict[str, Any]:
    program = toolchain.ensure(load_settings().tools_dir, toolchain.ORAS, print)
    done = subprocess.run([program, *arguments, "--format", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def pushed(host: str, folder: Path) -> str:
    """Push an image in which flask 3.0.0 is installed, with oras, and return its digest."""
    layer = packed({f"{SITE}/METADATA": METADATA, f"{SITE}/RECORD": b"", f"{SITE}/WHEEL": b"Wheel-Version: 1.0\n"})
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
    (folder / "layer.tar").write_bytes(layer)
    (folder / "config.json").write_text(config)
    image = "application/vnd.oci.image"
    done = subprocess.run(
        [
            *(toolchain.ensure(load_settings().tools_dir, toolchain.ORAS), "push", "--plain-http"),
            *("--config", f"config.json:{image}.config.v1+json", "--format", "json"),
            *(f"{host}/acme/web:1.4.0", f"layer.tar:{image}.layer.v1.tar"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digest: str = json.loads(done.stdout)["digest"]
    return digest


def referrers(host: str, digest: str) -> list[tuple[str, str]]:
    """Return what oras finds beside an image: digest and type."""
    found = oras("discover", "--plain-http", f"{host}/acme/web@{digest}")
    listed = found.get("referrers") or found.get("manifests") or []
    return [(each["digest"], each["artifactType"]) for each in listed]


def test_an_image_is_described_and_told(host: str, tmp_path: Path) -> None:
    digest = pushed(host, tmp_path)
    settings = load_settings().model_copy(update={"internal_domains": (host,)})
    registry = OciRegistry(Access(host, settings), "acme/web")
    root = Root("web", "1.4.0", "pkg:oci/web")
    material = Material(MaterialKind.IMAGE, {"image.tar": registry.image(digest)}, root, now(), UUID(int=1), "1.0.0")
    made = generators()["syft"].generate(material, settings, Sandbox().run)
    text = made.documents[SbomFormat.CYCLONEDX].decode()
    head = read_head(text)
    assert head is not None
    assert "pkg:pypi/flask@3.0.0" in {each.text for each in read_packages(text, head)}
    first = registry.refer(digest, b'{"a": "bundle"}', BUNDLE, {"dev.slipway.predicate-type": "sbom"})
    assert registry.refer(digest, b'{"a": "bundle"}', BUNDLE, {"dev.slipway.predicate-type": "sbom"}) == first
    assert referrers(host, digest) == [(first, BUNDLE)]


def call(client: TestClient[Litestar], method: str, path: str, **given: Any) -> Any:
    answer = client.request(method, f"/api/v1{path}", **given)
    assert answer.is_success, (path, answer.text)
    return answer.json()


def test_a_release_of_an_image_elsewhere_from_its_registry_to_its_proof(
    host: str, tmp_path: Path, settings: Settings, database: Database, acme: Principal
) -> None:
    """One run: pushed, named by an administrator, released, described by syft, signed, referred to, found, proven."""
    settings = settings.model_copy(
        update={
            "internal_domains": (host,),
            "master_key": SecretStr("k" * 43),
            "tools_dir": load_settings().tools_dir,
        }
    )
    digest = pushed(host, tmp_path)
    with database.tenant_session(acme.tenant_id) as session:
        asked = CreateToken(name="test", scopes=sorted(ALL_SCOPES))
        token = TenantService(session).create_token(acme, asked).token
    app = App(settings, jobs([SBOMS, ATTESTATION]))
    try:
        with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
            client.headers["Authorization"] = f"Bearer {token}"
            named = {"host": host, "username": "slipway", "secret": "not asked for here", "may_push": True}
            call(client, "POST", "/sboms/registries", json=named)
            artifact = {"name": f"{host}/acme/web:1.4.0", "type": "oci-image", "digest": digest}
            release = {"service": "web", "version": "1.4.0", "commit": "a" * 40, "repository": "elsewhere"}
            made = call(client, "POST", "/releases", json={**release, "artifacts": [artifact]})
            drain(app, patience=timedelta(seconds=1))
            _look(client, host, digest, made["id"])
    finally:
        app.close()


def _look(client: TestClient[Litestar], host: str, digest: str, release: str) -> None:
    makings = call(client, "GET", "/sboms/makings", params={"subject": f"releases/{release}"})["items"]
    image = next(each for each in makings if each["digest"] == digest.removeprefix("sha256:"))
    assert (image["state"], image["generator"].split()[0]) == ("made", "syft")
    signed = call(client, "GET", "/attestations", params={"subject": digest, "evidence": "sbom"})["items"]
    assert len(signed) == 2, "CycloneDX and SPDX"

    there = referrers(host, digest)
    assert [kind for _, kind in there] == [BUNDLE, BUNDLE]
    envelopes = {client.get(f"/api/v1/attestations/{each['id']}/envelope").content for each in signed}
    public = [load_public_key(each["public_key"]) for each in call(client, "GET", "/attestations/keys")["items"]]
    found = set()
    for referrer, _ in there:
        manifest = httpx.get(
            f"http://{host}/v2/acme/web/manifests/{referrer}", headers={"Accept": MANIFEST}, timeout=60
        ).json()
        assert manifest["subject"]["digest"] == digest
        bundle = httpx.get(f"http://{host}/v2/acme/web/blobs/{manifest['layers'][0]['digest']}", timeout=60).content
        read = read_signed(bundle)
        assert any(is_valid(key, read.envelope.signature, read.envelope.signed) for key in public)
        assert read_statement(read.envelope).is_about(digest.removeprefix("sha256:"))
        found.add(bundle)
    assert found == envelopes, "the exact bytes that were signed"

    where = call(client, "GET", "/sboms/where", params={"purl": "pkg:pypi/flask@3.0.0"})
    assert [each["label"] for each in where["releases"]] == ["web 1.4.0"]
    nowhere = call(client, "GET", "/sboms/where", params={"purl": "pkg:pypi/flask@2.0.0"})
    assert nowhere["releases"] == []
    policy = {"requirements": [{"evidence": "sbom"}, {"evidence": "release"}]}
    judged = call(client, "POST", "/attestations/verify", json={"subject": f"releases/{release}", "policy": policy})
    assert all(part["trusted"] for part in judged["uses"] if part["digest"] == digest), judged
