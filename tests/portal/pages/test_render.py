"""Answers of the renderer over HTTP: page or fragment, toasts, notices, errors, theme."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Request, Response, get, post
from litestar.response import Redirect
from litestar.testing import TestClient, create_test_client

from portal.pages import presentation
from portal.pages.presentation import duration, exact, file_size, initials, look, plural, relative, short_digest
from portal.pages.render import ErrorPage, Page, Renderer, redirect
from portal.pages.shell import NOTICES, Toast

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(renderer: Renderer, sample_pages: dict[str, Page]) -> Any:
    @get("/list", sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[str]:
        return renderer.respond(request, sample_pages["environment-list"], toasts=(Toast("good", "Toasted."),))

    @get("/wrong", sync_to_thread=False)
    def wrong(request: Request[Any, Any, Any]) -> Response[str]:
        return renderer.error(request, ErrorPage(409, "Conflict", "It moved on.", "conflict"))

    @post("/change", sync_to_thread=False)
    def change() -> Redirect:
        return redirect("/list", "environment-extended")

    with create_test_client([page, wrong, change]) as made:
        yield made


def test_without_htmx_the_whole_page_is_answered(client: TestClient[Any]) -> None:
    answer = client.get("/list")
    assert answer.text.startswith("<!doctype html>")
    assert "Toasted." in answer.text
    assert answer.headers["vary"] == "HX-Request, HX-Target, Cookie, Authorization"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_htmx_gets_the_fragment_that_it_targets(client: TestClient[Any]) -> None:
    answer = client.get("/list", headers={**HTMX, "HX-Target": "environment-list"})
    assert answer.text.strip().startswith('<div id="environment-list">')
    assert "<html" not in answer.text
    assert 'hx-swap-oob="beforeend:#toasts"' in answer.text
    assert "Toasted." in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {**HTMX, "HX-Target": "something-else"},
        {**HTMX},
        {"HX-Target": "environment-list"},
        {**HTMX, "HX-Target": "environment-list", "HX-History-Restore-Request": "true"},
    ],
)
def test_anything_else_gets_the_page(client: TestClient[Any], headers: dict[str, str]) -> None:
    assert client.get("/list", headers=headers).text.startswith("<!doctype html>")


def test_a_notice_is_shown_once_after_a_redirect(client: TestClient[Any]) -> None:
    answer = client.post("/change", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/list")
    assert NOTICES["environment-extended"].text in client.get("/list").text
    assert NOTICES["environment-extended"].text not in client.get("/list").text


def test_a_notice_that_nobody_wrote_is_not_shown(client: TestClient[Any]) -> None:
    client.cookies.set("slipway_notice", "You won a prize")
    assert "prize" not in client.get("/list").text
    with pytest.raises(KeyError):
        redirect("/list", "no-such-notice")


def test_an_error_is_a_page_or_an_alert(client: TestClient[Any]) -> None:
    page = client.get("/wrong")
    assert page.status_code == 409
    assert "<h1>Conflict</h1>" in page.text
    alert = client.get("/wrong", headers=HTMX)
    assert (alert.status_code, alert.headers["hx-retarget"]) == (409, "#page-alert")
    assert alert.text.strip().startswith('<div id="error-alert">')


def test_the_theme_comes_from_its_cookie(client: TestClient[Any]) -> None:
    assert '<html lang="en">' in client.get("/list").text
    client.cookies.set("slipway_theme", "dark")
    assert '<html lang="en" data-theme="dark">' in client.get("/list").text
    client.cookies.set("slipway_theme", '"><script>')
    assert '<html lang="en">' in client.get("/list").text


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-59, "just now"),
        (1, "in 1 second"),
        (-60, "1 minute ago"),
        (7200, "in 2 hours"),
        (-90000, "1 day ago"),
        (260000, "in 3 days"),
    ],
)
def test_relative_times(seconds: int, text: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_other_texts() -> None:
    assert exact(NOW) == "23 Nov 2026, 12:00:00 UTC"
    assert [duration(value) for value in (0.42, 65, timedelta(hours=25))] == ["0.4 s", "1 min 5 s", "1 d 1 h"]
    sizes = [file_size(value) for value in (0, 1023, 1024, 1_048_575, 5 * 1024**3)]
    assert sizes == ["0 B", "1023 B", "1.0 KiB", "1024 KiB", "5.0 GiB"]
    assert short_digest("sha256:abcdef", 4) == "abcd"
    assert [plural(1, "try", "tries"), plural(1200, "try", "tries")] == ["1 try", "1,200 tries"]
    assert [initials(name) for name in ("Ada Lovelace", "ann@example.com", "--")] == ["AL", "ae", "?"]


def test_every_look_has_a_label_and_a_known_icon(renderer: Renderer) -> None:
    families = (presentation.PHASES, presentation.OPERATION_STATES, presentation.STEP_STATES,
                presentation.VERSION_STATES, presentation.KINDS)  # fmt: skip
    assert renderer is not None
    for family in families:
        for shown in family.values():
            assert shown.label
            assert shown.icon
    assert look("phase", "half_done").label == "Half done"
