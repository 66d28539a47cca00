"""Signatures of bundles, held against the real OPA in both directions."""

import base64
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from catalog.policies.bundle_signatures import SIGNATURES, BundleSignatureError, PrivateKey, sign_bundle, verify_bundle

FILES = {
    ".manifest": b'{"roots": ["t"], "revision": "1.0.0"}',
    "data.json": b'{"t": {"z": [1, 2.5, "<&>"], "a": {"\xe2\x82\xac": null}}}',
    "t/rules.rego": b"package t.rules\n\nallow := data.t.z[0] == 1\n",
}


@pytest.fixture(scope="module", params=["ec", "rsa"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    if request.param == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def bundle(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def opa_takes(opa: Path, folder: Path, files: Mapping[str, bytes], key: PrivateKey) -> bool:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
    (folder / "bundle.tar.gz").write_bytes(bundle(files))
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    command = [str(opa), "build", "-b", "bundle.tar.gz", "--verification-key", "public.pem", "-o", "out.tar.gz"]
    command += ["--verification-key-id", "ours", "--signing-alg", algorithm]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def test_opa_takes_what_we_sign(opa: Path, tmp_path: Path, key: PrivateKey) -> None:
    signed = {**FILES, SIGNATURES: sign_bundle(FILES, key, key_id="ours")}
    assert opa_takes(opa, tmp_path, signed, key)
    assert not opa_takes(opa, tmp_path, {**signed, "t/rules.rego": b"package t.rules\n\nallow := true\n"}, key)
    assert not opa_takes(opa, tmp_path, {**signed, "t/more.rego": b"package t.more\n"}, key)


def test_we_take_what_opa_signs(opa: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(secret)
    for name, data in FILES.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(data)
    command = [str(opa), "sign", "--signing-key", "key.pem", "--signing-alg", "ES256", "--bundle", "b"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = {each["name"] for each in json.loads(_payload((tmp_path / ".signatures.json").read_bytes()))["files"]}
    assert listed == {f"b/{name}" for name in FILES} or listed == set(FILES)
    prefix = "b/" if "b/data.json" in listed else ""
    files = {f"{prefix}{name}": data for name, data in FILES.items()}
    signed = {**files, SIGNATURES: (tmp_path / ".signatures.json").read_bytes()}
    verify_bundle(signed, key.public_key(), key_id="")


def _payload(signatures: bytes) -> bytes:
    part = json.loads(signatures)["signatures"][0].split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_white_space_of_documents_does_not_matter(key: PrivateKey) -> None:
    signatures = sign_bundle(FILES, key, key_id="k")
    respelled = {**FILES, "data.json": json.dumps(json.loads(FILES["data.json"]), indent=4).encode()}
    verify_bundle({**respelled, SIGNATURES: signatures}, key.public_key(), key_id="k")


@pytest.mark.parametrize(
    "changed",
    [
        {"t/rules.rego": b"package t.rules\n"},
        {"data.json": b"{}"},
        {"extra.rego": b"package t"},
        {".manifest": None},
        {SIGNATURES: b"{}"},
        {SIGNATURES: b'{"signatures": ["a.b.c", "a.b.c"]}'},
        {SIGNATURES: None},
    ],
)
def test_what_does_not_hold(key: PrivateKey, changed: Mapping[str, bytes | None]) -> None:
    signed: dict[str, bytes | None] = {**FILES, SIGNATURES: sign_bundle(FILES, key, key_id="k"), **changed}
    present = {name: data for name, data in signed.items() if data is not None}
    with pytest.raises(BundleSignatureError):
        verify_bundle(present, key.public_key(), key_id="k")


def test_another_key_another_name_another_scope(key: PrivateKey) -> None:
    signed = {**FILES, SIGNATURES: sign_bundle(FILES, key, key_id="k", scope="prod")}
    verify_bundle(signed, key.public_key(), key_id="k", scope="prod")
    for public, name, scope in (
        (ec.generate_private_key(ec.SECP256R1()).public_key(), "k", "prod"),
        (key.public_key(), "other", "prod"),
        (key.public_key(), "k", ""),
    ):
        with pytest.raises(BundleSignatureError):
            verify_bundle(signed, public, key_id=name, scope=scope)
