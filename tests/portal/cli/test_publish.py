"""`slipway publish` of what a sandboxed worker checks: the steps as they go, the version, and every finding."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from catalog.settings import Settings

Slipway = Callable[..., CompletedProcess[str]]
Working = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with which the portal does not wait, so that the command has to follow."""
    return settings.model_copy(update={"upload_wait_seconds": 0.0})


def test_the_checks_are_followed_to_the_version(
    slipway: Slipway, signed_in: dict[str, str], working: Working, tmp_path: Path
) -> None:
    folder = tmp_path / "my-pipeline"
    assert slipway("asset", "init", "pipeline-template", folder, env=signed_in).returncode == 0
    with working():
        done = slipway("publish", folder, env=signed_in)
        again = slipway("publish", folder, "--json", env=signed_in)
        golden = folder / "examples/default/expected/.github/workflows/test.yml"
        golden.write_text(golden.read_text().replace("ubuntu-latest", "ubuntu-oldest"))
        manifest = folder / "asset.yaml"
        manifest.write_text(manifest.read_text().replace("version: 0.1.0", "version: 0.2.0"))
        refused = slipway("publish", folder, env=signed_in)
    assert done.returncode == 0, done.stderr
    assert "✓ Render the examples" in done.stderr
    assert "✓ Publish the version" in done.stderr
    assert "acme/my-pipeline@0.1.0 is published" in done.stdout
    assert json.loads(again.stdout)["created"] is False
    assert refused.returncode == 1
    assert "✗ Render the examples" in refused.stderr
    assert "nothing was published" in refused.stderr
    assert "[golden]" in refused.stderr
    at_home = slipway("asset", "check", folder)
    assert at_home.returncode == 1
    assert "golden" in at_home.stdout
