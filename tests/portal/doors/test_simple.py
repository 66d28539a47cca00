"""The simple index as the standards describe it: PEP 503, 592, 658, 691, 700, 714 and 792."""

import base64
import hashlib
import re
from collections.abc import Callable

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.tenancy import Principal
from portal.doors.negotiation import Form, choose_form

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
PublishWheel = Callable[..., tuple[str, bytes]]
JSON = "application/vnd.pypi.simple.v1+json"
INDEX = "/t/acme/simple"


def read(client: Client, path: str = "/acme-network/") -> httpx.Response:
    return client.get(f"{INDEX}{path}", headers={"Accept": JSON})


def move(client: Client, verb: str, version: str = "1.0.0", reason: str = "Leaks <memory>.") -> None:
    path = f"/api/v1/assets/acme/acme-network/versions/{version}/{verb}"
    answer = client.post(path, json={"reason": reason})
    assert answer.status_code == 200, answer.text


def test_a_project_in_json(api: Client, publish_wheel: PublishWheel) -> None:
    filename, data = publish_wheel()
    answer = read(api)
    assert answer.headers["content-type"] == JSON
    assert "Accept" in answer.headers["vary"]
    page = answer.json()
    assert page["meta"] == {"api-version": "1.4"}
    assert page["project-status"] == {"status": "active"}
    assert (page["name"], page["versions"]) == ("acme-network", ["1.0.0"])
    (file,) = page["files"]
    assert file["filename"] == filename
    assert file["hashes"] == {"sha256": hashlib.sha256(data).hexdigest()}
    assert (file["size"], file["requires-python"], file["yanked"]) == (len(data), ">=3.10", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", file["upload-time"])
    url = httpx.URL(f"http://127.0.0.1:8000{INDEX}/acme-network/").join(file["url"])
    assert api.get(url).content == data
    core = api.get(f"{url}.metadata")
    assert hashlib.sha256(core.content).hexdigest() == file["core-metadata"]["sha256"]
    assert file["dist-info-metadata"] == file["core-metadata"]
    assert core.text.startswith("Metadata-Version: 2.4\nName: acme-network\n")


def test_a_project_in_html_says_the_same(api: Client, publish_wheel: PublishWheel) -> None:
    filename, data = publish_wheel()
    move(api, "yank")
    answer = api.get(f"{INDEX}/acme-network/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    digest = hashlib.sha256(data).hexdigest()
    assert f'href="../../files/{digest}/{filename}#sha256={digest}"' in answer.text
    assert 'data-requires-python="&gt;=3.10"' in answer.text
    assert 'data-yanked="Leaks &lt;memory&gt;."' in answer.text
    assert '<meta name="pypi:repository-version" content="1.4">' in answer.text
    assert '<meta name="pypi:project-status" content="active">' in answer.text
    assert re.search(r'data-core-metadata="sha256=[0-9a-f]{64}"', answer.text)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Form.LEGACY),
        ("", Form.LEGACY),
        ("*/*", Form.LEGACY),
        (f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", Form.JSON),
        ("application/vnd.pypi.simple.v1+html", Form.HTML),
        ("application/vnd.pypi.simple.latest+json;q=0.2, text/html;q=0.1", Form.JSON),
        ("text/html, application/vnd.pypi.simple.v1+json;q=0.9", Form.LEGACY),
        (f"{JSON};q=x, text/html;q=0.1", Form.LEGACY),
    ],
)
def test_the_client_chooses_the_form(accept: str | None, expected: Form) -> None:
    assert choose_form(accept) is expected


def test_no_form_that_was_asked_for(api: Client) -> None:
    for accept in (f"image/png, {JSON};q=0", "application/vnd.pypi.simple.v2+json"):
        assert api.get(f"{INDEX}/", headers={"Accept": accept}).status_code == 406
    assert api.get(f"{INDEX}/", params={"format": "text/*"}).status_code == 406
    assert api.get(f"{INDEX}/", params={"format": JSON}).headers["content-type"] == JSON


def test_names_are_normalised_by_redirection(api: Client, publish_wheel: PublishWheel) -> None:
    publish_wheel()
    for spelling in ("Acme_Network/", "acme.network/", "ACME-network", "acme-network"):
        answer = api.get(f"{INDEX}/{spelling}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (301, f"{INDEX}/acme-network/")
    assert api.get(INDEX, follow_redirects=False).headers["location"] == f"{INDEX}/"
    assert read(api, "/").json()["projects"] == [{"name": "acme-network"}]


def test_what_a_client_has_is_not_sent_again(api: Client, publish_wheel: PublishWheel) -> None:
    publish_wheel()
    first = read(api)
    headers = {"Accept": JSON, "If-None-Match": first.headers["etag"]}
    assert api.get(f"{INDEX}/acme-network/", headers=headers).status_code == 304
    assert first.headers["cache-control"] == "private, no-cache"
    head = api.head(f"{INDEX}/acme-network/", headers={"Accept": JSON})
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", first.headers["etag"])
    move(api, "yank")
    assert api.get(f"{INDEX}/acme-network/", headers=headers).status_code == 200


def test_states_mean_what_they_say(api: Client, publish_wheel: PublishWheel) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0rc1"):
        publish_wheel(version=version)
    move(api, "yank", "1.0.0")
    page = read(api).json()
    assert page["versions"] == ["1.0.0", "1.1.0", "2.0.0rc1"]
    assert [each["yanked"] for each in page["files"]] == ["Leaks <memory>.", False, False]
    move(api, "deprecate", "1.1.0", "Use 2.")
    move(api, "quarantine", "2.0.0rc1", "Looks hostile.")
    page = read(api).json()
    assert page["versions"] == ["1.0.0", "1.1.0"]
    assert page["project-status"] == {"status": "deprecated", "reason": "Use 2."}
    move(api, "revoke", "1.0.0")
    move(api, "revoke", "1.1.0")
    page = read(api).json()
    assert page["files"] == []
    assert page["project-status"] == {"status": "quarantined", "reason": "Looks hostile."}


def test_a_quarantined_file_is_not_handed_out(api: Client, publish_wheel: PublishWheel) -> None:
    filename, data = publish_wheel()
    path = f"/t/acme/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    move(api, "quarantine")
    assert [api.get(each).status_code for each in (path, f"{path}.metadata")] == [404, 404]
    move(api, "revoke")
    assert api.get(path).status_code == 200


def test_ranges(api: Client, publish_wheel: PublishWheel) -> None:
    filename, data = publish_wheel()
    size = len(data)
    path = f"/t/acme/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    for wanted, part, shown in (
        ("bytes=0-9", data[:10], f"bytes 0-9/{size}"),
        ("bytes=10-", data[10:], f"bytes 10-{size - 1}/{size}"),
        ("bytes=-5", data[-5:], f"bytes {size - 5}-{size - 1}/{size}"),
        ("bytes=5-999999999", data[5:], f"bytes 5-{size - 1}/{size}"),
    ):
        answer = api.get(path, headers={"Range": wanted})
        assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, part, shown)
    for wanted in ("bytes=0-1,4-5", "items=0-1", "bytes=-"):
        answer = api.get(path, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, data)
    beyond = api.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    other = api.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, data)
    head = api.head(path)
    assert (head.headers["accept-ranges"], head.headers["content-length"], head.content) == ("bytes", str(size), b"")
    assert "immutable" in head.headers["cache-control"]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_the_token_is_the_password_of_anyone(anyone: Client, acme: Principal, new_token: Callable[..., str]) -> None:
    token = new_token(acme, ["assets:read"])
    for user in ("__token__", "", "ann", "user:with"):
        expected = 200 if user != "user:with" else 401
        assert anyone.get(f"{INDEX}/", headers=basic(user, token)).status_code == expected
    for headers in ({}, basic("x", "slw_wrong"), basic("x", ""), {"Authorization": "Basic %%%"}):
        answer = anyone.get(f"{INDEX}/", headers={"Accept": "text/html", **headers})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="slipway"'
    assert anyone.get("/api/v1/assets", headers=basic("x", token)).status_code == 401


def test_another_tenants_door_is_none(
    client_of: NewClient, rival: Principal, publish_wheel: PublishWheel, anyone: Client
) -> None:
    filename, data = publish_wheel()
    stranger = client_of(rival)
    file = f"files/{hashlib.sha256(data).hexdigest()}/{filename}"
    for path in ("simple/", "simple/acme-network/", file, f"{file}.metadata"):
        theirs, nobodys = stranger.get(f"/t/acme/{path}"), stranger.get(f"/t/nobody/{path}")
        assert (theirs.status_code, theirs.json()["detail"]) == (404, nobodys.json()["detail"])
        assert anyone.get(f"/t/acme/{path}").status_code == anyone.get(f"/t/nobody/{path}").status_code == 401
    mine = stranger.get("/t/rival/simple/acme-network/")
    assert mine.json()["detail"] == stranger.get("/t/rival/simple/nothing/").json()["detail"]
    assert stranger.get(f"/t/rival/{file}").status_code == 404
    assert stranger.get("/t/rival/simple/", params={"format": JSON}).json()["projects"] == []


def test_strange_addresses_lead_nowhere(api: Client) -> None:
    for path in (
        "simple/../../api/",
        "simple/%2e%2e/",
        "simple/a%2fb/",
        "files/%2e%2e/%2e%2e",
        "files/abc/../../x",
        "simple/%00/",
        f"simple/{'a' * 5000}/",
        f"files/{'0' * 64}/%F0%9F%92%A9.whl",
        f"files/{'0' * 64}/.metadata",
        "simple/a%0d%0aSet-Cookie:%20x/",
    ):
        answer = api.get(f"/t/acme/{path}", follow_redirects=False)
        assert answer.status_code in {301, 404}, path
        assert answer.headers.get("location", "/t/acme/simple/").startswith("/t/acme/simple/")
        assert "set-cookie" not in answer.headers


def test_the_index_keeps_to_the_tenants_catalog(
    api: Client, client_of: NewClient, rival: Principal, publish_wheel: PublishWheel
) -> None:
    publish_wheel()
    publish_wheel(version="2.0.0")
    api.put("/api/v1/assets/acme/acme-network/sharing", json={"visibility": "public"})
    theirs = client_of(rival)
    index = "/t/rival/simple/"
    headers = {"Accept": JSON}
    assert theirs.get(f"{index}acme-network/", headers=headers).json()["versions"] == ["1.0.0", "2.0.0"]
    theirs.put("/api/v1/catalog/acme/acme-network", json={"allowed": "<2"})
    assert theirs.get(f"{index}acme-network/", headers=headers).json()["versions"] == ["1.0.0"]
    theirs.put("/api/v1/catalog/acme/acme-network", json={"hidden": True})
    assert theirs.get(f"{index}acme-network/", headers=headers).status_code == 404
    assert theirs.get(index, headers=headers).json()["projects"] == []
    assert len(api.get("/t/acme/simple/", headers=headers).json()["projects"]) == 1
