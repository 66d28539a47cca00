"""The marketplace over HTTP: publishing, finding, downloading, and the life of a version."""

import hashlib
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.archive.limits import LIMITS
from catalog.assets.skeletons import skeleton
from catalog.settings import Settings

Client = TestClient[Litestar]
ASSETS = "/api/v1/assets"


def publish(client: Client, archive: bytes, **form: str) -> httpx.Response:
    return client.post(ASSETS, files={"archive": ("a.tar.gz", archive, "application/gzip")}, data=form)


@pytest.fixture
def changed() -> bytes:
    """Build the same version with other bytes."""
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
    files["README.md"] = PackageFile(files["README.md"].content + b"\nMore.\n")
    return build_archive(files).data


def test_publishing_the_same_bytes_again_changes_nothing(api: Client, archive: bytes) -> None:
    first, second = publish(api, archive), publish(api, archive)
    assert (first.status_code, second.status_code) == (201, 200), first.text
    assert first.json()["created"]
    assert not second.json()["created"]
    assert first.json()["digest"] == "sha256:" + hashlib.sha256(archive).hexdigest()
    assert api.get(first.headers["location"]).json()["version"] == first.json()["version"]


def test_other_bytes_under_a_version_that_is_out_are_refused(api: Client, archive: bytes, changed: bytes) -> None:
    publish(api, archive)
    answer = publish(api, changed)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:slipway:problem:version_exists"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x1f\x8b truncated"])
def test_what_is_no_archive_is_refused_with_findings(api: Client, content: bytes) -> None:
    answer = publish(api, content)
    assert answer.status_code == 422
    found = answer.json()
    assert found["type"] == "urn:slipway:problem:package_rejected"
    assert found["errors"]
    assert found["findings"]


def test_everything_wrong_is_said_at_once(api: Client) -> None:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
    manifest = files["asset.yaml"].content.replace(b"version:", b"versoin:").replace(b"summary:", b"sumary:")
    files["asset.yaml"] = PackageFile(manifest)
    found = publish(api, build_archive(files).data).json()
    assert len(found["errors"]) >= 2
    assert len(found["findings"]) >= len(found["errors"])


def test_a_form_without_an_archive_says_so(api: Client) -> None:
    answer = api.post(ASSETS, files={"other": ("a", b"x", "text/plain")})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/archive"], answer.json()


def test_what_is_no_file_or_more_than_one_says_so(api: Client, archive: bytes) -> None:
    twice = [("archive", ("a", archive, "application/gzip"))] * 2
    for sent in (twice, [("archive", (None, "a text"))]):
        answer = api.post(ASSETS, files=sent)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/archive"
        assert "a file is sent once, as a file with a name" in error["detail"]


@pytest.mark.parametrize("address", [ASSETS, "/uploads", "/t/acme/legacy/"])
def test_a_form_whose_texts_are_none_is_the_senders_fault(api: Client, archive: bytes, address: str) -> None:
    said = "\r\nContent-Type: text/plain; charset="
    for kind in ("", f"{said}nonsense", f'{said}"a\0b"'):
        head = f'--x\r\nContent-Disposition: form-data; name="archive"{kind}\r\n\r\n'
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = api.post(address, content=head.encode() + archive + b"\r\n--x--\r\n", headers=form)
        assert answer.status_code in {400, 422}, answer.text
        assert "Send files as files" in answer.text


def test_a_wrong_visibility_says_so(api: Client, archive: bytes) -> None:
    long = publish(api, archive, visibility="x" * 5_000).json()["errors"][0]["detail"]
    assert len(long) < 300, "what is long is not repeated"
    answer = publish(api, archive, visibility="everyone")
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/visibility"], answer.json()


def test_an_upload_beyond_the_limit_is_cut_off(api: Client) -> None:
    answer = publish(api, b"x" * (LIMITS.packed + 2 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_search_finds_by_words_and_counts(api: Client, archive: bytes) -> None:
    publish(api, archive)
    found = api.get(ASSETS, params={"q": "prev", "kind": "deployment-blueprint"}).json()
    assert [f"{each['namespace']}/{each['name']}" for each in found["items"]] == ["acme/preview"]
    assert found["total"] == 1
    assert found["facets"]["kind"] == [{"value": "deployment-blueprint", "count": 1, "selected": True}]
    nothing = api.get(ASSETS, params={"q": "prev", "kind": "policy-bundle"}).json()
    assert nothing["items"] == []
    assert nothing["hints"]


def test_a_version_and_its_archive_can_be_had(api: Client, archive: bytes) -> None:
    publish(api, archive)
    assert api.get(f"{ASSETS}/acme/preview").json()["display_name"]
    (version,) = api.get(f"{ASSETS}/acme/preview/versions").json()["items"]
    read = api.get(f"{ASSETS}/acme/preview/versions/{version['version']}").json()
    assert read["manifest"]["metadata"]["name"] == "preview"
    download = api.get(f"{ASSETS}/acme/preview/versions/latest/archive")
    assert download.content == archive
    assert download.headers["content-type"] == "application/gzip"
    tag = download.headers["etag"]
    assert tag == f'"sha256:{hashlib.sha256(archive).hexdigest()}"'
    assert api.get(f"{ASSETS}/acme/preview/versions/latest/archive", headers={"If-None-Match": tag}).status_code == 304


def test_damaged_bytes_are_never_handed_out(api: Client, archive: bytes, settings: Settings) -> None:
    publish(api, archive)
    digest = hashlib.sha256(archive).hexdigest()
    (stored,) = [
        path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file() and digest[4:] in path.name
    ]
    stored.chmod(0o600)
    Path(stored).write_bytes(archive[:-1] + b"x")
    answer = api.get(f"{ASSETS}/acme/preview/versions/latest/archive")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:slipway:problem:archive_unavailable"


def test_the_life_of_a_version(api: Client, archive: bytes) -> None:
    version = publish(api, archive).json()["version"]
    base = f"{ASSETS}/acme/preview/versions/{version}"
    for verb, state in (("deprecate", "deprecated"), ("restore", "published"), ("yank", "yanked")):
        moved = api.post(f"{base}/{verb}", json={"reason": "Because."})
        assert moved.status_code == 200, moved.text
        assert moved.json()["state"] == state
    assert api.post(f"{base}/deprecate", json={"reason": ""}).json()["errors"][0]["pointer"] == "/reason"
    assert api.post(f"{base}/revoke", json={"reason": "It is unsafe."}).json()["state"] == "revoked"
    again = api.post(f"{base}/restore", json={"reason": "No."})
    assert again.status_code == 409
    assert again.json()["type"] == "urn:slipway:problem:version_state"


def test_the_schema_of_manifests_is_served(api: Client) -> None:
    answer = api.get("/api/v1/schemas/asset")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json()["$schema"].startswith("https://json-schema.org/")
