"""The curated assets: each checks without a finding and builds to the same bytes."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from catalog.assets.blueprint_spec import DeploymentSpec, parse_spec
from catalog.assets.check import check_directory
from catalog.assets.inputs import complete_inputs
from catalog.assets.kinds import kinds
from tests.blueprints.shared_files import copies

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
CURATED = sorted(manifest.parent for manifest in BLUEPRINTS.glob("*/*/asset.yaml"))


def test_none_is_overlooked() -> None:
    assert {manifest.parent for manifest in BLUEPRINTS.rglob("asset.yaml")} == set(CURATED)
    assert "preview_web" in [directory.name for directory in CURATED]


@pytest.mark.parametrize("directory", CURATED, ids=lambda directory: directory.name)
def test_it_checks_without_a_finding(directory: Path) -> None:
    checked, _ = check_directory(directory)
    assert [str(finding) for finding in checked.findings] == []
    assert checked.package is not None
    assert checked.package.manifest.metadata.namespace == "slipway"
    assert checked.package.manifest.kind in kinds()


@pytest.mark.parametrize("directory", CURATED, ids=lambda directory: directory.name)
def test_it_builds_to_the_same_bytes_whatever_the_files_dates_and_modes(directory: Path, tmp_path: Path) -> None:
    _, first = check_directory(directory)
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        if path.is_file():
            path.chmod(0o600)
    _, second = check_directory(copy)
    assert first == second


@pytest.mark.parametrize("directory", CURATED, ids=lambda directory: directory.name)
def test_its_changelog_tells_of_its_version(directory: Path) -> None:
    checked, _ = check_directory(directory)
    assert checked.package is not None
    version = checked.package.manifest.metadata.version
    assert f"## {version}\n" in checked.package.text("CHANGELOG.md")


def test_the_preview_blueprint_needs_no_inputs() -> None:
    directory = next(each for each in CURATED if each.name == "preview_web")
    checked, _ = check_directory(directory)
    assert checked.package is not None
    spec = parse_spec(checked.package.document.value)
    assert spec.environment.processes["web"].procfile == "web"
    schema = json.loads((directory / "inputs.schema.json").read_text())
    assert complete_inputs(schema, {}) == {"greeting": "Hello from a preview environment", "health_path": "/"}


def test_what_assets_share_is_the_same_in_each() -> None:
    stale = [str(path) for path, text in copies() if not path.is_file() or path.read_text("utf-8") != text]
    assert stale == [], "Copy again with: make golden"


def test_there_is_a_strategy_of_every_type_with_gates_that_do_not_take_silence_for_success() -> None:
    specs = {path.name: _spec_of(path) for path in CURATED if path.parent.name == "strategies"}
    strategies = {name: spec.strategy for name, spec in specs.items() if spec.strategy is not None}
    assert {each.type for each in strategies.values()} == {"canary", "blue-green", "rolling"}
    for name in ("canary", "blue_green"):
        analysis = strategies[name].analysis
        assert analysis is not None
        assert analysis.on_failure == "abort"
        assert {metric.on_nodata for metric in analysis.metrics} == {"inconclusive"}


def _spec_of(directory: Path) -> DeploymentSpec:
    manifest = yaml.safe_load((directory / "asset.yaml").read_text())
    return DeploymentSpec.model_validate_json(json.dumps(manifest["spec"]), strict=True)
