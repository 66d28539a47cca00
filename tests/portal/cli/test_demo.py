"""``slipway demo``: the curated assets are published once, signed, and there for every tenant."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from catalog.attestations.signatures import pem
from catalog.settings import Settings

Slipway = Callable[..., CompletedProcess[str]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with the key that seals the signing keys, which `slipway up` makes."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.mark.usefixtures("checking")
def test_the_demo_publishes_what_is_missing_and_nothing_twice(
    slipway: Slipway,
    installation: dict[str, str],
    portal_url: str,
    settings: Settings,
    signed_in: dict[str, str],
    tmp_path: Path,
) -> None:
    port = portal_url.rpartition(":")[2]
    env = {
        **installation,
        "PORT": port,
        "SLIPWAY_DATABASE_URL": settings.database_url,
        "SLIPWAY_DATABASE_SYSTEM_URL": settings.database_system_url,
    }
    first = slipway("demo", env=env)
    assert first.returncode == 0, first.stderr
    assert "Published slipway/" in first.stdout
    again = slipway("demo", env=env)
    assert again.returncode == 0, again.stderr
    assert again.stdout == ""
    # The build's statements are kept beside the registry's, and another tenant sees both, because they are public.
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"requirements": [{"evidence": "provenance"}, {"evidence": "publish"}]}))
    verified = slipway("verify", "slipway/preview-web", "--policy", policy, "--json", env=signed_in)
    assert verified.returncode == 0, verified.stderr
    judged = json.loads(verified.stdout)
    release = [each for each in judged["checked"] if each["attestation"]["signer"] == "release key"]
    assert sorted(each["attestation"]["evidence"] for each in release) == ["provenance", "publish"]
    assert (judged["trusted"], all(each["is_trusted_signer"] for each in release)) == (True, True)
    # Where a key is named, nothing counts that another one signed.
    (tmp_path / "other.pub").write_text(pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    foreign = slipway("demo", env={**env, "SLIPWAY_RELEASE_PUBLIC_KEY": str(tmp_path / "other.pub")})
    assert (foreign.returncode, "not a signature of the given keys" in foreign.stderr) == (1, True), foreign.stderr
    # Another tenant sees the assets.
    assert "slipway/preview-web" in slipway("search", "preview-web", env=signed_in).stdout
    repository = settings.data_dir / "demo" / "repositories" / "hello-slipway"
    assert (repository / "Procfile").is_file()
