"""Publishing, searching, reading and ending versions, against the real portal."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.tenancy import Principal
from portal.cli.marketplace import show_results
from portal.cli.output import Output

Slipway = Callable[..., CompletedProcess[str]]


def test_login_keeps_address_and_token_for_later(
    slipway: Slipway, signed_in: dict[str, str], home: Path, rival: Principal, new_token: Callable[..., str]
) -> None:
    url, token = signed_in["SLIPWAY_URL"], signed_in["SLIPWAY_TOKEN"]
    done = slipway("login", "--url", f"{url}/", "--json", stdin=f"{token}\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tenant"] == "acme"
    kept = home / ".config" / "slipway" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert token not in done.stdout + done.stderr
    assert slipway("search").returncode == 0
    # The token goes to the address it was stored with, and nowhere else.
    elsewhere = slipway("search", env={"SLIPWAY_URL": "http://127.0.0.1:9"})
    assert elsewhere.returncode == 1
    assert "signed in to" in elsewhere.stderr
    mine = slipway("asset", "init", "deployment-blueprint", "mine", "--json", env={"SLIPWAY_TOKEN": new_token(rival)})
    assert json.loads(mine.stdout)["namespace"] == "rival"


def test_login_with_a_token_that_is_not_known_keeps_nothing(slipway: Slipway, portal_url: str, home: Path) -> None:
    done = slipway("login", "--url", portal_url, stdin="slw_nonsense")
    assert done.returncode == 1
    assert "SLIPWAY_TOKEN" in done.stderr
    assert not (home / ".config").exists()
    assert slipway("login", "--url", portal_url).returncode == 2
    assert slipway("login").returncode == 2


def test_local_login_makes_a_token_once(
    slipway: Slipway, installation: dict[str, str], portal_url: str, database: Database
) -> None:
    first = slipway("login", "--local", "--url", portal_url, env=installation)
    assert first.returncode == 0, first.stderr
    assert "as demo" in first.stdout
    again = slipway("login", "--local", "--url", portal_url, env=installation)
    assert again.returncode == 0, again.stderr
    other = slipway("login", "--local", "--url", portal_url, "--tenant", "other", env=installation)
    assert "as other" in other.stdout
    with database.system_session() as session:
        count = session.connection().exec_driver_sql("SELECT count(*) FROM tenants").scalar()
    assert count == 2
    assert slipway("env", "list").stdout.startswith("There are no environments")


def test_the_skeleton_publishes_unchanged_in_the_callers_namespace(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path
) -> None:
    assert "namespace: acme" in (blueprint / "asset.yaml").read_text()
    again = slipway("publish", blueprint, env=signed_in)
    assert again.returncode == 0, again.stderr
    assert "published before" in again.stdout
    built = slipway("asset", "build", blueprint, "--output", "archive.tar.gz", "--json", env=signed_in)
    answer = slipway("publish", "archive.tar.gz", "--json", env=signed_in)
    document = json.loads(answer.stdout)
    assert document["created"] is False
    assert document["digest"] == json.loads(built.stdout)["digest"]


def test_other_bytes_under_the_same_version_are_refused(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path
) -> None:
    (blueprint / "README.md").write_text("# Something else\n")
    done = slipway("publish", blueprint, env=signed_in)
    assert done.returncode == 1
    assert "raise the version" in done.stderr


def test_a_faulty_folder_is_not_sent_and_a_faulty_archive_is_refused(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, tmp_path: Path
) -> None:
    (blueprint / "README.md").unlink()
    here = slipway("publish", blueprint, env={**signed_in, "SLIPWAY_URL": "http://127.0.0.1:9"})
    assert here.returncode == 1
    assert "readme-missing" in here.stdout
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no archive at all")
    there = slipway("publish", broken, env=signed_in)
    assert there.returncode == 1
    assert "/archive: " in there.stderr


def test_search_shows_what_the_api_answers(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    assert blueprint.is_dir()
    found = slipway("search", "my-prev", env=signed_in)
    assert found.returncode == 0, found.stderr
    assert "acme/my-preview" in found.stdout
    document = json.loads(slipway("search", "my-prev", "--json", env=signed_in).stdout)
    headers = {"Authorization": f"Bearer {signed_in['SLIPWAY_TOKEN']}"}
    url = f"{signed_in['SLIPWAY_URL']}/api/v1/assets"
    assert document == httpx.get(url, params={"q": "my-prev"}, headers=headers, trust_env=False, timeout=60).json()
    nothing = slipway("search", "my-prev", "--kind", "policy-bundle", env=signed_in)
    assert nothing.returncode == 0
    assert "Nothing was found" in nothing.stdout
    assert "Without the words “my-prev”" not in nothing.stdout, "no policy bundle is there at all"
    assert "Without --kind policy-bundle there is 1." in nothing.stdout
    unheard = slipway("search", "zzz", "--kind", "deployment-blueprint", env=signed_in)
    assert "Without the words “zzz” there is 1." in unheard.stdout


def test_an_asset_and_a_version_are_shown(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    assert blueprint.is_dir()
    asset = slipway("show", "acme/my-preview", env=signed_in)
    assert asset.returncode == 0, asset.stderr
    assert "0.1.0" in asset.stdout
    version = slipway("show", "acme/my-preview@0.1.0", env=signed_in)
    assert version.returncode == 0, version.stderr
    assert "greeting" in version.stdout
    assert json.loads(slipway("show", "acme/my-preview@0.1.0", "--json", env=signed_in).stdout)["state"] == "published"


@pytest.mark.parametrize("reference", ["acme/nothing", "acme/my-preview@9.9.9"])
def test_what_is_not_there_ends_with_status_4(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, reference: str
) -> None:
    assert blueprint.is_dir()
    done = slipway("show", reference, env=signed_in)
    assert done.returncode == 4
    assert done.stderr.startswith("slipway: ")
    assert slipway("show", "nonsense", env=signed_in).returncode == 2


def test_the_life_of_a_version_ends_with_a_reason(slipway: Slipway, signed_in: dict[str, str], blueprint: Path) -> None:
    assert blueprint.is_dir()
    reference = "acme/my-preview@0.1.0"
    for verb, state in (("deprecate", "deprecated"), ("yank", "yanked"), ("revoke", "revoked")):
        done = slipway(verb, reference, "--reason", f"because {verb}", env=signed_in)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{reference} is {state}.\n"
    shown = slipway("show", reference, env=signed_in)
    assert "because revoke" in shown.stdout
    assert slipway("yank", "acme/my-preview", "--reason", "x", env=signed_in).returncode == 2
    assert slipway("yank", reference, "--reason", "x", env=signed_in).returncode == 1


def test_on_a_terminal_who_is_affected_is_named_before_a_version_is_revoked(
    signed_in: dict[str, str],
    blueprint: Path,
    command_environment: dict[str, str],
    database: Database,
    acme: Principal,
    tmp_path: Path,
) -> None:
    assert blueprint.is_dir()
    with database.tenant_session(acme.tenant_id) as session:
        assets = AssetService(session)
        version = assets.version(acme.tenant_id, "acme", "my-preview", "0.1.0")
        assets.use(acme.tenant_id, "environments/1", "pr-42-hello", [version])

    def revoke(answer: bytes, *more: str) -> tuple[int, str]:
        ours, theirs = os.openpty()
        os.write(ours, answer)
        command = ("revoke", "acme/my-preview@0.1.0", "--reason", "It leaks.", *more)
        done = subprocess.run(
            [sys.executable, "-m", "portal.cli.main", *command],
            env={**command_environment, **signed_in},
            cwd=tmp_path,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=240,
        )
        os.close(theirs)
        os.close(ours)
        return done.returncode, done.stderr

    status, said = revoke(b"n\n")
    assert status != 0
    assert said.index("pr-42-hello runs 0.1.0") < said.index("Revoke acme/my-preview@0.1.0?")
    with database.tenant_session(acme.tenant_id) as session:
        assert AssetService(session).get_version(acme.tenant_id, "acme", "my-preview", "0.1.0").state == "published"
    assert revoke(b"y\n")[0] == 0
    assert revoke(b"", "--yes") == (0, "")


def test_a_token_without_the_scope_is_refused(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, acme: Principal, new_token: Callable[..., str]
) -> None:
    done = slipway("publish", blueprint, env={**signed_in, "SLIPWAY_TOKEN": new_token(acme, ["assets:read"])})
    assert done.returncode == 1
    assert "assets:write" in done.stderr


def test_a_way_out_is_said_also_where_a_newer_slipway_says_more_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    hint = {"remove": "kind", "value": "policy-bundle", "count": 2, "href": "/assets"}
    show_results(Output(), {"items": [], "hints": [hint]})
    assert "Without --kind policy-bundle there are 2." in capsys.readouterr().out
