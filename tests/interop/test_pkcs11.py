"""The contract of signers over a real PKCS #11 token, SoftHSM, and a tenant whose key lies in one.

SoftHSM is unpacked from Debian's packages where it is not installed, which needs no root; elsewhere the tests fail and
say what to install.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.assets.curated import curated_folder
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewSigningKey, VerifySubject
from catalog.attestations.statements import Subject
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.db import Database
from catalog.providers.signers import KeyAlgorithm, Signer, SignerError, open_signer
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.cli.packing import pack_folder, read_packed
from tests.catalog.providers.signers.contract import MESSAGE, SignerContract

PIN = "a pin of the token"


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The library and the tool of SoftHSM."""
    tool, roots = shutil.which("softhsm2-util"), [Path("/usr/lib")]
    if tool is None:
        folder = tmp_path_factory.mktemp("softhsm")
        fetched = subprocess.run(
            ["apt-get", "download", "softhsm2", "libsofthsm2"], cwd=folder, capture_output=True, text=True
        )
        assert fetched.returncode == 0, f"install softhsm2; apt-get says: {fetched.stderr}"
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, folder / "root"], check=True)
        tool, roots = str(folder / "root/usr/bin/softhsm2-util"), [folder / "root/usr/lib"]
    library = next((path for root in roots for path in root.rglob("libsofthsm2.so")), None)
    assert library is not None, "install softhsm2: its library libsofthsm2.so is missing"
    return library, Path(tool)


@pytest.fixture(scope="module")
def token(softhsm: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that name a fresh token."""
    library, tool = softhsm
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    patch = pytest.MonkeyPatch()
    # The library reads it once, when it is first loaded into this process.
    patch.setenv("SOFTHSM2_CONF", str(configuration))
    command = [str(tool), "--module", str(library), "--init-token", "--free", "--label", "slipway"]
    subprocess.run([*command, "--pin", PIN, "--so-pin", "5678"], check=True, capture_output=True)
    (folder / "pin").write_text(f"{PIN}\n")
    return Settings(
        database_url="postgresql://", pkcs11_module=library, pkcs11_token="slipway", pkcs11_pin_file=folder / "pin"
    )


class TestSoftHsm(SignerContract):
    """The signer ``pkcs11``."""

    @pytest.fixture
    def signer(self, token: Settings) -> Signer:
        return open_signer("pkcs11", token)


def test_a_wrong_pin_or_token_is_refused_and_never_shown(token: Settings, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("another pin")
    for changed in ({"pkcs11_pin_file": tmp_path / "pin"}, {"pkcs11_token": "another"}):
        with pytest.raises(SignerError) as refused:
            open_signer("pkcs11", token.model_copy(update=changed)).create("tenants/one", KeyAlgorithm.ECDSA_P256)
        assert "pin of the token" not in str(refused.value)
    signer = open_signer("pkcs11", token)
    made = signer.create("tenants/one", KeyAlgorithm.RSA_3072)
    assert len(signer.sign(made.ref, KeyAlgorithm.RSA_3072, MESSAGE)) == 384


def test_a_tenant_signs_with_a_key_in_the_token(
    token: Settings, settings: Settings, database: Database, acme: Principal
) -> None:
    names = ("pkcs11_module", "pkcs11_token", "pkcs11_pin_file")
    held = settings.model_copy(
        update={"master_key": SecretStr("k" * 43)} | {name: getattr(token, name) for name in names}
    )
    digest = "ab" * 32
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, held)
        made = service.create_key(acme, NewSigningKey(name="in the module", signer="pkcs11"))
        assert made.signs
        content = {"passedTests": [], "result": "PASSED", "configuration": []}
        kind = "https://in-toto.io/attestation/test-result/v0.1"
        signed = service.sign(acme, [Subject("web", "sha256", digest)], kind, content)
        assert signed.key_id == made.key_id
        policy = TrustPolicy(requirements=[Requirement(evidence="test-result", applies_to=["file"])])
        asked = VerifySubject(subject=f"sha256:{digest}", kind="file", policy=policy)
        assert service.verify(acme.tenant_id, asked).trusted
    assert not list(settings.data_dir.glob("keys/signing/tenants/**/*.key")), "nothing of it lies in a file"


def test_a_build_signs_its_assets_with_a_key_in_the_token(token: Settings, tmp_path: Path) -> None:
    built = tmp_path / "build" / "packed"
    settings = token.model_copy(update={"release_signer": "pkcs11"})
    pack_folder(curated_folder() / "strategies", built, settings)
    pack_folder(curated_folder() / "strategies", built, settings)
    assert len(list(read_packed(built))) == 3
    assert json.loads((built.parent / "release-key.json").read_text())["signer"] == "pkcs11"
    assert not list(built.parent.glob("*.pem")), "nothing of it lies in a file"
