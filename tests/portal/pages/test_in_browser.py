"""The sample pages in a real browser: nothing wider than the screen, nothing refused by the policy, keys that work."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as Tab

from portal.edge import CONTENT_SECURITY_POLICY
from portal.pages.render import Page, Renderer
from portal.pages.shell import Shell
from portal.pages.static_files import DEFAULT_DIRECTORY

CHROMIUM = "/usr/bin/chromium"
pytestmark = pytest.mark.browser


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves the pages with the policy that the portal sends."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the test reports what matters."""


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, renderer: Renderer, sample_pages: dict[str, Page], shell: Shell
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("site")
    (folder / "static").symlink_to(DEFAULT_DIRECTORY)
    for name, page in sample_pages.items():
        (folder / f"{name}.html").write_text(renderer.page(page, shell))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    context = chromium.new_context(viewport={"width": 320, "height": 640})
    yield context.new_page()
    context.close()


def test_nothing_is_wider_than_a_small_phone(tab: Tab, site: str, sample_pages: dict[str, Page]) -> None:
    too_wide = []
    for name in sample_pages:
        tab.goto(f"{site}/{name}.html", wait_until="domcontentloaded")
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > 320:
            too_wide.append((name, width))
    assert too_wide == []


# Digests, names of types and of properties, in the places where publishers and providers put them.
LONG_TOKENS = """() => {
  for (const each of document.querySelectorAll("main :is(h1, .lead, dd, tbody code, tbody th, li > code, strong)")) {
    if (each.querySelector("a, button, code, time, svg")) continue;
    each.textContent = "sha256x9f86d081884c7d659a2feaa0c55ad015".repeat(3);
  }
}"""


def test_what_cannot_be_broken_is_broken_all_the_same(tab: Tab, site: str, sample_pages: dict[str, Page]) -> None:
    too_wide = []
    parts = ("asset-component", "install", "install-plan", "environment-ready", "environment-asleep", "attestation")
    for name in (each for each in sample_pages if each.startswith(parts)):
        tab.goto(f"{site}/{name}.html", wait_until="domcontentloaded")
        tab.evaluate(LONG_TOKENS)
        if (width := tab.evaluate("document.documentElement.scrollWidth")) > 320:
            too_wide.append((name, width))
    assert too_wide == []


def test_the_policy_refuses_nothing(tab: Tab, site: str, sample_pages: dict[str, Page]) -> None:
    refused: list[str] = []
    tab.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    for name in ("marketplace", "asset-overview", "environment-ready", "request-form", "upload"):
        assert name in sample_pages
        tab.goto(f"{site}/{name}.html", wait_until="load")
        assert tab.evaluate("typeof htmx.version") == "string"
    assert refused == []


def test_the_first_tab_key_skips_to_the_content(tab: Tab, site: str) -> None:
    tab.goto(f"{site}/marketplace.html")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"


def test_a_slash_goes_to_the_search(tab: Tab, site: str) -> None:
    tab.goto(f"{site}/marketplace.html")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search-field"
    assert tab.input_value("#search-field") == ""


def test_the_theme_follows_the_system(chromium: Browser, site: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{site}/sign-in.html")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert grounds == ["rgb(246, 247, 248)", "rgb(12, 17, 22)"]


def test_a_form_is_sent_once(tab: Tab, site: str) -> None:
    tab.goto(f"{site}/environment-destroy.html")
    tab.evaluate(
        """() => {
            window.sent = 0;
            document.addEventListener("submit", (event) => {
                if (!event.defaultPrevented) window.sent += 1;
                event.preventDefault();
            });
        }"""
    )
    for _ in range(2):
        tab.evaluate("document.querySelector('.confirm button').click()")
    assert tab.evaluate("window.sent") == 1
    assert tab.get_attribute(".confirm button", "aria-disabled") == "true"
