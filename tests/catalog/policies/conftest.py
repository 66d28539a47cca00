"""Bundles compiled by the real OPA, and the engines that evaluate them."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from catalog.policies.engine import CompiledBundle, WasmEngine
from catalog.settings import load_settings
from workers.toolchain import OPA, ensure

Compile = Callable[..., CompiledBundle]


@pytest.fixture(scope="session")
def opa() -> Path:
    """The OPA that publishing uses."""
    return ensure(load_settings().tools_dir, OPA)


@pytest.fixture(scope="session")
def compile_policy(opa: Path, tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a module of package ``t``, or several files, to WebAssembly; none of the checks of publishing."""

    def compile_it(
        source: str | Mapping[str, str], *rules: str, data: Mapping[str, Any] | None = None
    ) -> CompiledBundle:
        folder = tmp_path_factory.mktemp("policy")
        modules = {"t.rego": f"package t\n\n{source}"} if isinstance(source, str) else dict(source)
        for name, text in modules.items():
            (folder / name).write_text(text)
        entrypoints = tuple(rule if "/" in rule else f"t/{rule}" for rule in rules)
        command = [str(opa), "build", "-t", "wasm", "-o", str(folder / "bundle.tar.gz")]
        command += [part for each in entrypoints for part in ("-e", each)]
        made = subprocess.run([*command, *modules], cwd=folder, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        with tarfile.open(fileobj=io.BytesIO((folder / "bundle.tar.gz").read_bytes())) as archive:
            member = archive.extractfile("/policy.wasm")
            assert member is not None
            wasm = member.read()
        facts = json.dumps([hashlib.sha256(wasm).hexdigest(), data], sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(facts).hexdigest()}"
        return CompiledBundle(digest, wasm, entrypoints, data=data or {}, modules=modules)

    return compile_it


@pytest.fixture(scope="module")
def wasm_engine() -> WasmEngine:
    """The engine of this process."""
    return WasmEngine()
