"""Feeds as readers meet them: Atom by its rules (RFC 4287), conditional requests, tokens that read them alone."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from lxml import etree  # type: ignore[import-untyped]  # this distribution carries no types

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import Visibility
from catalog.assets.skeletons import skeleton
from catalog.tenancy import Principal
from portal.auth.guards import scope_of

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
ATOM = "{http://www.w3.org/2005/Atom}"
DOOR = "/t/acme/feeds"
# What section 4 of the RFC lets stand in a feed and in an entry, and how often at the most (0: as often as one likes).
IN_FEED = {"author": 0, "category": 0, "contributor": 0, "generator": 1, "icon": 1, "id": 1, "link": 0, "logo": 1,
           "rights": 1, "subtitle": 1, "title": 1, "updated": 1, "entry": 0}  # fmt: skip
IN_ENTRY = {"author": 0, "category": 0, "content": 1, "contributor": 0, "id": 1, "link": 0, "published": 1, "rights": 1,
            "source": 1, "summary": 1, "title": 1, "updated": 1}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LINK = {"href", "rel", "type", "hreflang", "title", "length"}


def publish(client: Client, version: str = "1.0.0", visibility: Visibility = Visibility.PUBLIC) -> None:
    files = skeleton("deployment-blueprint", "acme", "preview")
    manifest = files["asset.yaml"].decode().replace("version: 0.1.0", f"version: {version}")
    manifest = re.sub(r"  summary: .*", '  summary: "<b>Fast</b> & \\\\u0007 small"', manifest)
    files = {**files, "asset.yaml": manifest.encode()}
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    form = {"archive": ("a.tar.gz", io.BytesIO(archive), "application/gzip")}
    answer = client.post("/api/v1/assets", files=form, data={"visibility": visibility.value})
    assert answer.status_code == 201, answer.text


def read(client: Client, path: str) -> Any:
    """Return the root of a feed, checked against the rules of Atom."""
    answer = client.get(f"{DOOR}{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    root = etree.fromstring(answer.content, etree.XMLParser(resolve_entities=False, no_network=True))
    assert root.tag == f"{ATOM}feed"
    check(root, IN_FEED)
    assert [each.get("href") for each in root.iter(f"{ATOM}link") if each.get("rel") == "self"] == [str(answer.url)]
    entries = root.findall(f"{ATOM}entry")
    for each in entries:
        check(each, IN_ENTRY)
    ids = [each.findtext(f"{ATOM}id") for each in entries]
    assert len(ids) == len(set(ids))
    moments = [each.findtext(f"{ATOM}updated") for each in entries]
    assert moments == sorted(moments, reverse=True)
    assert not moments or root.findtext(f"{ATOM}updated") == moments[0]
    assert parsedate_to_datetime(answer.headers["last-modified"]) == datetime.fromisoformat(
        root.findtext(f"{ATOM}updated")
    ).replace(microsecond=0)
    return root


def check(element: Any, allowed: dict[str, int]) -> None:
    """Assert what holds for a feed and an entry: nothing unknown, nothing twice, everything required, in its form."""
    tags = [each.tag.removeprefix(ATOM) for each in element]
    for tag in tags:
        assert tag in allowed
        assert not allowed[tag] or tags.count(tag) == 1
    assert {"id", "title", "updated", "author"} <= set(tags)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", element.findtext(f"{ATOM}id"))
    for tag in ("updated", "published"):
        assert element.find(f"{ATOM}{tag}") is None or MOMENT.fullmatch(element.findtext(f"{ATOM}{tag}"))
    for author in element.findall(f"{ATOM}author"):
        assert [each.tag for each in author] == [f"{ATOM}name"]
        assert author[0].text
    alternates = [each for each in element.findall(f"{ATOM}link") if each.get("rel") == "alternate"]
    assert len(alternates) == 1
    for link in element.findall(f"{ATOM}link"):
        assert set(link.attrib) <= LINK
        assert link.get("href").startswith("http://127.0.0.1:8000/")


def titles(root: Any) -> list[str]:
    return [each.findtext(f"{ATOM}title") for each in root.findall(f"{ATOM}entry")]


def test_every_feed_is_atom(api: Client) -> None:
    publish(api)
    publish(api, "1.1.0")
    api.post("/api/v1/assets/acme/preview/versions/1.0.0/revoke", json={"reason": "It <leaks> & fails."})
    saved = api.post("/api/v1/searches", json={"name": "Fast", "query": {"q": "prev"}}).json()["id"]
    everything = ["acme/preview 1.0.0 revoked", "acme/preview 1.1.0 published", "acme/preview 1.0.0 published"]
    for path, expected in {
        "/assets/acme/preview": everything,
        "/publishers/acme": everything,
        "/changes": everything[:1],
        "/changes?installed=yes": [],
        "/search": everything[1:],
        "/search?q=prev&kind=deployment-blueprint": everything[1:],
        "/search?kind=policy-bundle": [],
        f"/searches/{saved}": everything[1:],
    }.items():
        first, second = read(api, path), read(api, path)
        assert titles(first) == expected, path
        assert etree.tostring(first) == etree.tostring(second)
    contents = [each.text for each in read(api, "/publishers/acme").iter(f"{ATOM}content")]
    assert contents[0] == "<p>It &lt;leaks&gt; &amp; fails.</p>"
    assert contents[1].startswith("<p>&lt;b&gt;Fast&lt;/b&gt; &amp;")
    assert "\x07" not in contents[1]


def test_what_a_reader_has_is_not_sent_again(api: Client) -> None:
    publish(api)
    path = f"{DOOR}/assets/acme/preview"
    answer = api.get(path)
    tag = {"If-None-Match": answer.headers["etag"]}
    assert api.get(path, headers=tag).status_code == 304
    assert api.get(path, headers={"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status_code == 200
    assert api.get(path, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    # Who has read within the second of a change may have missed another in it.
    assert api.get(path, headers={"If-Modified-Since": answer.headers["last-modified"]}).status_code == 200
    assert api.get(path, headers={"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"}).status_code == 200
    empty = api.get(f"{DOOR}/search?kind=policy-bundle")
    assert api.get(f"{DOOR}/search?kind=policy-bundle", headers={"If-Modified-Since": empty.headers["last-modified"]}
                   ).status_code == 304  # fmt: skip
    publish(api, "1.1.0")
    assert api.get(path, headers=tag).status_code == 200


@pytest.fixture
def reader(api: Client, anyone: Client) -> Iterator[dict[str, str]]:
    """Return the headers of a feed reader: a token as the password of any user."""
    made = api.post("/api/v1/feed-tokens", json={"name": "Reader"})
    assert made.status_code == 201, made.text
    assert made.json()["scopes"] == ["feeds:read"]
    secret = base64.b64encode(f"reader:{made.json()['token']}".encode()).decode()
    yield {"Authorization": f"Basic {secret}"}
    assert anyone.get(f"{DOOR}/changes").status_code == 401


def test_a_feed_token_reads_feeds_and_nothing_else(
    portal: Litestar, anyone: Client, api: Client, reader: dict[str, str]
) -> None:
    publish(api, visibility=Visibility.PRIVATE)
    assert anyone.get(f"{DOOR}/assets/acme/preview", headers=reader).status_code == 200
    assert anyone.get("/t/acme/simple/", headers=reader).status_code == 403
    bearer = {"Authorization": "Bearer " + base64.b64decode(reader["Authorization"][6:]).decode().partition(":")[2]}
    for path in ("assets", "searches", "feed-tokens", "tokens", "assets/acme/preview", "events"):
        assert anyone.get(f"/api/v1/{path}", headers=bearer).status_code == 403, path
    assert anyone.post("/api/v1/feed-tokens", json={"name": "More"}, headers=bearer).status_code == 403
    # No route but the feeds themselves asks for what such a token may.
    for route in portal.routes:
        if isinstance(route, HTTPRoute):
            for handler in {each for each, _ in route.route_handler_map.values()}:
                if any(scope_of(guard) == "feeds:read" for guard in handler.guards or ()):
                    assert route.path_format.startswith("/t/{tenant}/feeds/")
    found = api.get("/api/v1/feed-tokens").json()["items"]
    assert [each["name"] for each in found] == ["Reader"]
    assert api.delete(f"/api/v1/feed-tokens/{found[0]['id']}").status_code == 204
    assert anyone.get(f"{DOOR}/assets/acme/preview", headers=reader).status_code == 401


def test_another_tenants_feeds_are_none(client_of: NewClient, rival: Principal, api: Client) -> None:
    publish(api, visibility=Visibility.PRIVATE)
    saved = api.post("/api/v1/searches", json={"name": "Mine"}).json()["id"]
    stranger = client_of(rival)
    for path in ("/assets/acme/preview", "/publishers/acme", "/changes", "/search", f"/searches/{saved}"):
        assert stranger.get(f"{DOOR}{path}").status_code == 404
        own = stranger.get(f"/t/rival/feeds{path}")
        assert own.status_code == 404 or "preview" not in own.text
    absent, hidden = (stranger.get(f"/t/rival/feeds/assets/acme/{name}") for name in ("absent", "preview"))
    without = re.compile(r'"correlation_id":"[^"]*"')
    assert without.sub("", absent.text) == without.sub("", hidden.text.replace("preview", "absent"))
    assert client_of(rival).delete(f"/api/v1/searches/{saved}").status_code == 404
