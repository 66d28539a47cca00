"""``slipway asset``: skeletons, checks and archives, all without a portal."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from catalog.assets.archive import read_archive
from catalog.assets.kinds import kinds

Slipway = Callable[..., CompletedProcess[str]]


@pytest.fixture
def skeleton(slipway: Slipway, tmp_path: Path) -> Path:
    """Return the folder of a new deployment blueprint."""
    folder = tmp_path / "My Preview"
    done = slipway("asset", "init", "deployment-blueprint", folder, "--namespace", "acme")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_skeleton_checks_unchanged(slipway: Slipway, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "new"
    made = slipway("asset", "init", kind, folder, "--namespace", "acme", "--name", "first", "--json")
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert (document["namespace"], document["name"]) == ("acme", "first")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(document["files"])
    checked = slipway("asset", "check", folder)
    assert checked.returncode == 0, checked.stdout


def test_the_name_comes_from_the_folder(skeleton: Path) -> None:
    assert "name: my-preview" in (skeleton / "asset.yaml").read_text()


def test_an_unknown_kind_is_answered_with_the_known_ones(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("asset", "init", "spaceship", tmp_path / "new", "--namespace", "acme")
    assert done.returncode == 2
    assert "deployment-blueprint" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_left_alone(slipway: Slipway, skeleton: Path) -> None:
    before = (skeleton / "asset.yaml").read_bytes()
    done = slipway("asset", "init", "deployment-blueprint", skeleton, "--namespace", "other")
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (skeleton / "asset.yaml").read_bytes() == before


def test_a_namespace_that_cannot_be_is_wrong_use(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("asset", "init", "deployment-blueprint", tmp_path / "new", "--namespace", "../evil")
    assert done.returncode == 2
    assert "--namespace" in done.stderr


def test_without_namespace_and_portal_the_remedy_is_named(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("asset", "init", "deployment-blueprint", tmp_path / "new")
    assert done.returncode == 1
    assert "--namespace" in done.stderr


def test_every_finding_is_printed_with_place_rule_and_fix(slipway: Slipway, skeleton: Path) -> None:
    manifest = skeleton / "asset.yaml"
    text = manifest.read_text().replace("version: 0.1.0", "version: v1").replace("procfile: web", "procfle: web")
    manifest.write_text(text)
    (skeleton / "link").symlink_to("/etc/passwd")
    done = slipway("asset", "check", skeleton)
    assert done.returncode == 1
    number = 1 + text.splitlines().index("  version: v1")
    assert f"asset.yaml:{number}: error [" in done.stdout
    assert "procfle" in done.stdout
    assert "link: error [entry-type]" in done.stdout
    assert "errors" in done.stderr
    found = json.loads(slipway("asset", "check", skeleton, "--json").stdout)
    assert found["accepted"] is False
    assert len(found["findings"]) == len(done.stdout.splitlines())
    assert all(each["fix"] for each in found["findings"])


def test_what_a_publisher_wrote_does_not_steer_the_terminal(slipway: Slipway, skeleton: Path) -> None:
    (skeleton / "a\x1b[31mb").write_text("")
    assert "\x1b" not in slipway("asset", "check", skeleton).stdout


def test_the_same_files_give_the_same_archive(slipway: Slipway, skeleton: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    named = tmp_path / "other.tar.gz"
    first = slipway("asset", "build", skeleton, "--output", tmp_path / "out", "--json")
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    archive = tmp_path / "out" / "acme-my-preview-0.1.0.slipway.tar.gz"
    assert document["path"] == str(archive)
    assert slipway("asset", "build", skeleton, "--output", named).returncode == 0
    assert named.read_bytes() == archive.read_bytes()
    assert f"sha256:{read_archive(archive.read_bytes()).blob}" == document["digest"]
    dated = slipway("asset", "build", skeleton, "--output", named, env={"SOURCE_DATE_EPOCH": "86400"})
    assert dated.returncode == 0, dated.stderr
    assert named.read_bytes() != archive.read_bytes()


def test_a_faulty_asset_is_not_built(slipway: Slipway, skeleton: Path, tmp_path: Path) -> None:
    (skeleton / "README.md").unlink()
    done = slipway("asset", "build", skeleton)
    assert done.returncode == 1
    assert "readme-missing" in done.stdout
    assert not list(tmp_path.glob("*.slipway.tar.gz"))


def test_a_folder_that_is_not_there_is_named(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("asset", "check", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr


def test_a_check_compares_with_what_was_published(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    schema = json.loads((blueprint / "inputs.schema.json").read_text())
    schema["required"] = ["greeting"]
    del schema["properties"]["greeting"]["default"]
    (blueprint / "inputs.schema.json").write_text(json.dumps(schema))
    manifest = blueprint / "asset.yaml"
    manifest.write_text(manifest.read_text().replace("version: 0.1.0", "version: 0.1.1"))
    done = slipway("asset", "check", blueprint, "--against", "acme/my-preview", env=signed_in)
    assert done.returncode == 1
    assert "inputs/greeting: It has to be given now, because its default is gone." in done.stdout
    assert "Publish it as 0.2.0" in done.stderr
    report = slipway("asset", "check", blueprint, "--against", "acme/my-preview@0.1.0", "--json", env=signed_in)
    comparison = json.loads(report.stdout)["comparison"]
    assert (comparison["needed"], comparison["honest"], comparison["refused"]) == ("major", "0.2.0", True)
    manifest.write_text(manifest.read_text().replace("version: 0.1.1", "version: 0.2.0"))
    assert slipway("asset", "check", blueprint, "--against", "acme/my-preview", env=signed_in).returncode == 0
    assert slipway("publish", blueprint, env=signed_in).returncode == 0
