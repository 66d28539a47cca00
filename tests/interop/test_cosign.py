"""Bundles between Slipway and the real cosign, offline and in both directions."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from catalog.assets.curated import curated_folder
from catalog.attestations.local_signing import sign_bundle
from catalog.attestations.models import SigningKey
from catalog.attestations.predicates import PROVENANCE, PUBLISH
from catalog.attestations.signatures import algorithm_of, key_id, load_public_der, load_public_key, pem
from catalog.attestations.statements import STATEMENT_V01, Subject
from catalog.attestations.verification import Anchors, Proof, prove
from catalog.clock import now
from catalog.providers.signers.local import PrivateKey, spki
from catalog.settings import Settings, load_settings
from portal.cli.packing import pack_folder
from workers.toolchain import COSIGN, ensure

PREDICATE = {
    "buildDefinition": {"buildType": "https://example.com/build/v1", "externalParameters": {}},
    "runDetails": {"builder": {"id": "https://example.com/builders/1"}},
}
Cosign = Callable[..., subprocess.CompletedProcess[str]]
KEYS: dict[str, Callable[[], PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.fixture(scope="session")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """Return what runs cosign in a home of its own."""
    program = ensure(load_settings().tools_dir, COSIGN)
    home = tmp_path_factory.mktemp("cosign")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "COSIGN_PASSWORD": "", "TMPDIR": str(home)}
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Some artifact, with what is said about it beside it."""
    (tmp_path / "predicate.json").write_text(json.dumps(PREDICATE))
    path = tmp_path / "service.tar"
    path.write_bytes(b"a service")
    return path


def digest_of(path: Path) -> str:
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def ours(artifact: Path, key: PrivateKey) -> tuple[Path, Path]:
    """Return a bundle of ours about the artifact, and the public key."""
    bundle, public = artifact.with_suffix(".sigstore.json"), artifact.with_suffix(".pub")
    subject = Subject(artifact.name, "sha256", digest_of(artifact))
    bundle.write_bytes(sign_bundle(key, [subject], PROVENANCE, PREDICATE))
    public.write_text(pem(load_public_der(spki(key))))
    return bundle, public


def verify(cosign: Cosign, bundle: Path, public: Path, artifact: Path, kind: str = "slsaprovenance1") -> int:
    done = cosign(
        "verify-blob-attestation",
        "--bundle",
        bundle,
        "--key",
        public,
        "--type",
        kind,
        "--insecure-ignore-tlog",
        artifact,
    )
    return done.returncode


def proven(bundle: bytes, public: str) -> Proof:
    key = load_public_key(public)
    row = SigningKey(
        tenant_id=uuid4(),
        key_id=key_id(key),
        name="cosign",
        algorithm=algorithm_of(key),
        public_key=pem(key),
        created_by="",
    )
    return prove(bundle, Anchors([row], [], None), now())


@pytest.mark.parametrize("name", KEYS)
def test_cosign_verifies_ours(cosign: Cosign, artifact: Path, name: str) -> None:
    bundle, public = ours(artifact, KEYS[name]())
    assert verify(cosign, bundle, public, artifact) == 0
    assert verify(cosign, bundle, public, artifact, "cyclonedx") != 0
    other = artifact.with_name("other.tar")
    other.write_bytes(b"another service")
    assert verify(cosign, bundle, public, other) != 0
    assert verify(cosign, bundle, ours(other, KEYS[name]())[1], artifact) != 0
    bundle.write_bytes(bundle.read_bytes().replace(b'"payload":"ey', b'"payload":"ez'))
    assert verify(cosign, bundle, public, artifact) != 0


@pytest.mark.parametrize("mode", ["--predicate", "--statement"])
def test_we_verify_those_of_cosign(cosign: Cosign, artifact: Path, tmp_path: Path, mode: str) -> None:
    config, bundle = tmp_path / "signing-config.json", tmp_path / "cosign.sigstore.json"
    nothing = ("--no-default-fulcio", "--no-default-rekor", "--no-default-tsa", "--no-default-oidc")
    assert cosign("signing-config", "create", *nothing, "--out", config).returncode == 0
    made = cosign("generate-key-pair", "--output-key-prefix", tmp_path / "builder")
    assert made.returncode == 0, made.stderr
    if mode == "--statement":
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": artifact.name, "digest": {"sha256": digest_of(artifact)}}],
            "predicateType": PROVENANCE,
            "predicate": PREDICATE,
        }
        (tmp_path / "statement.json").write_text(json.dumps(statement))
        said: tuple[str | Path, ...] = ("--statement", tmp_path / "statement.json")
    else:
        said = ("--predicate", tmp_path / "predicate.json", "--type", "slsaprovenance1", artifact)
    signed = cosign(
        "attest-blob", "--key", tmp_path / "builder.key", "--bundle", bundle, "--signing-config", config, "-y", *said
    )
    assert signed.returncode == 0, signed.stderr
    proof = proven(bundle.read_bytes(), (tmp_path / "builder.pub").read_text())
    assert proof.statement.predicate_type == PROVENANCE
    assert proof.statement.is_about(digest_of(artifact))
    if mode == "--predicate":
        assert proof.statement.type == STATEMENT_V01


def test_cosign_verifies_what_a_build_signs_of_its_assets(cosign: Cosign, tmp_path: Path) -> None:
    built = tmp_path / "build" / "packed"
    document = pack_folder(curated_folder() / "strategies", built, Settings(database_url="postgresql://"))
    assert len(document["assets"]) == 3
    for each in document["assets"]:
        provenance, publication = (built / name for name in each["bundles"])
        archive, public = built / each["archive"], built / "release-key.pub"
        assert verify(cosign, provenance, public, archive) == 0
        assert verify(cosign, publication, public, archive, PUBLISH) == 0
        assert verify(cosign, provenance, public, archive, PUBLISH) != 0
