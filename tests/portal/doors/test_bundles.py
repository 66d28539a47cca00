"""OPA's bundle API, with a real OPA that polls."""

import base64
import gzip
import hashlib
import io
import json
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import NOTHING_DERIVED
from catalog.assets.check import check_archive
from catalog.assets.curation.models import ShareAsset
from catalog.assets.kinds import kinds
from catalog.assets.models import Visibility
from catalog.assets.service import AssetService
from catalog.attestations.service import SupplyChainAttestationService
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers.toolchain import OPA, ensure

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
Publish = Callable[..., None]
PATH = "/t/acme/bundles/acme/baseline"
MEDIA_TYPE = "application/vnd.openpolicyagent.bundles"


def archive_of(version: str) -> bytes:
    files = dict(kinds()["policy-bundle"].skeleton("acme", "baseline"))
    for path in ("asset.yaml", "content/.manifest"):
        files[path] = files[path].replace(b"0.1.0", version.encode())
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a Slipway that can make keys."""
    return settings.model_copy(update={"master_key": SecretStr("a key for tests")})


@pytest.fixture
def publish(database: Database, settings: Settings, acme: Principal) -> Publish:
    """Return what publishes a version of the bundle acme/baseline."""

    def published(version: str, visibility: Visibility = Visibility.PRIVATE) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            service = UploadService(session, open_blobs(settings))
            archive = archive_of(version)
            received = service.receive(acme, io.BytesIO(archive), visibility)
            # The sandbox has tests of its own; here its verdict is that there is nothing to find.
            if received.version is None and received.upload is not None:
                service.conclude(acme.tenant_id, received.upload.id, check_archive(archive), [], NOTHING_DERIVED)

    return published


def unpack(bundle: bytes) -> dict[str, bytes]:
    assert not bundle.startswith(b"{"), bundle  # a problem, and what it says
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundle))) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]  # all are files


def test_a_bundle_is_what_opa_expects(api: Client, publish: Publish) -> None:
    publish("0.1.0")
    answer = api.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
    files = unpack(answer.content)
    manifest = json.loads(files[".manifest"])
    assert (manifest["revision"], manifest["rego_version"]) == ("0.1.0", 1)
    assert manifest["roots"]
    assert any(path.endswith(".rego") for path in files)
    assert not any(path.startswith(("content", "tests", "/")) or path.endswith("_test.rego") for path in files)
    assert ".signatures.json" not in files
    again = api.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["content-type"], again.content) == (304, MEDIA_TYPE, b"")
    assert api.head(PATH).headers["etag"] == answer.headers["etag"]


def test_a_version_or_a_constraint(api: Client, publish: Publish) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        publish(version)
    for wanted, expected in (("", "2.0.0"), ("/1.0.0", "1.0.0"), ("/~=1.0", "1.1.0"), ("/%3E=1,%3C2", "1.1.0")):
        answer = api.get(f"{PATH}{wanted}")
        assert json.loads(unpack(answer.content)[".manifest"])["revision"] == expected
    move = {"reason": "Wrong."}
    assert api.post("/api/v1/assets/acme/baseline/versions/2.0.0/yank", json=move).status_code == 200
    assert json.loads(unpack(api.get(PATH).content)[".manifest"])["revision"] == "1.1.0"
    assert json.loads(unpack(api.get(f"{PATH}/2.0.0").content)[".manifest"])["revision"] == "2.0.0"
    for wanted in ("/9.0.0", "/nonsense", "/@", "/1.0.0;x", "/%00"):
        assert api.get(f"{PATH}{wanted}").status_code in {404, 409, 422}, wanted


def test_others_see_nothing(client_of: NewClient, rival: Principal, publish: Publish, anyone: Client) -> None:
    publish("0.1.0")
    stranger = client_of(rival)
    hidden, missing = (stranger.get(f"/t/rival/bundles/acme/{name}") for name in ("baseline", "nothing"))
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["title"] == missing.json()["title"]
    assert stranger.get(PATH).status_code == 404
    assert anyone.get(PATH).status_code == 401


def test_a_share_that_is_withdrawn_ends_at_once_also_for_whoever_waits(
    api: Client, client_of: NewClient, rival: Principal, publish: Publish, database: Database, acme: Principal
) -> None:
    publish("0.1.0")
    door = "/t/rival/bundles/acme"
    stranger = client_of(rival)

    def share(*tenants: str) -> None:
        shared = ShareAsset(visibility=Visibility.SHARED if tenants else Visibility.PRIVATE, tenants=list(tenants))
        with database.tenant_session(acme.tenant_id) as session:
            AssetService(session).share(acme, "acme", "baseline", shared)

    share("rival")
    first = stranger.get(f"{door}/baseline")
    assert first.status_code == 200, first.text
    known = {"If-None-Match": first.headers["etag"]}
    assert stranger.get(f"{door}/baseline", headers=known).status_code == 304
    later = threading.Timer(0.5, share)
    started = time.monotonic()
    later.start()
    waited = stranger.get(f"{door}/baseline", headers={**known, "Prefer": "modes=snapshot,delta;wait=50"})
    later.join()
    assert waited.status_code == 404
    assert time.monotonic() - started < 30, "it was told, and did not wait to the end"
    for rest in ("", "/0.1.0", "/~=0.1"):
        for headers in ({}, known):
            hidden, missing = (
                stranger.get(f"{door}/{name}{rest}", headers=headers) for name in ("baseline", "nothing0")
            )
            assert (hidden.status_code, missing.status_code) == (404, 404), rest
            told = [
                {**each.json(), "detail": each.json()["detail"].replace(name, ""), "correlation_id": ""}
                for each, name in ((hidden, "baseline"), (missing, "nothing0"))
            ]
            assert told[0] == told[1]
            assert "etag" not in hidden.headers
    assert stranger.head(f"{door}/baseline").status_code == 404
    assert api.get(PATH).status_code == 200, "its own tenant goes on"
    share("rival")
    assert stranger.get(f"{door}/baseline", headers=known).status_code == 304


def test_it_waits_for_the_next_version(api: Client, publish: Publish) -> None:
    publish("0.1.0")
    headers = {"If-None-Match": api.get(PATH).headers["etag"], "Prefer": "modes=snapshot,delta;wait=1"}
    started = time.monotonic()
    assert api.get(PATH, headers=headers).status_code == 304
    assert time.monotonic() - started >= 1
    later = threading.Timer(0.5, publish, ("0.2.0",))
    later.start()
    answer = api.get(PATH, headers={**headers, "Prefer": "modes=snapshot;wait=30"})
    later.join()
    assert answer.status_code == 200
    assert json.loads(unpack(answer.content)[".manifest"])["revision"] == "0.2.0"


@pytest.fixture(scope="session")
def opa() -> str:
    """Return the path of OPA."""
    return str(ensure(load_settings().tools_dir, OPA))


class Agent:
    """A running ``opa run --server`` with one bundle."""

    def __init__(self, url: str) -> None:
        self.url = url

    def revision(self) -> str:
        answer: Any = httpx.get(f"{self.url}/v1/status", timeout=60).json()
        return str(answer.get("result", {}).get("bundles", {}).get("acme", {}).get("active_revision", ""))

    def wait_for(self, revision: str) -> None:
        deadline = time.monotonic() + 30
        while self.revision() != revision and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.revision() == revision, httpx.get(f"{self.url}/v1/status", timeout=60).text


@pytest.fixture
def run_opa(opa: str, tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Agent]]:
    """Return what starts an OPA with a configuration."""
    running: list[subprocess.Popen[bytes]] = []

    def run(configuration: dict[str, Any]) -> Agent:
        file = tmp_path / "opa.json"
        file.write_text(json.dumps(configuration))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        log = (tmp_path / "opa.log").open("wb")
        command = [opa, "run", "--server", "--addr", address, "--config-file", str(file), "--disable-telemetry"]
        running.append(subprocess.Popen(command, stdout=log, stderr=log))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://{address}/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        return Agent(f"http://{address}")

    yield run
    for each in running:
        each.terminate()
        each.wait(10)


def test_an_opa_activates_what_was_published(
    settings: Settings,
    serve: Callable[[Settings], AbstractContextManager[Settings]],
    acme: Principal,
    new_token: Callable[..., str],
    publish: Publish,
    database: Database,
    run_opa: Callable[[dict[str, Any]], Agent],
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        key = SupplyChainAttestationService(session, settings).ensure_signing_key(acme)
    publish("0.1.0")
    with serve(settings) as own:
        agent = run_opa(
            {
                "services": {
                    "slipway": {
                        "url": f"{own.base_url}/t/acme",
                        "credentials": {"bearer": {"token": new_token(acme, ["assets:read"])}},
                    }
                },
                "bundles": {
                    "acme": {
                        "service": "slipway",
                        "resource": "bundles/acme/baseline",
                        "polling": {"long_polling_timeout_seconds": 20},
                        "signing": {"keyid": key.key_id},
                    }
                },
                "keys": {key.key_id: {"algorithm": "ES256", "key": key.public_key}},
                "status": {"prometheus": False},
            }
        )
        agent.wait_for("0.1.0")
        publish("0.2.0")
        started = time.monotonic()
        agent.wait_for("0.2.0")
        assert time.monotonic() - started < 15, "it was told, and did not have to poll"


def test_the_signature_covers_every_file(
    api: Client, publish: Publish, database: Database, settings: Settings, acme: Principal
) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        SupplyChainAttestationService(session, settings).ensure_signing_key(acme)
    publish("0.1.0")
    files = unpack(api.get(PATH).content)
    (token,) = json.loads(files.pop(".signatures.json"))["signatures"]
    payload = token.split(".")[1]
    listed = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["files"]
    assert {each["name"] for each in listed} == set(files)
    rego = next(each for each in listed if each["name"].endswith(".rego"))
    assert rego["hash"] == hashlib.sha256(files[rego["name"]]).hexdigest()
