"""The compose file speaks of settings, commands and a lock that exist."""

from pathlib import Path
from typing import Any

import yaml

from catalog.settings import Settings

_ROOT = Path(__file__).parents[2]


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_every_variable_is_a_setting() -> None:
    known = {str(field.validation_alias or f"SLIPWAY_{name.upper()}") for name, field in Settings.model_fields.items()}
    for name, service in _services().items():
        if name != "postgres":
            assert set(service.get("environment", {})) <= known, name


def test_only_migrations_know_the_owner_of_the_tables() -> None:
    owners = [name for name, each in _services().items() if "SLIPWAY_DATABASE_OWNER_URL" in each.get("environment", {})]
    assert owners == ["migrations"]


def test_the_promised_services_are_there() -> None:
    assert {"postgres", "redis", "portal", "worker", "relay"} <= set(_services())


def test_the_image_runs_versions_that_were_tested() -> None:
    def pins(name: str) -> set[str]:
        lines = (_ROOT / "requirements" / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert pins("run.txt") <= pins("dev.txt")
