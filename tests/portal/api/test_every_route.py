"""Every route and every page that takes a name answers the same for another tenant's thing as for none at all."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import Visibility
from catalog.assets.skeletons import skeleton
from catalog.tenancy import Principal

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What names no row: steps of a form, static files, and the secret of a sign-in link, which is its own proof.
OPEN = {"verb", "file_path", "secret"}


def templates(portal: Litestar) -> Iterator[tuple[str, str, list[str]]]:
    """Yield method, path and parameters of every handler whose path names something."""
    for route in portal.routes:
        if not isinstance(route, HTTPRoute) or not route.path_parameters or route.path_format.startswith("/static"):
            continue
        names = [name for name in route.path_parameters if name not in OPEN]
        for method in METHODS:
            if names and method in route.methods:
                yield method, route.path_format, names


@pytest.fixture
def theirs(client_of: NewClient, rival: Principal) -> dict[str, str]:
    """Let another tenant have an asset with a version, under names that stand nowhere else, and return them."""
    client = client_of(rival)
    files = skeleton("deployment-blueprint", "zqvault", "zqsecret")
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    published = client.post(
        "/api/v1/assets",
        files={"archive": ("a.tar.gz", archive, "application/gzip")},
        data={"visibility": Visibility.PRIVATE.value},
    )
    assert published.status_code == 201, published.text
    return {"namespace": "zqvault", "name": "zqsecret", "version": published.json()["version"]}


def answer(client: Client, method: str, path: str, names: dict[str, str], verb: str) -> tuple[int, str, list[str]]:
    """Return status, text and headers of one request, with the names taken out."""
    target = path.format(**names, verb=verb, file_path="x", secret="x")
    content: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {"reason": "x", "visibility": "public"}}
    found = client.request(method, target, follow_redirects=False, **content)
    text = found.text.replace(found.headers.get("x-request-id", "none"), "")
    for name, value in names.items():
        text = text.replace(value, f"<{name}>")
    return found.status_code, text, sorted(set(found.headers) - {"content-length"})


def test_what_is_anothers_answers_as_what_is_not_there(
    portal: Litestar, api: Client, browser: Client, theirs: dict[str, str]
) -> None:
    seen = 0
    for method, path, names in templates(portal):
        client = api if path.startswith("/api/") else browser
        # Names of other areas' things are ids: one that is free stands for both, and must never answer 2xx.
        free = {name: str(uuid4()) if name not in theirs else f"zqno{name}" for name in names}
        known = {**free, **{name: value for name, value in theirs.items() if name in names}}
        unknown = {**free, "version": theirs["version"]} if "version" in names else free
        one = answer(client, method, path, known, "yank")
        other = answer(client, method, path, unknown, "yank")
        assert one == other, (method, path)
        assert one[0] >= 400 or one[0] == 303, (method, path, one)
        seen += 1
    assert seen > 30
