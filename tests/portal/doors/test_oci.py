"""The OCI door as a client of the distribution specification meets it."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.attestations.service import SupplyChainAttestationService
from catalog.clock import now
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import image_manifest
from tests.statements import statements

Client = TestClient[Litestar]
NewToken = Callable[..., str]
REPOSITORY = "/v2/acme/preview"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def pack(version: str) -> bytes:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
    manifest = files["asset.yaml"].content.decode().replace("version: 0.1.0", f"version: {version}")
    files["asset.yaml"] = PackageFile(manifest.encode())
    return build_archive(files).data


def publish(client: Client, data: bytes, visibility: str = "private") -> str:
    form = {"archive": ("a.tar.gz", data, "application/gzip")}
    answer = client.post("/api/v1/assets", files=form, data={"visibility": visibility})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["digest"])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let statements be signed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def stocked(api: Client) -> Client:
    """Publish 1.0.0 and a release candidate of 1.1.0."""
    publish(api, pack("1.0.0"))
    publish(api, pack("1.1.0-rc.1"))
    return api


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_a_version_is_pulled_by_tag_then_by_digest(stocked: Client) -> None:
    tagged = stocked.get(f"{REPOSITORY}/manifests/1.0.0", headers={"Accept": MANIFEST})
    assert tagged.status_code == 200, tagged.text
    assert tagged.headers["content-type"] == MANIFEST
    digest = tagged.headers["docker-content-digest"]
    assert digest == digest_of(tagged.content)
    assert stocked.get(f"{REPOSITORY}/manifests/{digest}").content == tagged.content
    assert stocked.get(f"{REPOSITORY}/manifests/latest").content == tagged.content
    manifest = tagged.json()
    assert manifest["artifactType"] == "application/vnd.slipway.asset.deployment-blueprint.v1"
    assert manifest["annotations"]["org.opencontainers.image.version"] == "1.0.0"
    config = stocked.get(f"{REPOSITORY}/blobs/{manifest['config']['digest']}")
    assert digest_of(config.content) == manifest["config"]["digest"]
    assert len(config.content) == manifest["config"]["size"]
    assert json.loads(config.content)["metadata"]["version"] == "1.0.0"
    (layer,) = manifest["layers"]
    content = stocked.get(f"{REPOSITORY}/blobs/{layer['digest']}")
    assert content.content == pack("1.0.0")
    assert layer["annotations"]["org.opencontainers.image.title"].endswith(".tar.gz")


def test_head_says_size_and_digest_without_bytes(stocked: Client) -> None:
    whole = stocked.get(f"{REPOSITORY}/manifests/1.0.0")
    head = stocked.head(f"{REPOSITORY}/manifests/1.0.0")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["docker-content-digest"] == whole.headers["docker-content-digest"]
    layer = whole.json()["layers"][0]
    blob = stocked.head(f"{REPOSITORY}/blobs/{layer['digest']}")
    assert (blob.status_code, blob.headers["content-length"]) == (200, str(layer["size"]))


def test_a_range_of_a_blob_is_handed_out(stocked: Client) -> None:
    layer = stocked.get(f"{REPOSITORY}/manifests/1.0.0").json()["layers"][0]
    part = stocked.get(f"{REPOSITORY}/blobs/{layer['digest']}", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == pack("1.0.0")[10:20]


def test_tags_come_in_pages(stocked: Client) -> None:
    assert stocked.get(f"{REPOSITORY}/tags/list").json() == {
        "name": "acme/preview",
        "tags": ["1.0.0", "1.1.0-rc.1", "latest"],
    }
    first = stocked.get(f"{REPOSITORY}/tags/list?n=2")
    assert first.json()["tags"] == ["1.0.0", "1.1.0-rc.1"]
    assert first.headers["link"] == f'<{REPOSITORY}/tags/list?n=2&last=1.1.0-rc.1>; rel="next"'
    assert stocked.get(f"{REPOSITORY}/tags/list?n=2&last=1.1.0-rc.1").json()["tags"] == ["latest"]


def test_a_token_is_a_password_or_a_bearer(
    stocked: Client, anyone: Client, new_token: NewToken, acme: Principal
) -> None:
    del stocked
    refused = anyone.get(f"{REPOSITORY}/manifests/1.0.0")
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert challenge == (
        'Bearer realm="http://127.0.0.1:8000/v2/token",service="slipway",scope="repository:acme/preview:pull"'
    )
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
    password = basic(new_token(acme, ["assets:read"]))
    granted = anyone.get("/v2/token?service=slipway&scope=repository:acme/preview:pull", headers=password).json()
    bearer = {"Authorization": f"Bearer {granted['token']}"}
    for headers in (password, bearer):
        assert anyone.get("/v2/", headers=headers).status_code == 200
        assert anyone.get(f"{REPOSITORY}/manifests/1.0.0", headers=headers).status_code == 200
    wrong = {"Authorization": "Basic " + base64.b64encode(b"a:slw_wrong").decode()}
    assert anyone.get("/v2/token", headers=wrong).status_code == 401
    assert anyone.get("/v2/", headers=wrong).json()["errors"][0]["code"] == "UNAUTHORIZED"


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"a:{token}".encode()).decode()}


def pull_token(client: Client, token: str, *scopes: str) -> dict[str, str]:
    answer = client.get("/v2/token", params={"scope": list(scopes)}, headers=basic(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"] != token
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_a_pull_token_pulls_what_it_was_asked_for_and_nothing_else(
    stocked: Client, anyone: Client, new_token: NewToken, acme: Principal
) -> None:
    del stocked
    everything = new_token(acme, ["assets:write", "tenants:admin"])
    pull = "repository:acme/preview:pull,push"
    granted = pull_token(anyone, everything, "repository:acme/other:pull", pull)
    assert anyone.get(f"{REPOSITORY}/tags/list", headers=granted).status_code == 200
    for path in ("/v2/token", "/api/v1/assets", "/api/v1/tokens", "/t/acme/simple/", "/v2/acme/third/tags/list"):
        assert anyone.get(path, headers=granted).status_code == 401, path
    for scope in ("", "repository:acme/preview:push", "registry:catalog:*", "repository:acme/previe:pull", "x" * 400):
        none = pull_token(anyone, everything, scope)
        assert anyone.get("/v2/", headers=none).status_code == 200
        refused = anyone.get(f"{REPOSITORY}/tags/list", headers=none)
        assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
    reads_nothing = pull_token(anyone, new_token(acme, ["events:read"]), pull)
    assert anyone.get(f"{REPOSITORY}/tags/list", headers=reads_nothing).status_code == 401


def test_a_pull_token_ends_by_itself_and_with_the_token_behind_it(
    stocked: Client, anyone: Client, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stocked.post("/api/v1/tokens", json={"name": "puller", "scopes": ["assets:read"]}).json()
    granted = pull_token(anyone, made["token"], "repository:acme/preview:pull")
    forged = {"Authorization": granted["Authorization"][:-6] + "AAAAA="}
    assert anyone.get(f"{REPOSITORY}/tags/list", headers=forged).status_code == 401
    with monkeypatch.context() as later:
        later.setattr("portal.auth.pull_tokens.now", lambda: now() + timedelta(seconds=301))
        assert anyone.get(f"{REPOSITORY}/tags/list", headers=granted).status_code == 401
    assert anyone.get(f"{REPOSITORY}/tags/list", headers=granted).status_code == 200
    assert api.delete(f"/api/v1/tokens/{made['id']}").status_code in {200, 204}
    assert anyone.get(f"{REPOSITORY}/tags/list", headers=granted).status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/acme/never/manifests/1.0.0", 404, "NAME_UNKNOWN"),
        ("/v2/acme/never/tags/list", 404, "NAME_UNKNOWN"),
        (f"{REPOSITORY}/manifests/9.9.9", 404, "MANIFEST_UNKNOWN"),
        (f"{REPOSITORY}/manifests/nonsense", 404, "MANIFEST_UNKNOWN"),
        (f"{REPOSITORY}/manifests/sha256:{'0' * 64}", 404, "MANIFEST_UNKNOWN"),
        (f"{REPOSITORY}/manifests/sha256:nonsense", 400, "DIGEST_INVALID"),
        (f"{REPOSITORY}/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        (f"{REPOSITORY}/blobs/md5:abc", 400, "DIGEST_INVALID"),
    ],
)
def test_errors_have_the_codes_of_the_specification(stocked: Client, path: str, status: int, code: str) -> None:
    answer = stocked.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["code"] == code
    assert answer.headers["content-type"].startswith("application/json")


def test_nothing_of_another_tenant_is_there(
    stocked: Client, client_of: Callable[..., Client], rival: Principal
) -> None:
    stranger = client_of(rival)
    manifest = stocked.get(f"{REPOSITORY}/manifests/1.0.0")
    digest, layer = manifest.headers["docker-content-digest"], manifest.json()["layers"][0]["digest"]
    for path in (
        "/tags/list", "/manifests/1.0.0", f"/manifests/{digest}", f"/blobs/{layer}", f"/referrers/{digest}",
    ):  # fmt: skip
        hidden = stranger.get(f"{REPOSITORY}{path}")
        never = stranger.get(f"/v2/acme/absent{path}")
        assert hidden.status_code == never.status_code == 404
        assert hidden.text.replace("acme/preview", "X") == never.text.replace("acme/absent", "X")
    publish(stocked, pack("1.2.0"), visibility="public")
    assert stranger.get(f"{REPOSITORY}/manifests/1.2.0").status_code == 200


def test_a_draft_has_no_tag(stocked: Client) -> None:
    form = {"archive": ("a.tar.gz", pack("2.0.0"), "application/gzip")}
    kept = stocked.post("/api/v1/assets", files=form, data={"draft": "true"})
    assert (kept.status_code, kept.json()["state"]) == (201, "draft"), kept.text
    assert stocked.get(f"{REPOSITORY}/tags/list").json()["tags"] == ["1.0.0", "1.1.0-rc.1", "latest"]
    assert stocked.get(f"{REPOSITORY}/manifests/2.0.0").status_code == 404


def test_what_another_tenant_has_met_changes_no_answer(
    stocked: Client,
    client_of: Callable[..., Client],
    database: Database,
    settings: Settings,
    portal: Litestar,
    rival: Principal,
) -> None:
    publish(stocked, pack("1.2.0"), visibility="public")
    theirs = client_of(rival)
    with database.tenant_session(rival.tenant_id) as session:
        row = AssetService(session).version(rival.tenant_id, "acme", "preview", "1.2.0").model_dump()
        SupplyChainAttestationService(session, settings).sign_published(rival, row)
    digest = theirs.get(f"{REPOSITORY}/manifests/1.2.0").headers["docker-content-digest"]
    (described,) = theirs.get(f"{REPOSITORY}/referrers/{digest}").json()["manifests"]
    manifest = theirs.get(f"{REPOSITORY}/manifests/{described['digest']}")
    (layer,) = manifest.json()["layers"]
    assert theirs.get(f"{REPOSITORY}/blobs/{layer['digest']}").status_code == 200
    stocked.get(f"{REPOSITORY}/manifests/sha256:{'1' * 64}")
    for kind, known in (("manifests", described["digest"]), ("blobs", layer["digest"])):
        said = []
        for each in (known, f"sha256:{'0' * 64}"):
            with statements(portal.state.database.app) as asked:
                answer = stocked.get(f"{REPOSITORY}/{kind}/{each}")
            said.append((answer.status_code, answer.text.replace(each, "<digest>"), len(asked)))
        assert said[0] == said[1], kind
        assert said[0][0] == 404


def test_a_digest_that_led_to_what_is_gone_is_unknown(stocked: Client, database: Database, acme: Principal) -> None:
    form = {"archive": ("a.tar.gz", pack("2.0.0"), "application/gzip")}
    assert stocked.post("/api/v1/assets", files=form, data={"draft": "true"}).status_code == 201
    with database.tenant_session(acme.tenant_id) as session:
        digest = image_manifest(AssetService(session).version(acme.tenant_id, "acme", "preview", "2.0.0")).digest
    assert stocked.get(f"{REPOSITORY}/manifests/{digest}").status_code == 200
    thrown = stocked.delete("/api/v1/assets/acme/preview/versions/2.0.0")
    assert thrown.status_code in {200, 204}, thrown.text
    gone = stocked.get(f"{REPOSITORY}/manifests/{digest}")
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert stocked.get(f"{REPOSITORY}/referrers/{digest}").json()["manifests"] == []


def test_a_version_in_quarantine_is_held_back(stocked: Client) -> None:
    layer = stocked.get(f"{REPOSITORY}/manifests/1.0.0").json()["layers"][0]["digest"]
    moved = stocked.post("/api/v1/assets/acme/preview/versions/1.0.0/quarantine", json={"reason": "Under examination."})
    assert moved.status_code == 200
    for path in ("/manifests/1.0.0", f"/blobs/{layer}"):
        answer = stocked.get(f"{REPOSITORY}{path}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")


def test_statements_about_a_version_are_its_referrers(
    stocked: Client, database: Database, settings: Settings, acme: Principal
) -> None:
    manifest = stocked.get(f"{REPOSITORY}/manifests/1.0.0")
    digest = manifest.headers["docker-content-digest"]
    blob = manifest.json()["layers"][0]["digest"].removeprefix("sha256:")
    nobody = stocked.get(f"{REPOSITORY}/referrers/sha256:{'1' * 64}")
    assert (nobody.status_code, nobody.json()["manifests"]) == (200, [])
    with database.tenant_session(acme.tenant_id) as session:
        version = AssetService(session).version(acme.tenant_id, "acme", "preview", "1.0.0")
        assert version.blob_digest == blob
        signed = SupplyChainAttestationService(session, settings).sign_published(acme, version.model_dump())
    found = stocked.get(f"{REPOSITORY}/referrers/{digest}")
    assert found.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    (described,) = found.json()["manifests"]
    assert described["artifactType"] == signed.media_type
    assert stocked.get(f"{REPOSITORY}/manifests/{digest.replace(':', '-')}").content == found.content
    referrer: Any = stocked.get(f"{REPOSITORY}/manifests/{described['digest']}").json()
    assert referrer["subject"]["digest"] == digest
    assert digest_of(stocked.get(f"{REPOSITORY}/manifests/{described['digest']}").content) == described["digest"]
    (layer,) = referrer["layers"]
    envelope = stocked.get(f"{REPOSITORY}/blobs/{layer['digest']}")
    assert digest_of(envelope.content) == layer["digest"]
    assert stocked.get(f"{REPOSITORY}/blobs/{referrer['config']['digest']}").content == b"{}"
    filtered = stocked.get(f"{REPOSITORY}/referrers/{digest}", params={"artifactType": "application/other"})
    assert filtered.json()["manifests"] == []
    assert filtered.headers["oci-filters-applied"] == "artifactType"


def test_pushing_is_not_offered(stocked: Client) -> None:
    answer = stocked.put(f"{REPOSITORY}/manifests/1.0.0", content=b"{}")
    assert answer.status_code == 405
    assert answer.json()["errors"][0]["code"] == "UNSUPPORTED"
