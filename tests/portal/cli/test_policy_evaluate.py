"""``slipway policy`` and ``slipway release``: what people and pipelines see, and with which status a command ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from catalog.tenancy import Principal

OWNED = 'deny contains {"rule": "owner", "level": "mandatory", "message": "Nobody owns it."} if not input.release.owner'


def bind(signed_in: dict[str, str], level: str) -> None:
    headers = {"Authorization": f"Bearer {signed_in['SLIPWAY_TOKEN']}"}
    body = {"bundle": "acme/guard", "level": level}
    answer = httpx.post(f"{signed_in['SLIPWAY_URL']}/api/v1/policies/bindings", json=body, headers=headers)
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
