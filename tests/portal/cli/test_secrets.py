"""``slipway secret``: values go in from standard input or a file, and never come out."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from catalog.settings import Settings

VALUE = "the value of the secret"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let secrets be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("0" * 43)})


def test_secrets_are_set_listed_and_removed(slipway: Any, signed_in: dict[str, str], tmp_path: Path) -> None:
    assert "slipway secret set NAME" in slipway("secret", "list", env=signed_in).stdout
    made = slipway("secret", "set", "TOKEN", env=signed_in, stdin=f"{VALUE}\n")
    assert "${secrets.TOKEN}" in made.stdout
    (tmp_path / "value").write_text(VALUE)
    opened = ("--file", "value", "--blueprint", "slipway/preview-*", "--json")
    assert json.loads(slipway("secret", "set", "KEY", *opened, env=signed_in).stdout)["blueprints"] == [
        "slipway/preview-*"
    ]
    listed = slipway("secret", "list", env=signed_in).stdout
    assert "TOKEN" in listed
    assert "slipway/preview-*" in listed
    assert VALUE not in made.stdout + listed
    refused = slipway("secret", "set", "a-b", env=signed_in, stdin=VALUE)
    assert refused.returncode != 0
    assert "letters, digits and underscores" in refused.stderr
    for name in ("TOKEN", "KEY"):
        assert slipway("secret", "remove", name, env=signed_in).returncode == 0
    assert json.loads(slipway("secret", "list", "--json", env=signed_in).stdout)["items"] == []
