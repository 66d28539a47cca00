"""``slipway policy`` and ``slipway release``: what people and pipelines see, and with which status a command ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from catalog.settings import Settings
from catalog.tenancy import Principal


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


OWNED = 'deny contains {"rule": "owner", "level": "mandatory", "message": "Nobody owns it."} if not input.release.owner'


def bind(signed_in: dict[str, str], level: str) -> None:
    headers = {"Authorization": f"Bearer {signed_in['SLIPWAY_TOKEN']}"}
    body = {"bundle": "acme/guard", "level": level}
    answer = httpx.post(f"{signed_in['SLIPWAY_URL']}/api/v1/policies/bindings", json=body, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text


def test_a_bundle_is_asked_about_a_file(
    slipway: Any, signed_in: dict[str, str], publish_policy: Callable[..., str], acme: Principal, tmp_path: Path
) -> None:
    publish_policy(acme, "guard", OWNED)
    document = tmp_path / "input.json"
    document.write_text(json.dumps({"release": {}}))
    denied = slipway("policy", "evaluate", "--bundle", "acme/guard", "--input", document, env=signed_in)
    assert denied.returncode == 1, denied.stderr
    assert denied.stdout.splitlines()[0] == "denied"
    assert "Nobody owns it." in denied.stdout
    asked = ("policy", "evaluate", "--bundle", "acme/guard", "--input", "-", "--json")
    allowed = slipway(*asked, env=signed_in, stdin='{"release": {"owner": "ann"}}')
    assert allowed.returncode == 0, allowed.stderr
    assert json.loads(allowed.stdout)["allowed"] is True
    assert slipway("policy", "evaluate", "--input", "nowhere.json", env=signed_in).returncode == 2


def test_a_release_that_needs_an_override_ends_with_3(
    slipway: Any, signed_in: dict[str, str], publish_policy: Callable[..., str], acme: Principal, tmp_path: Path
) -> None:
    publish_policy(acme, "guard", OWNED.replace("not input.release.owner", 'input.release.owner == ""'))
    (tmp_path / "web.whl").write_bytes(b"wheel")
    create = ("release", "create", "web", "1.0.0", "--repo", "/srv/web", "--commit", "a" * 40, "--file", "web.whl")
    bind(signed_in, "mandatory-with-override")
    refused = slipway(*create, env=signed_in)
    assert refused.returncode == 3, refused.stderr
    assert "owner: Nobody owns it." in refused.stderr
    bind(signed_in, "mandatory")
    assert slipway(*create, env=signed_in).returncode == 1
    made = slipway(*create, "--owner", "ann", "--label", "tier=critical", "--json", env=signed_in)
    assert made.returncode == 0, made.stderr
    release = json.loads(made.stdout)
    assert release["artifacts"][0]["type"] == "wheel"
    shown = slipway("release", "show", release["id"], env=signed_in)
    assert "web 1.0.0" in shown.stdout
    assert "web.whl" in shown.stdout
    assert "1.0.0" in slipway("release", "list", env=signed_in).stdout
    about = slipway("policy", "evaluate", "--release", release["id"], env=signed_in)
    assert about.returncode == 0, about.stdout


def test_the_statement_of_a_refusal_is_fetched_and_verified_alone(
    slipway: Any, signed_in: dict[str, str], publish_policy: Callable[..., str], acme: Principal, tmp_path: Path
) -> None:
    publish_policy(acme, "guard", OWNED.replace("not input.release.owner", 'input.release.owner == ""'))
    bind(signed_in, "mandatory")
    wheel = tmp_path / "web.whl"
    wheel.write_bytes(b"wheel")
    create = ("release", "create", "web", "1.0.0", "--repo", "/srv/web", "--commit", "a" * 40, "--file", "web.whl")
    refused = slipway(*create, "--json", env=signed_in)
    assert refused.returncode == 1
    headers = {"Authorization": f"Bearer {signed_in['SLIPWAY_TOKEN']}"}
    listed = httpx.get(
        f"{signed_in['SLIPWAY_URL']}/api/v1/policies/evaluations?point=release", headers=headers, timeout=60
    ).json()
    evaluation = listed["items"][0]["id"]
    fetched = slipway("policy", "statement", evaluation, "--output", "web.vsa.json", "--json", env=signed_in)
    assert fetched.returncode == 0, fetched.stderr
    said = json.loads(fetched.stdout)
    assert (said["evidence"], said["facts"]["result"]) == ("vsa", "FAILED")
    (tmp_path / "acme.pub").write_text(said["public_key"])
    alone = ("--bundle", "web.vsa.json", "--key", "acme.pub", "--type", "vsa")
    assert slipway("verify", "web.whl", *alone).returncode == 0
    wheel.write_bytes(b"another wheel")
    assert slipway("verify", "web.whl", *alone).returncode == 1
    shown = slipway("policy", "statement", evaluation, "--type", "policy-decision", env=signed_in)
    assert shown.stdout.startswith("Policy decision by ")
    assert slipway("policy", "statement", evaluation.replace("-", "0", 1), env=signed_in).returncode in {1, 4}
