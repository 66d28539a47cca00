"""``slipway export`` and ``slipway import``."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pydantic import SecretStr

from catalog.settings import Settings

Slipway = Callable[..., CompletedProcess[str]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let exports be signed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


def test_an_export_is_a_layout_and_comes_in_again(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, tmp_path: Path
) -> None:
    del blueprint
    folder = tmp_path / "layout"
    done = slipway("export", "acme/my-preview", "-o", folder, env=signed_in)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((folder / "index.json").read_text())["manifests"]
    report = slipway("import", folder, "--json", env=signed_in)
    assert report.returncode == 0, report.stderr
    told = json.loads(report.stdout)
    assert [each["outcome"] for each in told["versions"]] == ["present"]
    assert told["signer"] == "acme signing key"
    again = slipway("export", "acme/my-preview", "-o", folder, env=signed_in)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    archive = tmp_path / "layout.tar"
    assert slipway("export", "acme/my-preview", "-o", archive, env=signed_in).returncode == 0
    archive.write_bytes(archive.read_bytes().replace(b"acme", b"acne", 1))
    refused = slipway("import", archive, env=signed_in)
    assert refused.returncode == 1
    assert "do not have the digest" in refused.stderr
