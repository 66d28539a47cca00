"""Commands that work on the installation itself, found by its data directory."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from catalog import running
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenants import queries
from catalog.tenants.service import SignInService

Slipway = Callable[..., CompletedProcess[str]]


def test_a_tenant_is_made_once(slipway: Slipway, installation: dict[str, str]) -> None:
    first, second = (slipway("tenant", "create", "acme", "--json", env=installation) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert json.loads(first.stdout)["id"] == json.loads(second.stdout)["id"]


def test_a_name_that_cannot_be_is_refused(slipway: Slipway, installation: dict[str, str]) -> None:
    done = slipway("tenant", "create", "Not A Name", env=installation)
    assert done.returncode == 1
    assert "/name: Use 1 to 63" in done.stderr


def test_a_token_is_printed_alone(slipway: Slipway, installation: dict[str, str], database: Database) -> None:
    scopes = ("--scope", "assets:write", "--scope", "environments:read")
    done = slipway("token", "create", "--tenant", "acme", "--name", "ci", *scopes, env=installation)
    assert done.returncode == 0, done.stderr
    secret = done.stdout.removesuffix("\n")
    assert secret.startswith("slw_")
    assert secret == secret.strip()
    with database.tenant_session(None) as session:
        holder = SignInService(session).by_token(secret)
    assert (holder.tenant_name, holder.name) == ("acme", "ci")
    assert holder.scopes == {"assets:write", "environments:read"}


def test_an_unknown_scope_is_named(slipway: Slipway, installation: dict[str, str]) -> None:
    done = slipway("token", "create", "--tenant", "acme", "--name", "ci", "--scope", "world:rule", env=installation)
    assert done.returncode == 1
    assert "/scopes/0" in done.stderr
    assert done.stdout == ""


def test_a_sign_in_link_leads_to_the_portal(
    slipway: Slipway, installation: dict[str, str], settings: Settings, database: Database
) -> None:
    done = slipway("sign-in-link", env=installation)
    assert done.returncode == 0, done.stderr
    address, _, secret = done.stdout.strip().rpartition("/")
    assert address == f"{settings.base_url}/sign-in"
    with database.tenant_session(None) as session:
        redeemed = SignInService(session).redeem_link(secret)
    assert redeemed is not None
    with database.tenant_session(redeemed[0]) as session:
        tenant = queries.tenant_by_name(session, "demo")
    assert tenant is not None
    assert tenant.id == redeemed[0]


def test_the_state_of_the_database_is_told(slipway: Slipway, installation: dict[str, str]) -> None:
    current = slipway("db", "current", "--json", env=installation)
    found = json.loads(current.stdout)
    assert found["current"] == found["newest"]
    assert slipway("db", "upgrade", env=installation).returncode == 0
    checked = slipway("db", "check", env=installation)
    assert checked.returncode == 0, checked.stderr


def test_settings_of_the_environment_go_before_the_data_directory(
    slipway: Slipway, installation: dict[str, str], settings: Settings
) -> None:
    env = {**installation, "SLIPWAY_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/none"}
    done = slipway("db", "current", env=env)
    assert done.returncode == 5
    assert "database does not answer" in done.stderr
    assert settings.database_url not in done.stderr


def test_after_the_end_nothing_runs(slipway: Slipway, installation: dict[str, str], settings: Settings) -> None:
    running.forget(settings)
    assert slipway("sign-in-link", env=installation).returncode == 5


def test_only_its_owner_reads_where_slipway_runs(settings: Settings) -> None:
    path = running.record(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert running.find(settings.data_dir) == settings
    running.forget(settings)
    running.forget(settings)
    assert running.find(settings.data_dir) is None


def test_the_data_directory_may_be_named_on_the_command_line(
    slipway: Slipway, installation: dict[str, str], tmp_path: Path
) -> None:
    assert slipway("tenant", "create", "acme", "--data", installation["SLIPWAY_DATA"]).returncode == 0
    assert slipway("tenant", "create", "acme", "--data", tmp_path / "other").returncode == 5


@pytest.mark.parametrize("command", ["serve", "work", "relay"])
def test_a_process_alone_needs_a_database(slipway: Slipway, command: str, tmp_path: Path) -> None:
    done = slipway(command, "--data", tmp_path)
    assert done.returncode == 5
    assert "No Slipway runs" in done.stderr


def test_doctor_is_another_program(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("doctor", "--json", "--data", tmp_path)
    assert done.returncode in {0, 1}
    assert json.loads(done.stdout)


def test_up_hands_its_options_on(slipway: Slipway, tmp_path: Path) -> None:
    # The folder cannot be a data directory, which is found out by the program that `up` becomes.
    (tmp_path / "file").write_text("")
    done = slipway("up", "--data", tmp_path / "file" / "data", "--port", "18765", "--no-demo")
    assert done.returncode == 1
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr
