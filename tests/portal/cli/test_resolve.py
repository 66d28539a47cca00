"""``slipway resolve``: the lock with its reasons, what a constraint means, and a refusal in words."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Slipway = Callable[..., CompletedProcess[str]]


def test_a_lock_is_printed_with_reasons(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, tmp_path: Path
) -> None:
    del blueprint
    done = slipway("resolve", "acme/my-preview ^0.1", env=signed_in)
    assert done.returncode == 0, done.stderr
    assert "acme/my-preview" in done.stdout
    assert "asked for: >=0.1,<0.2" in done.stdout
    assert "acme/my-preview ^0.1 means acme/my-preview >=0.1,<0.2" in done.stderr
    kept = tmp_path / "lock.json"
    kept.write_text(slipway("resolve", "acme/my-preview", "--json", env=signed_in).stdout)
    again = slipway("resolve", "acme/my-preview", "--lock", kept, "--json", env=signed_in)
    assert json.loads(again.stdout)["lock"] == json.loads(kept.read_text())["lock"]


def test_a_refusal_is_a_sentence(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    del blueprint
    done = slipway("resolve", "acme/my-preview>=7", env=signed_in)
    assert done.returncode == 1
    assert "because you ask for acme/my-preview >=7, and the newest there is is 0.1.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_lock_is_said_to_be_none(slipway: Slipway, signed_in: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("[1]")
    done = slipway("resolve", "acme/a", "--lock", tmp_path / "lock.json", env=signed_in)
    assert done.returncode == 1
    assert "holds no lock" in done.stderr
