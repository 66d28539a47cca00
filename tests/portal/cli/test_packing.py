"""``slipway asset pack``: what a build says of its assets is signed, kept while nothing changes, and verified."""

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pydantic import SecretStr

from catalog.assets.skeletons import skeleton
from catalog.attestations.signatures import pem
from catalog.settings import Settings
from portal.cli.errors import CommandError
from portal.cli.packing import Packed, pack_folder, read_packed
from tests.catalog.providers.signers.contract import kms_stand_in

Slipway = Callable[..., CompletedProcess[str]]


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    """A folder of two assets."""
    folder = tmp_path / "goods"
    for name in ("one", "two"):
        for path, content in skeleton("deployment-blueprint", "acme", name).items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_bytes(content)
    return folder


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Where a build puts them."""
    return tmp_path / "build" / "packed"


@pytest.fixture(scope="module")
def kms() -> Iterator[str]:
    with kms_stand_in() as address:
        yield address


def plain(**given: object) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://", **given})


def read(folder: Path) -> list[Packed]:
    return list(read_packed(folder))


def test_what_a_build_signs_is_proven_offline_and_kept_while_nothing_changes(
    slipway: Slipway, goods: Path, built: Path, installation: dict[str, str]
) -> None:
    done = slipway("asset", "pack", goods, "--output", built, "--json", env=installation)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [each["asset"] for each in document["assets"]] == ["acme/one", "acme/two"]
    key = built.parent / "release-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in built.iterdir() if "PRIVATE" in path.read_bytes().decode(errors="ignore")] == []
    first = document["assets"][0]
    bundles = [part for name in first["bundles"] for part in ("--bundle", built / name)]
    proven = slipway("verify", built / first["archive"], *bundles, "--key", built / "release-key.pub", "--json")
    assert proven.returncode == 0, proven.stderr
    assert [each["evidence"] for each in json.loads(proven.stdout)["checked"]] == ["provenance", "publish"]

    before = {path.name: path.read_bytes() for path in built.iterdir()}
    assert slipway("asset", "pack", goods, "--output", built, env=installation).returncode == 0
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before
    (goods / "one" / "README.md").write_text("Another page.\n")
    shutil.rmtree(goods / "two")
    assert slipway("asset", "pack", goods, "--output", built, env=installation).returncode == 0
    after = {path.name: path.read_bytes() for path in built.iterdir()}
    assert not [name for name in after if "two" in name]
    assert all(after[name] != before[name] for name in after if "one" in name)
    assert [each.reference for each in read(built)] == ["acme/one@0.1.0"]

    (goods / "one" / "asset.yaml").write_text("kind: nothing\n")
    refused = slipway("asset", "pack", goods, "--output", built, env=installation)
    assert refused.returncode == 1
    assert "cannot be published" in refused.stderr


def test_what_is_not_as_it_was_signed_is_refused(goods: Path, built: Path) -> None:
    pack_folder(goods, built, plain())
    one, two = read(built)
    archive = built / one.file_name
    archive.write_bytes(two.data)
    with pytest.raises(CommandError, match="about other artifacts"):
        read(built)
    archive.write_bytes(one.data)
    kept = one.bundles[1].read_bytes()
    one.bundles[1].write_bytes(one.bundles[0].read_bytes())
    with pytest.raises(CommandError, match="no signed publish"):
        read(built)
    one.bundles[1].write_bytes(kept.replace(b'"payload":"ey', b'"payload":"ez'))
    with pytest.raises(CommandError, match="not a signature"):
        read(built)
    one.bundles[1].unlink()
    with pytest.raises(CommandError, match="cannot be read"):
        read(built)
    pack_folder(goods, built, plain())
    (built.parent / "release-key.pem").unlink()
    pack_folder(goods, built, plain())
    with pytest.raises(CommandError, match="not a signature"):
        list(read_packed(built, one.key))
    with pytest.raises(CommandError, match="no packed assets"):
        read(goods)


def test_a_key_that_is_named_has_to_be_there(goods: Path, built: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        pack_folder(goods, built, plain(release_key=tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(CommandError, match="not a private key"):
        pack_folder(goods, built, plain(release_key=tmp_path / "bad.pem"))
    with pytest.raises(CommandError, match="there is no signer"):
        pack_folder(goods, built, plain(release_signer="nobody"))
    (tmp_path / "other.json").write_text(json.dumps({"signer": "pkcs11", "ref": "0" * 32}))
    with pytest.raises(CommandError, match="signer pkcs11"):
        pack_folder(
            goods,
            built,
            plain(release_signer="aws-kms", release_key=tmp_path / "other.json"),
        )


def test_a_key_may_lie_in_a_signer_that_never_gives_it_away(
    goods: Path, built: Path, tmp_path: Path, kms: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    shutil.rmtree(goods / "two")
    sealed = plain(release_signer="local", data_dir=tmp_path / "data", master_key=SecretStr("k" * 43))
    for number, settings in enumerate((sealed, plain(release_signer="aws-kms", kms_endpoint_url=kms))):
        folder = built / str(number) / "packed"
        pack_folder(goods, folder, settings)
        pack_folder(goods, folder, settings)
        record = json.loads((folder.parent / "release-key.json").read_text())
        assert record["signer"] == settings.release_signer
        assert [pem(each.key) for each in read(folder)] == [record["public_key"]]
        assert "PRIVATE" not in json.dumps(record)
