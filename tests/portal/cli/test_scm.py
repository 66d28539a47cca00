"""``slipway scm``: connections made, shown, followed, rotated and forgotten, with the status that each ends with."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from catalog.settings import Settings

NOWHERE = "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"
REPOSITORY = "https://github.com/acme/hello"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that credentials can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


def test_a_connection_from_making_to_forgetting(slipway: Any, signed_in: dict[str, str]) -> None:
    assert slipway("scm", "test", REPOSITORY, env=signed_in).returncode == 1
    made = slipway("scm", "connect", "github", "--secret-file", "-", "--json", env=signed_in, stdin="a-token\n")
    assert made.returncode == 0, made.stderr
    connection = json.loads(made.stdout)
    followed = slipway("scm", "follow", connection["id"], REPOSITORY, env=signed_in)
    assert (followed.returncode, followed.stdout) == (0, f"{REPOSITORY} is followed.\n")
    listed = slipway("scm", "list", env=signed_in)
    assert REPOSITORY in listed.stdout
    assert "a-token" not in made.stdout + listed.stdout
    rotated = slipway("scm", "rotate", connection["id"], env=signed_in)
    assert "shown this once" in rotated.stdout
    assert connection["hook_secret"] not in rotated.stdout
    assert slipway("scm", "disconnect", connection["id"], env=signed_in).returncode == 0
    assert "No connections yet" in slipway("scm", "list", env=signed_in).stdout
    found = [
        slipway("scm", *words, env=signed_in).returncode
        for words in (("follow", NOWHERE, REPOSITORY), ("rotate", NOWHERE), ("disconnect", NOWHERE))
    ]
    assert found == [4, 4, 4]
