"""Curated policy bundles that were compiled at set-up: the same bytes as compiling now, and never those of another."""

import json
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from catalog.assets.check import check_archive, check_directory
from catalog.assets.curated import curated_folder
from catalog.assets.package import Package
from catalog.settings import Settings, load_settings
from workers.policy_compiler import Compiled, PolicySources, prepared
from workers.policy_compiler.compiling import compile_sources, version
from workers.policy_compiler.here import run_here
from workers.sandbox import Outcome, Task
from workers.toolchain import OPA, ensure
from workers.upload_checks import Bench
from workers.upload_checks.policy_bundle import CHECK


@pytest.fixture(scope="module")
def opa() -> Path:
    return ensure(load_settings().tools_dir, OPA)


@pytest.fixture(scope="module")
def package() -> Package:
    """The smallest curated bundle that has everything."""
    data = check_directory(curated_folder() / "policies" / "slsa")[1]
    found = check_archive(BytesIO(data)).package
    assert found is not None
    return found


@pytest.fixture(scope="module")
def compiled(package: Package, opa: Path) -> Compiled:
    return compile_sources(PolicySources.of(package), opa, run_here)


@pytest.fixture
def tools(tmp_path: Path, package: Package, opa: Path, compiled: Compiled) -> Path:
    """A tools folder in which the bundle is prepared, and no program."""
    prepared.keep(tmp_path, PolicySources.of(package), version(opa), compiled)
    return tmp_path


def test_what_is_prepared_is_what_compiling_makes(tools: Path, package: Package, opa: Path, compiled: Compiled) -> None:
    found = prepared.find(tools, PolicySources.of(package), version(opa))
    assert found is not None
    assert found.artifacts == compiled.artifacts
    assert found.findings == compiled.findings
    assert found.report["tests"] == compiled.report["tests"]
    assert found.succeeded


def test_anything_else_is_not_found(tools: Path, package: Package, opa: Path) -> None:
    sources = PolicySources.of(package)
    path = next(path for path in sources.files if path.endswith(".rego"))
    one_byte_more: Mapping[str, bytes] = {**sources.files, path: sources.files[path] + b"\n"}
    others = [
        (replace(sources, files=one_byte_more), version(opa)),
        (replace(sources, spec={**sources.spec, "level": "advisory"}), version(opa)),
        (replace(sources, spec={**sources.spec, "entrypoints": []}), version(opa)),
        (sources, "1.0.0"),
    ]
    assert [prepared.find(tools, *each) for each in others] == [None] * len(others)


@pytest.mark.parametrize("name", ["policy.wasm", "policy.json", "findings.json"])
def test_what_is_not_whole_is_not_used(tools: Path, package: Package, opa: Path, name: str) -> None:
    (file,) = tools.glob(f"policies/*/{name}")
    file.write_bytes(file.read_bytes()[:-20])
    assert prepared.find(tools, PolicySources.of(package), version(opa)) is None


def test_a_module_of_another_bundle_is_not_used(tools: Path, package: Package, opa: Path) -> None:
    (file,) = tools.glob("policies/*/policy.json")
    facts = json.loads(file.read_bytes())
    file.write_text(json.dumps({**facts, "entrypoints": [*facts["entrypoints"], "slsa/allow"]}))
    assert prepared.find(tools, PolicySources.of(package), version(opa)) is None


def test_publishing_a_prepared_bundle_runs_nothing(tools: Path, package: Package, compiled: Compiled) -> None:
    said: list[str] = []

    def run(task: Task, *_: object) -> Outcome:
        raise AssertionError(f"nothing has to run: {task.command}")

    bench = Bench(Settings(tools_dir=tools), run, lambda *_: None, said.append)
    result = CHECK.check(package, bench)
    assert result.derived.artifacts == compiled.artifacts
    assert "when Slipway was set up" in said[0]
