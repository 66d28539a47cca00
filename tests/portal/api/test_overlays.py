"""Overlays as a tenant lives with them: set over the API, held by requests, told of versions that do not fit."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository
from workers.main import App
from workers.overlays import WORKER
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
PATH = "/api/v1/overlays/rival/preview"
REASON = "It has to fit the banner."
SHORT = {"rules": [{"pointer": "/greeting", "maxLength": 20, "default": "Ahoy", "reason": REASON}]}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read, and nobody wait for a plan that no worker makes."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,), "upload_wait_seconds": 0.0})


def publish(client: Client, version: str, asset: str = "preview", **inputs: Any) -> None:
    """Publish the public blueprint rival/preview; ``inputs`` are keywords of its input ``greeting``."""
    files = dict(skeleton("deployment-blueprint", "rival", asset))
    schema = json.loads(files["inputs.schema.json"])
    schema["properties"]["greeting"] |= inputs
    files["inputs.schema.json"] = json.dumps(schema).encode()
    files["asset.yaml"] = files["asset.yaml"].decode().replace("version: 0.1.0", f"version: {version}").encode()
    packed = build_archive({path: PackageFile(data) for path, data in files.items()})
    sent = {"archive": ("a.tar.gz", packed.data, "application/gzip")}
    answer = client.post("/api/v1/assets", files=sent, data={"visibility": "public"})
    assert answer.status_code == 201, answer.text


@pytest.fixture
def theirs(client_of: NewClient, rival: Principal) -> Client:
    """Return another publisher, who has published rival/preview 1.0.0."""
    client = client_of(rival)
    publish(client, "1.0.0")
    return client


def conflicts(client: Client) -> list[dict[str, Any]]:
    found = client.get("/api/v1/events?limit=200").json()["items"]
    return [each["data"] for each in found if "overlay.conflicted" in each["type"]]


@pytest.mark.usefixtures("theirs")
def test_an_overlay_is_set_changed_and_removed(api: Client, client_of: NewClient, rival: Principal) -> None:
    assert api.get(PATH).status_code == 404
    made = api.put(PATH, json=SHORT)
    assert made.status_code == 200, made.text
    assert made.json()["revision"] == 1
    assert made.json()["versions"] == [{"version": "1.0.0", "fits": True, "misfits": []}]
    wider = {"rules": [{"pointer": "/greeting", "maxLength": 9999, "reason": REASON}]}
    refused = api.put(PATH, json=wider)
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("overlay_refused")
    assert refused.json()["errors"][0]["pointer"] == "/rules/0"
    assert "/greeting" in refused.json()["errors"][0]["detail"]
    assert api.put(PATH, json={**SHORT, "revision": 7}).status_code == 409
    narrowed = api.get(f"{PATH}/inputs").json()
    assert narrowed["input_schema"]["properties"]["greeting"]["maxLength"] == 20
    assert [each["fits"] for each in api.post(f"{PATH}/check", json=wider).json()["items"]] == [False]
    assert [each["revision"] for each in api.get("/api/v1/overlays").json()["items"]] == [1]
    # Nobody else's: not even the publisher's whose asset it is.
    stranger = client_of(rival)
    assert stranger.get(PATH).status_code == 404
    assert stranger.get("/api/v1/overlays").json()["items"] == []
    assert stranger.get(f"{PATH}/changes").json() == {"items": []}
    assert client_of(rival, ["assets:read"]).put(PATH, json=SHORT).status_code == 403
    assert api.delete(f"{PATH}?revision=4").status_code == 409
    assert api.delete(PATH).status_code == 204
    assert api.get(PATH).status_code == 404
    history = api.get(f"{PATH}/changes").json()["items"]
    assert [(each["revision"], len(each["rules"])) for each in history] == [(2, 0), (1, 1)]
    assert api.put(PATH, json=SHORT).json()["revision"] == 3


@pytest.mark.usefixtures("theirs")
def test_a_request_is_held_to_the_overlay(api: Client, tmp_path: Path) -> None:
    assert api.put(PATH, json=SHORT).status_code == 200
    asked = {
        "repository": str(ensure_sample_repository(tmp_path, os.defpath)[0]),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "rival/preview",
    }
    refused = api.post("/api/v1/environments/ephemeral", json={**asked, "inputs": {"greeting": "x" * 30}})
    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/inputs/greeting"]
    assert REASON in refused.json()["errors"][0]["detail"]
    made = api.post("/api/v1/environments/ephemeral", json=asked)
    assert made.status_code == 202, made.text
    environment = api.get(f"/api/v1/environments/{made.json()['id']}").json()
    assert environment["inputs"]["greeting"] == "Ahoy"
    plan = {"asset": "rival/preview", "target": {k: asked[k] for k in ("repository", "pull_request", "branch")}}
    held = api.post("/api/v1/installs/plan", json={**plan, "inputs": {"greeting": "x" * 30}})
    assert held.status_code == 422
    assert REASON in held.text
    assert api.post("/api/v1/installs/plan", json=plan).status_code == 202


def test_overlays_come_in_pages_and_are_not_proven_again(
    api: Client, theirs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(theirs, "1.1.0")
    publish(theirs, "1.0.0", asset="second")
    for path in (PATH, "/api/v1/overlays/rival/second"):
        assert api.put(path, json=SHORT).status_code == 200

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("catalog.overlays.service.fit", refuse)
    first = api.get("/api/v1/overlays?limit=1")
    assert [each["name"] for each in first.json()["items"]] == ["preview"]
    assert [each["version"] for each in first.json()["items"][0]["versions"]] == ["1.1.0", "1.0.0"]
    second = api.get(first.headers["link"].partition(">")[0].removeprefix("<"))
    assert [each["name"] for each in second.json()["items"]] == ["second"]
    assert second.json()["next_cursor"] is None
    assert api.get("/api/v1/overlays?cursor=x").status_code == 422


def test_a_version_that_does_not_fit_is_closed_and_told_once(
    api: Client, theirs: Client, settings: Settings, tmp_path: Path
) -> None:
    assert api.put(PATH, json=SHORT).status_code == 200
    publish(theirs, "2.0.0", maxLength=10, default="Hi")
    app = App(settings, registry([WORKER]))
    try:
        drain(app)
        drain(app)
        publish(theirs, "2.0.1", maxLength=30, default="Hi")
        drain(app)
    finally:
        app.close()
    told = conflicts(api)
    assert [(each["asset"], each["version"]) for each in told] == [("rival/preview", "2.0.0")]
    assert told[0]["misfits"][0]["pointer"] == "/greeting"
    assert conflicts(theirs) == []
    fits = {each["version"]: each["fits"] for each in api.get(PATH).json()["versions"]}
    assert fits == {"2.0.1": True, "2.0.0": False, "1.0.0": True}
    asked = {
        "repository": str(ensure_sample_repository(tmp_path, os.defpath)[0]),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "rival/preview==2.0.0",
    }
    closed = api.post("/api/v1/environments/ephemeral", json=asked)
    assert closed.status_code == 409
    assert closed.json()["type"].endswith("overlay_conflict")
    assert closed.json()["errors"][0]["pointer"] == "/inputs/greeting"
    assert api.post("/api/v1/environments/ephemeral", json={**asked, "blueprint": "rival/preview"}).status_code == 202
