"""``slipway demo``: the curated assets are published once, signed, and there for every tenant."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from pydantic import SecretStr

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
    # Another tenant sees them, because they are public.
    assert "slipway/preview-web" in slipway("search", env=signed_in).stdout
    repository = settings.data_dir / "demo" / "repositories" / "hello-slipway"
    assert (repository / "Procfile").is_file()
