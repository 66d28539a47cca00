"""`slipway publish` in a CI job: the job's identity takes the place of a token."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.assets.skeletons import skeleton
from catalog.settings import Settings, inherited_environment


@pytest.fixture
def portal_url(settings: Settings, serve: Any) -> Iterator[str]:
    """Serve a portal that accepts the issuer, and return its address."""
    with serve(settings) as own:
        yield own.base_url


def test_a_job_publishes_with_its_identity_alone(
    portal_url: str, trust: dict[str, Any], issuer: Any, tmp_path: Path
) -> None:
    assert trust["pending"]
    for path, content in skeleton("deployment-blueprint", "acme", "preview").items():
        target = tmp_path / "preview" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def publish(identity: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": inherited_environment()["PATH"], "HOME": str(tmp_path), "SLIPWAY_URL": portal_url}
        return subprocess.run(
            [sys.executable, "-m", "portal.cli.main", "publish", "preview"],
            env={**environment, "SLIPWAY_ID_TOKEN": identity},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    refused = publish(issuer.token(environment="test"))
    assert refused.returncode == 1
    assert "No trusted publisher lets this job publish the asset" in refused.stderr
    done = publish(issuer.token())
    assert done.returncode == 0, done.stderr
    assert "acme/preview@0.1.0 is published" in done.stdout
