"""Versions that are not out yet, over HTTP: drafts, reviews by a second person, and sessions."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import Session

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal, Role
from catalog.tenants.service import TenantService
from catalog.uploads.models import Upload
from catalog.uploads.service.receiving import MOST_MEMBERS

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
PREVIEW = "/api/v1/assets/acme/preview/versions/0.1.0"


def package(name: str = "preview", readme: str = "") -> bytes:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", name).items()}
    files["README.md"] = PackageFile(files["README.md"].content + readme.encode())
    return build_archive(files).data


def send(client: Client, archive: bytes, **form: str) -> httpx.Response:
    return client.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")}, data=form)


def step(client: Client, verb: str, path: str = PREVIEW, comment: str = "") -> httpx.Response:
    return client.post(f"{path}/{verb}", json={"comment": comment})


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:slipway:problem:")


def state(client: Client, path: str = PREVIEW) -> str:
    return str(client.get(path).json()["state"])


@pytest.fixture
def people(database: Database, acme: Principal, client_of: NewClient) -> tuple[Client, Client]:
    """Two publishers of acme, each with a token of their own."""

    def person(session: Session, name: str) -> Principal:
        member = TenantService(session).add_member(acme.tenant_id, name, f"{name}@example.com", Role.PUBLISHER)
        return Principal(acme.tenant_id, "acme", f"member:{member.id}", name, ALL_SCOPES, member.id)

    with database.tenant_session(acme.tenant_id) as session:
        ann, bob = person(session, "ann"), person(session, "bob")
    return client_of(ann), client_of(bob)


def test_a_draft_is_seen_by_its_publisher_alone_until_it_is_published(
    api: Client, client_of: NewClient, rival: Principal
) -> None:
    theirs = client_of(rival)
    kept = send(api, package(), draft="true", visibility="public")
    assert (kept.status_code, kept.json()["state"]) == (201, "draft"), kept.text
    assert api.get("/api/v1/assets").json()["total"] == 0
    for path in (PREVIEW, f"{PREVIEW}/archive", "/api/v1/assets/acme/preview", "/api/v1/assets/acme/preview/versions"):
        assert theirs.get(path).status_code == 404, path
    refused = api.post(
        "/api/v1/assets/resolve", json={"requirements": [{"asset": "acme/preview", "kind": "deployment-blueprint"}]}
    )
    assert refused.status_code == 422

    assert step(api, "publish").json()["state"] == "published"

    assert theirs.get("/api/v1/assets").json()["items"][0]["name"] == "preview"
    assert theirs.get(f"{PREVIEW}/archive").status_code == 200
    assert problem(step(api, "publish"))[0] == 409


def test_a_draft_takes_other_content_and_a_published_version_does_not(api: Client) -> None:
    send(api, package(), draft="true")
    again = send(api, package(readme="More."), draft="true")
    assert again.status_code == 201, again.text
    assert "More." in api.get(PREVIEW).json()["readme"]
    published = send(api, package(readme="More."))
    assert (published.status_code, published.json()["state"]) == (200, "published")
    assert problem(send(api, package(), draft="true")) == (409, "version_exists")


def test_a_draft_that_is_thrown_away_leaves_its_number_free(api: Client) -> None:
    send(api, package(), draft="true")
    assert api.delete(PREVIEW).status_code == 204
    assert api.get(PREVIEW).status_code == 404
    assert send(api, package(readme="Other.")).status_code == 201
    assert problem(api.delete(PREVIEW))[0] == 409


def test_nobody_publishes_alone_where_a_namespace_asks_for_a_review(api: Client, people: tuple[Client, Client]) -> None:
    ann, bob = people
    assert problem(api.put("/api/v1/namespaces/acme", json={"review_required": True})) == (404, "not_found")
    send(ann, package("first"))
    assert api.put("/api/v1/namespaces/acme", json={"review_required": True}).json()["review_required"]

    waiting = send(ann, package())

    assert (waiting.status_code, waiting.json()["state"]) == (201, "in_review")
    assert problem(step(ann, "publish")) == (403, "second_person_needed")
    assert problem(step(api, "publish")) == (403, "second_person_needed")  # a token that is nobody's
    assert problem(send(ann, package(readme="Other."))) == (409, "version_exists")
    assert step(bob, "withdraw", comment="Say more.").json()["state"] == "draft"
    assert ann.get(PREVIEW).json()["state_reason"] == "Say more."
    assert problem(step(ann, "publish")) == (403, "second_person_needed")
    assert send(ann, package(readme="More."), draft="true").status_code == 201
    assert step(bob, "submit").json()["state"] == "in_review"
    assert problem(step(bob, "publish")) == (403, "second_person_needed")  # who submitted it is no second person
    assert state(ann) == "in_review"
    assert step(ann, "withdraw").json()["state"] == "draft"
    assert step(ann, "submit").json()["state"] == "in_review"
    assert step(bob, "publish", comment="Good.").json()["state"] == "published"


def test_versions_of_a_session_come_out_together_or_not_at_all(
    api: Client, client_of: NewClient, rival: Principal
) -> None:
    opened = api.post("/api/v1/uploads/sessions", json={"title": "Both"}).json()
    path = f"/api/v1/uploads/sessions/{opened['id']}"
    assert problem(api.post(f"{path}/publish", json={})) == (409, "session_not_ready")
    for name in ("one", "two"):
        assert send(api, package(name), session=opened["id"], visibility="public").json()["state"] == "draft"
    two = "/api/v1/assets/acme/two/versions/0.1.0"
    assert api.delete(two).status_code == 204

    refused = api.post(f"{path}/publish", json={})

    assert problem(refused) == (409, "session_not_ready")
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/members/1"]
    assert client_of(rival).get("/api/v1/assets").json()["total"] == 0
    send(api, package("two"), session=opened["id"], visibility="public")
    done = api.post(f"{path}/publish", json={}).json()
    assert (done["state"], [each["version_state"] for each in done["members"]]) == ("published", ["published"] * 2)
    assert client_of(rival).get("/api/v1/assets").json()["total"] == 2
    assert problem(send(api, package("three"), session=opened["id"])) == (409, "conflict")
    assert client_of(rival).get(path).status_code == 404


def test_a_full_session_takes_no_other_version_in(api: Client, database: Database, acme: Principal) -> None:
    opened = api.post("/api/v1/uploads/sessions", json={"title": "Many"}).json()
    shared = {"tenant_id": acme.tenant_id, "session_id": UUID(opened["id"]), "version": "0.1.0", "actor": "test"}
    rest = {"kind": "deployment-blueprint", "blob_digest": "", "size": 1, "publisher": "test", "state": "held"}
    with database.tenant_session(acme.tenant_id) as session:
        for number in range(MOST_MEMBERS - 1):
            # Sent more than once each, as what was corrected is; only the last of them counts.
            each = {**shared, **rest, "namespace": "acme", "name": f"a{number}"}
            session.add_all([Upload.model_validate(each), Upload.model_validate(each)])
    assert send(api, package("last"), session=opened["id"]).status_code == 201
    refused = send(api, package("more"), session=opened["id"])
    assert problem(refused) == (409, "conflict")
    assert "holds 200 versions" in refused.json()["detail"]
    assert send(api, package("last", "Corrected."), session=opened["id"]).status_code == 201
    members = api.get(f"/api/v1/uploads/sessions/{opened['id']}").json()["members"]
    assert len(members) == MOST_MEMBERS
    assert members[-1]["name"] == "last"


def test_a_session_is_reviewed_as_a_whole_and_discarded_as_a_whole(api: Client, people: tuple[Client, Client]) -> None:
    ann, bob = people
    send(ann, package("first"))
    api.put("/api/v1/namespaces/acme", json={"review_required": True})
    opened = ann.post("/api/v1/uploads/sessions", json={"title": "Both"}).json()
    path = f"/api/v1/uploads/sessions/{opened['id']}"
    for name in ("one", "two"):
        send(ann, package(name), session=opened["id"])
    assert problem(ann.post(f"{path}/publish", json={})) == (403, "second_person_needed")
    assert ann.post(f"{path}/submit", json={"comment": "Please."}).json()["state"] == "in_review"
    assert problem(ann.post(f"{path}/publish", json={})) == (403, "second_person_needed")
    assert state(ann, "/api/v1/assets/acme/one/versions/0.1.0") == "in_review"
    assert bob.post(f"{path}/publish", json={}).json()["state"] == "published"

    other = ann.post("/api/v1/uploads/sessions", json={"title": "Not this"}).json()
    send(ann, package("three"), session=other["id"])
    assert ann.delete(f"/api/v1/uploads/sessions/{other['id']}").json()["state"] == "discarded"
    assert ann.get("/api/v1/assets/acme/three/versions/0.1.0").status_code == 404


@pytest.fixture
def repository(settings: Settings) -> Path:
    """A repository with an asset in a folder, tagged as its version, with and without a leading ``v``."""
    path = settings.data_dir / "demo" / "repositories" / "assets"
    for name, content in skeleton("deployment-blueprint", "acme", "preview").items():
        target = path / "preview" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    git = ["git", "-C", str(path), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "--message", "asset"],
        ["tag", "v0.1.0"],
        ["tag", "preview/v0.2.0"],
        ["tag", "v1.0"],
    ):
        subprocess.run([*git, *command], check=True)
    return path


def test_a_tag_becomes_a_version_that_says_where_it_came_from(api: Client, repository: Path) -> None:
    body = {"repository": str(repository), "tag": "v0.1.0", "folder": "preview"}
    answer = api.post("/api/v1/uploads/import", json=body)
    assert answer.status_code == 201, answer.text
    source = api.get(PREVIEW).json()["published_from"]
    assert (source["repository"], source["reference"]) == (str(repository), "refs/tags/v0.1.0")
    assert len(source["commit"]) == 40
    assert api.post("/api/v1/uploads/import", json=body).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer", "reason"),
    [
        ({"tag": "v9.9.9"}, "/tag", "has no tag"),
        ({"tag": "v1.0"}, "/tag", "not accepted as a version"),
        ({"folder": "elsewhere"}, "/folder", "has no folder"),
        ({"repository": "/etc"}, "/repository", "no Git repository"),
        ({"tag": "preview/v0.2.0"}, "/archive", "The manifest says 0.1.0, but the tag is preview/v0.2.0"),
    ],
)
def test_a_tag_that_cannot_be_used_is_named(
    api: Client, repository: Path, change: dict[str, Any], pointer: str, reason: str
) -> None:
    body = {"repository": str(repository), "tag": "v0.1.0", "folder": "preview", **change}
    answer = api.post("/api/v1/uploads/import", json=body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert reason in answer.text
    assert api.get(PREVIEW).status_code == 404


def test_the_page_shows_drafts_and_takes_every_step(browser: Client, api: Client) -> None:
    assert "No drafts" in browser.get("/uploads/drafts").text
    sent = browser.post(
        "/uploads", files={"archive": ("a.slipway.tar.gz", package(), "application/gzip")}, data={"outcome": "draft"}
    )
    assert "acme/preview" in sent.text
    assert "The version is kept and not out yet." in sent.text
    assert browser.post("/uploads/reviews/acme", data={"required": "yes"}).status_code == 200
    refused = browser.post("/uploads/drafts/acme/preview/0.1.0/publish", data={})
    assert refused.status_code == 403
    assert "asks for a review" in refused.text
    waiting = browser.post("/uploads/drafts/acme/preview/0.1.0/submit", data={"comment": "Please look."})
    assert "Please look." in waiting.text
    assert "Somebody else has to approve it." in waiting.text
    back = browser.post("/uploads/drafts/acme/preview/0.1.0/withdraw", data={})
    assert "is a draft again" in back.text
    assert "No drafts" in browser.post("/uploads/drafts/acme/preview/0.1.0/discard", data={}).text
    assert browser.post("/uploads/drafts/acme/preview/0.1.0/nonsense", data={}).status_code == 404
    browser.post("/uploads/reviews/acme", data={"required": "no"})

    opened = browser.post("/uploads/sessions", data={"title": "Both"})
    assert "Nothing is in it yet" in opened.text
    (found,) = api.get("/api/v1/uploads/sessions").json()["items"]
    early = browser.post(f"/uploads/sessions/{found['id']}/publish", data={})
    assert (early.status_code, "publish something with its id" in early.text) == (409, True)
    send(api, package("one"), session=found["id"])
    assert "All of it is out." in browser.post(f"/uploads/sessions/{found['id']}/publish", data={}).text
    assert browser.post("/uploads/sessions", data={"title": " "}).status_code == 422
