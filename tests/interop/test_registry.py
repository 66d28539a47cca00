"""A real registry elsewhere: an image is fetched and described by syft, and what was signed is found there by oras."""

import hashlib
import io
import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from catalog.attestations.sboms.documents import read_head, read_packages
from catalog.attestations.sboms.models import SbomFormat
from catalog.clock import now
from catalog.providers.registries import Access
from catalog.providers.registries.oci import OciRegistry
from catalog.settings import load_settings
from workers import toolchain
from workers.sandbox.run import Sandbox
from workers.sbom_generators import Material, MaterialKind, Root, generators

SITE = "usr/lib/python3.11/site-packages/flask-3.0.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: flask\nVersion: 3.0.0\n"
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


def test_an_image_is_described_and_told(host: str, tmp_path: Path) -> None:
    layer = packed({f"{SITE}/METADATA": METADATA, f"{SITE}/RECORD": b"", f"{SITE}/WHEEL": b"Wheel-Version: 1.0\n"})
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
    (tmp_path / "layer.tar").write_bytes(layer)
    (tmp_path / "config.json").write_text(config)
    image = "application/vnd.oci.image"
    pushed = subprocess.run(
        [
            *(toolchain.ensure(load_settings().tools_dir, toolchain.ORAS), "push", "--plain-http"),
            *("--config", f"config.json:{image}.config.v1+json", "--format", "json"),
            *(f"{host}/acme/web:1.4.0", f"layer.tar:{image}.layer.v1.tar"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert pushed.returncode == 0, pushed.stderr
    digest = json.loads(pushed.stdout)["digest"]
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
    found = oras("discover", "--plain-http", f"{host}/acme/web@{digest}")
    listed = found.get("referrers") or found.get("manifests") or []
    assert [(each["digest"], each["artifactType"]) for each in listed] == [(first, BUNDLE)]
