"""``slipway policy test`` and ``slipway policy compile``: a bundle where it is written."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from catalog.assets.kinds.policy_bundle import KIND
from catalog.policies.engine import WasmEngine, read_bundle
from catalog.settings import load_settings

Slipway = Callable[..., CompletedProcess[str]]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with the skeleton of a bundle."""
    folder = tmp_path / "my-policy"
    for path, data in KIND.skeleton("acme", "my-policy").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def tools() -> dict[str, str]:
    """The variable that names the folder with OPA."""
    return {"SLIPWAY_TOOLS_DIR": str(load_settings().tools_dir)}


def test_a_bundle_is_tested_and_compiled(slipway: Slipway, bundle: Path, tools: dict[str, str]) -> None:
    done = slipway("policy", "test", bundle, env=tools)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 tests passed, 100.0 % of the lines reached." in done.stdout
    out = bundle.parent / "out"
    done = slipway("policy", "compile", bundle, "--output", out, "--json", env=tools)
    assert done.returncode == 0, done.stderr
    compiled = read_bundle((out / "policy.wasm").read_bytes(), (out / "policy.json").read_bytes())
    assert json.loads(done.stdout)["digest"] == compiled.digest
    assert WasmEngine().check(compiled) is None


def test_what_is_wrong_is_said(slipway: Slipway, bundle: Path, tools: dict[str, str]) -> None:
    (rules,) = (bundle / "content").rglob("*.rego")
    rules.write_text(rules.read_text() + '\nleak := http.send({"url": "x"})\n')
    done = slipway("policy", "test", bundle, "--json", env=tools)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert not document["succeeded"]
    (finding,) = document["findings"]
    assert finding["rule"] == "rego-builtin"
    assert finding["line"] == len(rules.read_text().splitlines())
    assert "http.send may not be called" in slipway("policy", "compile", bundle, env=tools).stdout


def test_folders_that_hold_no_bundle(slipway: Slipway, tmp_path: Path, tools: dict[str, str]) -> None:
    done = slipway("policy", "test", tmp_path / "nothing", env=tools)
    assert done.returncode == 4
    assert "asset init policy-bundle" in done.stderr
    assert slipway("policy", "test", env=tools).returncode == 2
