"""Attesting and verifying on the command line, with the portal and without anybody."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr
from sqlmodel import select

from catalog.assets.service import AssetService
from catalog.attestations.models import RegistryRecord
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import RevokeKey
from catalog.attestations.signatures import load_public_der, pem
from catalog.clock import now
from catalog.db import Database
from catalog.providers.signers.local import PrivateKey, spki
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal

Slipway = Callable[..., CompletedProcess[str]]
Keys = tuple[Path, Path]
PREDICATE = {"buildDefinition": {"buildType": "https://example.com/b"}, "runDetails": {"builder": {"id": "x:y"}}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


def write_keys(folder: Path, name: str, key: PrivateKey, password: bytes | None = None) -> Keys:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    public.write_text(pem(load_public_der(spki(key))))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A private and a public key in files."""
    return write_keys(tmp_path, "key", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Some file, with what is to be said about it beside it."""
    (tmp_path / "said.json").write_text(json.dumps(PREDICATE))
    path = tmp_path / "service.tar"
    path.write_bytes(b"a service")
    return path


def test_without_anybody(slipway: Slipway, keys: Keys, artifact: Path, tmp_path: Path) -> None:
    private, public = keys
    bundle = tmp_path / "service.sigstore.json"
    said = ("--predicate", tmp_path / "said.json", "--type", "slsaprovenance1")
    made = slipway("attest", artifact, *said, "--key", private, "--bundle", bundle)
    assert made.returncode == 0, made.stderr
    offline = ("--bundle", bundle, "--key", public)
    done = slipway("verify", artifact, *offline, "--type", "slsaprovenance1")
    assert done.returncode == 0, done.stderr
    assert "provenance" in done.stdout
    assert json.loads(slipway("verify", artifact, *offline, "--json").stdout)["trusted"]
    other = write_keys(tmp_path, "other", ed25519.Ed25519PrivateKey.generate())[1]
    refusals = {
        "given keys": ("--bundle", bundle, "--key", other),
        "was asked for": (*offline, "--type", "vsa"),
    }
    for word, options in refusals.items():
        refused = slipway("verify", artifact, *options)
        assert (refused.returncode, word in refused.stderr) == (1, True), refused.stderr
    artifact.write_bytes(b"another service")
    replayed = slipway("verify", artifact, *offline)
    assert (replayed.returncode, "about other artifacts" in replayed.stderr) == (1, True)
    bundle.write_bytes(bundle.read_bytes().replace(b'"payload":"ey', b'"payload":"ez'))
    assert slipway("verify", artifact, *offline).returncode == 1


def test_a_locked_key_needs_its_password(slipway: Slipway, artifact: Path, tmp_path: Path) -> None:
    private, _ = write_keys(tmp_path, "locked", ed25519.Ed25519PrivateKey.generate(), b"secret")
    (tmp_path / "password").write_text("secret\n")
    common = ("attest", artifact, "--predicate", tmp_path / "said.json", "--type", "slsaprovenance1", "--key", private)
    refused = slipway(*common, "--bundle", tmp_path / "b.json")
    assert (refused.returncode, "locked" in refused.stderr) == (1, True)
    done = slipway(*common, "--bundle", tmp_path / "b.json", "--password-file", tmp_path / "password")
    assert done.returncode == 0, done.stderr


def test_with_the_portal(
    slipway: Slipway, signed_in: dict[str, str], keys: Keys, artifact: Path, tmp_path: Path
) -> None:
    private, _ = keys
    said = ("--predicate", tmp_path / "said.json", "--type", "slsaprovenance1")
    unknown = slipway("attest", artifact, *said, "--key", private, env=signed_in)
    assert (unknown.returncode, "unknown_key" in unknown.stderr) == (1, True)
    signed = slipway("attest", artifact, *said, env=signed_in)
    assert signed.returncode == 0, signed.stderr
    assert "by acme signing key is evidence about service.tar" in signed.stdout
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"requirements": [{"evidence": "provenance", "applies_to": ["file"]}]}))
    done = slipway("verify", artifact, "--policy", policy, env=signed_in)
    assert (done.returncode, "is trusted" in done.stdout) == (0, True), done.stderr
    policy.write_text(json.dumps({"requirements": [{"evidence": "sbom", "applies_to": ["file"]}]}))
    missing = slipway("verify", artifact, "--policy", policy, env=signed_in)
    assert missing.returncode == 1
    assert "missing: sbom" in missing.stdout
    assert slipway("verify", "acme/nothing", env=signed_in).returncode == 4
    assert slipway("verify", "nonsense", env=signed_in).returncode == 1
    assert slipway("verify", "acme/x", env={**signed_in, "SLIPWAY_URL": "http://127.0.0.1:9"}).returncode == 5
    assert slipway("verify", artifact, "--key", keys[1], env=signed_in).returncode == 2


def test_an_asset_built_with_provenance_is_proven(
    slipway: Slipway,
    signed_in: dict[str, str],
    keys: Keys,
    blueprint: Path,
    database: Database,
    settings: Settings,
    acme: Principal,
) -> None:
    private, public = keys
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "x")):
        subprocess.run(["git", "-C", blueprint, *command], check=True)
    built = json.loads(slipway("asset", "build", blueprint, "--sign", private, "--json").stdout)
    offline = slipway("verify", built["path"], "--bundle", built["bundle"], "--key", public, "--json")
    assert json.loads(offline.stdout)["checked"][0]["evidence"] == "provenance", offline.stderr
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        assets = AssetService(session)
        found = assets.get_version(acme.tenant_id, "acme", "my-preview")
        version = assets.version_by_id(acme.tenant_id, found.id)
        service.sign_published(system_principal(acme.tenant_id, "acme"), version.model_dump())
        service.countersign(version, "published", version.id, now())
    done = slipway("verify", "acme/my-preview", env=signed_in)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "log has 1 entry," in done.stdout
    with database.tenant_session(acme.tenant_id) as session:
        session.delete(session.exec(select(RegistryRecord)).one())
    rewritten = slipway("verify", "acme/my-preview", env=signed_in)
    assert (rewritten.returncode, "was rewritten" in rewritten.stderr) == (1, True)


def test_an_environment_and_a_release_are_proven_until_their_key_is_revoked(
    slipway: Slipway,
    signed_in: dict[str, str],
    acme: Principal,
    database: Database,
    settings: Settings,
    tmp_path: Path,
) -> None:
    environment, release = UUID(int=1), UUID(int=2)
    blueprint = {"asset": "acme/web", "version": "1.0.0", "digest": f"sha256:{'b' * 64}"}
    content = {
        "environment": str(environment),
        "name": "pr-42",
        "generation": 1,
        "incarnation": 1,
        "blueprint": blueprint,
        "lock": [blueprint],
        "inputs": f"sha256:{'d' * 64}",
        "source": {"repository": "https://git.example.com/web", "commit": "a" * 40, "pullRequest": 42},
        "plan": f"sha256:{'e' * 64}",
        "url": "http://pr-42.preview.localhost/",
    }
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        service.sign_environment(acme, environment, content)
        service.sign_release(acme, release, "web 1.4.0", "a" * 40, ["c" * 64])
    policy = tmp_path / "policy.json"
    kinds = ["environment", "release"]
    policy.write_text(json.dumps({"requirements": [{"evidence": each, "applies_to": [each]} for each in kinds]}))
    names = [f"environments/{environment}", f"releases/{release}"]
    for name in names:
        done = slipway("verify", name, "--policy", policy, env=signed_in)
        assert (done.returncode, f"{name} is trusted" in done.stdout) == (0, True), done.stderr + done.stdout
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        (key,) = service.keys(acme.tenant_id)
        service.revoke_key(acme, key.id, RevokeKey(reason="it leaked"))
    for name, kind in zip(names, kinds, strict=True):
        done = slipway("verify", name, "--policy", policy, env=signed_in)
        assert (done.returncode, f"missing: {kind}" in done.stdout) == (1, True), done.stderr + done.stdout
    assert slipway("verify", f"environments/{release}", env=signed_in).returncode == 4
    assert slipway("verify", "releases/nonsense", env=signed_in).returncode == 1
