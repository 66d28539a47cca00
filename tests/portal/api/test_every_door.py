"""Every door that changes the world leads through a gate: where policies forbid everything, none lets anything in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.gating import GatePoint
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository
from workers import installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
API = "/api/v1"
VERSION = "/assets/{namespace}/{name}/versions/{version}"
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
WORLD = {
    "assets",
    "campaigns",
    "drift",
    "environments",
    "flags",
    "hooks",
    "installs",
    "proposals",
    "releases",
    "rollouts",
}
WORLD |= {"t", "transfers", "uploads"}
"""Areas whose doors change more than what a tenant has written down for itself."""
GATED = {
    GatePoint.PUBLISH: {
        f"POST {API}/assets",
        f"POST {API}{VERSION}/publish",
        f"POST {API}/uploads/import",
        f"POST {API}/uploads/sessions/{{session_id}}/publish",
        f"POST {API}/transfers/import",
        "POST /t/{tenant}/legacy",
        "POST /uploads",
        "POST /uploads/drafts/{namespace}/{name}/{version}/{verb}",
        "POST /uploads/sessions/{session_id}/{verb}",
    },
    GatePoint.INSTALL: {
        *(f"POST {API}/installs{each}" for each in ("", "/plan")),
        *(f"POST {API}/installs/{{install_id}}/{each}" for each in ("rollback", "uninstall", "upgrade")),
        *(f"POST /installs/{{install_id}}/{each}" for each in ("rollback", "uninstall", "upgrade")),
        *(f"POST {API}/campaigns/{{campaign_id}}/{each}" for each in ("promote", "resume", "retry", "start")),
        *(f"POST /campaigns/{{campaign_id}}/{each}" for each in ("start", "{verb}")),
        "POST /installs/plan",
        "POST /installs/plans/{plan_id}/apply",
        "POST /installs/plans/{plan_id}/decide",
    },
    GatePoint.ENVIRONMENT_REQUEST: {
        f"POST {API}/environments/ephemeral",
        "POST /environments/ephemeral",
        "POST /environments",
    },
    GatePoint.ENVIRONMENT_UPDATE: {
        *(
            f"POST {each}/environments/{{environment_id}}/{verb}"
            for each in (API, "")
            for verb in ("approve", "rebuild", "wake")
        ),
        *(f"POST /hooks/{each}" for each in ("git", "github", "azure-devops")),
    },
    GatePoint.RELEASE: {f"POST {API}/releases", "POST /releases"},
    GatePoint.AGENT_ACTION: {f"POST {API}/proposals/{{proposal_id}}/approve", "POST /proposals/{proposal_id}/decide"},
}
FREE = {
    "it asks and changes nothing": {
        f"POST {API}/assets/resolve",
        f"POST {API}/transfers/export",
        *(f"POST {API}/campaigns{each}" for each in ("", "/preview")),
        "POST /campaigns",
    },
    "it takes back, and may be the fix": {
        *(
            f"POST {API}{VERSION}/{each}"
            for each in ("deprecate", "quarantine", "retire", "revoke", "withdraw", "yank")
        ),
        f"DELETE {API}{VERSION}",
        f"DELETE {API}/uploads/sessions/{{session_id}}",
        f"DELETE {API}/environments/{{environment_id}}",
        f"POST {API}/proposals/{{proposal_id}}/reject",
        *(f"POST {API}/campaigns/{{campaign_id}}/{each}" for each in ("abort", "pause", "rollback")),
        "POST /environments/{environment_id}/destroy",
        *(f"POST {each}/environments/{{environment_id}}/sleep" for each in (API, "")),
    },
    "what it lets live on was let through before": {
        f"POST {API}{VERSION}/restore",
        f"POST {API}/environments/{{environment_id}}/extend",
        "POST /environments/{environment_id}/extend",
        *(f"POST {each}/environments/{{environment_id}}/{verb}" for each in (API, "") for verb in ("pin", "unpin")),
        "POST /assets/{namespace}/{name}/versions/{version}/{verb}",
    },
    "the gate stands before what comes after it": {
        f"POST {API}{VERSION}/submit",
        f"POST {API}/environments/automations",
        f"DELETE {API}/environments/automations/{{automation_id}}",
        "POST /environments/automations",
        "POST /environments/automations/{automation_id}/end",
        f"PUT {API}/environments/target",
        "POST /environments/target",
        f"POST {API}/uploads/sessions",
        f"POST {API}/uploads/sessions/{{session_id}}/submit",
        "POST /uploads/sessions",
        "POST /uploads/reviews/{namespace}",
    },
    "a tenant says who may see what": {
        f"PUT {API}/assets/{{namespace}}/{{name}}/sharing",
        "POST /assets/{namespace}/{name}/access",
    },
    "an administrator says which plans people have to approve": {
        f"POST {API}/installs/approval-rules",
        f"DELETE {API}/installs/approval-rules/{{name}}",
    },
    "it names what is there and changes nothing of it": {f"PUT {API}/installs/{{install_id}}/labels"},
    "it tells what agents elsewhere decided": {"POST /t/{tenant}/logs"},
}
FORBID = """deny contains {"rule": "nothing", "message": "Nothing may happen."} if input.point"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings under which repositories below the test's folder are read, and nobody waits for a plan."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,), "upload_wait_seconds": 0.0})


@pytest.fixture
def closed(api: Client, publish_policy: Callable[..., str], acme: Principal, archive: bytes) -> dict[str, Any]:
    """A tenant that has an asset, and whose policies forbid everything from then on."""
    publish_policy(acme, "nothing", FORBID)
    publish_policy(acme, "rules", "deny contains v if { false; v := {} }")
    published = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    bound = api.post(f"{API}/policies/bindings", json={"bundle": "acme/nothing", "scope": {"kind": "tenant"}})
    assert bound.status_code == 201, bound.text
    return {"version": published.json()["version"]}


def doors(portal: Litestar) -> set[str]:
    found = set()
    for route in portal.routes:
        if isinstance(route, HTTPRoute):
            area = route.path_format.removeprefix(API).split("/")[1]
            found |= {f"{method} {route.path_format}" for method in CHANGES & set(route.methods) if area in WORLD}
    return found


def test_every_door_has_its_gate_or_a_reason(portal: Litestar) -> None:
    known = [each for group in (*GATED.values(), *FREE.values()) for each in group]
    assert len(known) == len(set(known)), "a door stands in two places"
    there = doors(portal)
    assert there - set(known) == set(), "say which gate stands before it, or why none does"
    assert set(known) - there == set(), "there is no such door any more"


def test_nothing_comes_in_where_everything_is_forbidden(
    api: Client, browser: Client, closed: dict[str, Any], tmp_path: Path
) -> None:
    assert closed
    repository = str(ensure_sample_repository(tmp_path, os.defpath)[0])
    environment = {
        "repository": repository,
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "acme/preview",
    }
    release = {"service": "web", "version": "1", "repository": "r", "commit": "a" * 40, "artifacts": []}
    forms = {"repository": repository, "pull_request": str(PULL_REQUEST), "blueprint": "acme/preview"}
    other = archive_of("other")
    refused = {
        "publish": api.post(f"{API}/assets", files={"archive": ("a.tar.gz", other, "application/gzip")}),
        "environment": api.post(f"{API}/environments/ephemeral", json=environment),
        "environment_at_root": api.post("/environments/ephemeral", json=environment),
        "release": api.post(f"{API}/releases", json=release),
    }
    for door, answer in refused.items():
        assert answer.status_code == 403, (door, answer.text)
        assert answer.json()["type"] == "urn:slipway:problem:policy_refused", door
        assert [each["rule"] for each in answer.json()["violations"]] == ["nothing"], door
        kept = api.get(f"{API}/policies/evaluations/{answer.json()['evaluation']}").json()
        assert kept["input"]["point"] in {str(each) for each in GATED}, door
    pages = {
        "publish": browser.post("/uploads", files={"archive": ("a.tar.gz", other, "application/gzip")}),
        "environment": browser.post("/environments", data=forms),
        "release": browser.post("/releases", data={**release, "artifacts": ""}),
    }
    for door, answer in pages.items():
        assert (answer.status_code, "Nothing may happen." in answer.text) == (403, True), (door, answer.text[-2000:])
    assert api.get(f"{API}/environments").json()["items"] == []
    assert api.get(f"{API}/releases").json()["items"] == []
    assert api.get(f"{API}/assets/acme/other").status_code == 404


def test_an_install_is_held_when_it_is_planned_and_when_it_is_applied(
    api: Client, closed: dict[str, Any], settings: Settings
) -> None:
    assert closed
    app = App(settings, registry([installation.WORKER]))
    try:
        made = api.post(f"{API}/installs", json={"asset": "acme/rules", "target": {"level": "advisory"}})
        assert made.status_code == 202, made.text
        drain(app)
        plan = api.get(f"{API}/installs/plans/{made.json()['plan']}").json()
        applied = api.post(f"{API}/installs", json={"plan": plan["id"], "digest": plan["digest"]})
        drain(app)
    finally:
        app.close()
    assert applied.status_code == 403, applied.text
    assert [each["rule"] for each in applied.json()["violations"]] == ["nothing"]
    assert "nothing" in str(plan["document"])
    assert [each["applied_revision"] for each in api.get(f"{API}/installs").json()["items"]] == [None]
    bindings = api.get(f"{API}/policies/bindings").json()["items"]
    assert [each["asset"] for each in bindings] == ["acme/nothing"]


def archive_of(name: str) -> bytes:
    files = skeleton("deployment-blueprint", "acme", name)
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data
