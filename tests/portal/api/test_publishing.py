"""Publishing what a sandboxed worker has to check: waiting for it, going on without it, and its refusals."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.settings import Settings

Client = TestClient[Litestar]
Working = Callable[[], AbstractContextManager[None]]
NewClient = Callable[..., Client]
PATIENT, IMPATIENT = 30.0, 0.2


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Return settings whose portal waits for checks as long as the test says."""
    return settings.model_copy(update={"upload_wait_seconds": getattr(request, "param", IMPATIENT)})


def package(*, damaged: bool = False, **changes: bytes) -> bytes:
    files = dict(kinds()["component-package"].skeleton("acme", "network"))
    wheel = next(path for path in files if path.endswith(".whl"))
    files[wheel] = b"PK\x03\x04 and no more" if damaged else files[wheel]
    files |= {f"{name}.md": data for name, data in changes.items()}
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


def publish(client: Client, archive: bytes, **headers: str) -> httpx.Response:
    files = {"archive": ("a.tar.gz", archive, "application/gzip")}
    return client.post("/api/v1/assets", files=files, headers=headers)


@pytest.mark.parametrize("settings", [PATIENT], indirect=True)
def test_with_a_worker_the_answer_is_the_outcome(api: Client, working: Working) -> None:
    with working():
        refused = publish(api, package(damaged=True))
        published = publish(api, package())
        again = publish(api, package())
    assert refused.status_code == 422
    assert [each["rule"] for each in refused.json()["findings"]] == ["wheel-damaged"]
    assert published.status_code == 201, published.text
    assert published.json()["version"] == "0.1.0"
    assert api.get(published.headers["location"]).status_code == 200
    assert again.status_code == 200
    listed = api.get(f"{published.headers['location']}/artifacts")
    assert listed.status_code == 200
    for each in listed.json()["items"]:
        file = api.get(f"{published.headers['location']}/artifacts/{each['name']}")
        assert file.headers["content-type"].startswith(each["media_type"])
        assert len(file.content) == each["size"]
    assert api.get(f"{published.headers['location']}/artifacts/none").status_code == 404


def test_without_an_outcome_yet_the_operation_is_named(
    api: Client, working: Working, client_of: NewClient, rival: object
) -> None:
    accepted = publish(api, package(), **{"Idempotency-Key": "one"})
    assert accepted.status_code == 202, accepted.text
    document = accepted.json()
    assert accepted.headers["location"] == f"/api/v1/operations/{document['operation']}"
    operation = api.get(accepted.headers["location"]).json()
    assert operation["state"] == "pending"
    assert [step["name"] for step in operation["steps"]][-1] == "publish"
    assert api.get(document["url"]).json()["state"] == "received"
    assert publish(api, package(), **{"Idempotency-Key": "one"}).json() == document
    assert publish(api, package()).json() == document
    other = publish(api, package(README=b"# Something else\n"))
    assert other.status_code == 409
    assert other.json()["type"] == "urn:slipway:problem:version_being_checked"
    stranger = client_of(rival)
    assert stranger.get(document["url"]).status_code == 404
    assert stranger.get("/api/v1/uploads").json()["items"] == []
    with working():
        deadline = threading.Event()
        while api.get(document["url"]).json()["state"] == "received":
            assert not deadline.wait(0.05)
    assert publish(api, package()).status_code == 200
    assert [each["state"] for each in api.get("/api/v1/uploads").json()["items"]] == ["published"]


def test_the_page_shows_the_checks_and_their_end(browser: Client, working: Working) -> None:
    sent = browser.post(
        "/uploads",
        files={"archive": ("a.slipway.tar.gz", package(damaged=True), "application/gzip")},
        follow_redirects=False,
    )
    assert sent.status_code == 303, sent.text
    page = sent.headers["location"]
    before = browser.get(page).text
    assert "Being checked" in before
    assert f'sse-connect="{page}/stream"' in before
    with working(), browser.stream("GET", f"{page}/stream") as stream:
        told = "".join(stream.iter_text())
    assert "event: end" in told
    assert "Not accepted" in told
    after = browser.get(page).text
    assert "The wheel is damaged" in after
    assert "Being checked" not in after
    assert page in browser.get("/uploads/new").text


def test_kinds_that_need_no_sandbox_need_no_worker(api: Client, archive: bytes) -> None:
    assert publish(api, archive).status_code == 201
