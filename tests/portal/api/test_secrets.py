"""Secrets of a tenant as people live with them: set and never read, opened to blueprints, kept apart by tenant."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.secrets import SecretService
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
VALUE = "the value of the secret"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read, and secrets be sealed."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,), "master_key": SecretStr("0" * 43)})


def publish(client: Client, namespace: str) -> None:
    """Publish a public blueprint whose process is given the secret TOKEN."""
    files = dict(skeleton("deployment-blueprint", namespace, "preview"))
    manifest = yaml.safe_load(files["asset.yaml"])
    manifest["spec"]["environment"]["components"]["web"]["env"]["TOKEN"] = "${secrets.TOKEN}"
    files["asset.yaml"] = yaml.safe_dump(manifest).encode()
    packed = build_archive({path: PackageFile(data) for path, data in files.items()})
    sent = {"archive": ("a.tar.gz", packed.data, "application/gzip")}
    answer = client.post("/api/v1/assets", files=sent, data={"visibility": "public"})
    assert answer.status_code == 201, answer.text


def ask(client: Client, repository: Path, blueprint: str) -> Any:
    wanted = {"repository": str(repository), "pull_request": PULL_REQUEST, "branch": BRANCH, "blueprint": blueprint}
    return client.post("/api/v1/environments/ephemeral", json=wanted)


def test_a_secret_is_set_listed_without_its_value_and_forgotten(
    client_of: NewClient, acme: Principal, rival: Principal, database: Database, settings: Settings
) -> None:
    client = client_of(acme)
    made = client.put("/api/v1/secrets/TOKEN", json={"value": VALUE, "blueprints": ["slipway/*"]})
    assert made.status_code == 200, made.text
    assert (made.status_code, made.json()["blueprints"]) == (200, ["slipway/*"])
    assert client.put("/api/v1/secrets/TOKEN", json={"value": f"{VALUE} now"}).status_code == 200
    listed = client.get("/api/v1/secrets")
    assert [each["name"] for each in listed.json()["items"]] == ["TOKEN"]
    for answer in (made, listed):
        assert VALUE not in answer.text
    with database.tenant_session(acme.tenant_id) as session:
        told = [str(row) for row in session.connection().execute(text("SELECT to_jsonb(e) FROM events e")).scalars()]
    assert len([each for each in told if "secret.set" in each]) == 2
    assert VALUE not in "".join(told)
    assert client_of(rival).get("/api/v1/secrets").json()["items"] == []
    assert client_of(rival).delete("/api/v1/secrets/TOKEN").status_code == 404
    with database.tenant_session(acme.tenant_id) as session:
        assert SecretService(session, settings).opened(acme.tenant_id, {"TOKEN", "OTHER"}) == {"TOKEN": f"{VALUE} now"}
    with database.tenant_session(rival.tenant_id) as session:
        assert SecretService(session, settings).opened(rival.tenant_id, {"TOKEN"}) == {}
    assert client.delete("/api/v1/secrets/TOKEN").status_code == 204
    assert client.get("/api/v1/secrets").json()["items"] == []


@pytest.mark.parametrize(("name", "value"), [("a-b", "x"), ("1A", "x"), ("A" * 64, "x"), ("A", "")])
def test_what_is_no_secret_is_refused(client_of: NewClient, acme: Principal, name: str, value: str) -> None:
    assert client_of(acme).put(f"/api/v1/secrets/{name}", json={"value": value}).status_code == 422


def test_blueprints_of_others_get_only_what_was_opened_to_them(
    client_of: NewClient, acme: Principal, rival: Principal, tmp_path: Path
) -> None:
    client, (repository, _) = client_of(acme), ensure_sample_repository(tmp_path, os.environ["PATH"])
    publish(client, "acme")
    publish(client_of(rival), "rival")
    missing = ask(client, repository, "acme/preview")
    assert missing.status_code == 422
    assert "slipway secret set TOKEN" in missing.json()["errors"][0]["detail"]
    client.put("/api/v1/secrets/TOKEN", json={"value": VALUE})
    refused = ask(client, repository, "rival/preview")
    assert refused.status_code == 422
    assert "--blueprint rival/preview" in refused.json()["errors"][0]["detail"]
    accepted = ask(client, repository, "acme/preview")
    assert accepted.status_code == 202, accepted.text
    shown = client.get(f"/api/v1/environments/{accepted.json()['id']}")
    assert (shown.json()["secrets"], VALUE in shown.text) == (["TOKEN"], False)
    client.put("/api/v1/secrets/TOKEN", json={"value": VALUE, "blueprints": ["rival/*"]})
    assert ask(client, repository, "rival/preview").status_code == 202
