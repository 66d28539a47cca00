"""The main job in a real browser on the whole running system, with and without JavaScript."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect, sync_playwright

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 90_000
PHONE: ViewportSize = {"width": 360, "height": 740}
READY = re.compile(r"Ready")
DESTROYED = re.compile(r"Destroyed")

Installation = Any  # the fixtures' classes live in conftest.py, which test files do not import
pytestmark = [pytest.mark.browser, pytest.mark.engine]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def signed_in(browser: Browser, slipway: Installation, *, javascript: bool = True) -> Iterator[tuple[Page, list[str]]]:
    """Open a page with a one-time link; yields it and what its console complains of."""
    link = slipway.new_link()
    context = browser.new_context(java_script_enabled=javascript, base_url=link.partition("/sign-in")[0])
    context.set_default_timeout(30_000)
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda each: complaints.append(each.text) if each.type == "error" else None)
    page.goto(link)
    yield page, complaints
    context.close()


def publish(page: Page, name: str) -> None:
    """Publish a new blueprint with the upload page, after a broken archive was refused with its findings."""
    texts = skeleton("deployment-blueprint", "demo", name)
    files = {path: PackageFile(text) for path, text in texts.items()}
    broken = {**files, "asset.yaml": PackageFile(texts["asset.yaml"].replace(b"displayName", b"dislayName"))}
    page.goto("/uploads/new")
    for content, answer in ((broken, "dislayName"), (files, "is published")):
        archive = build_archive(content)
        file: FilePayload = {"name": "it.slipway.tar.gz", "mimeType": "application/gzip", "buffer": archive.data}
        page.set_input_files("#field-archive", file)
        page.click("text=Check and publish")
        expect(page.locator("main")).to_contain_text(answer)


def ask_for(page: Page, name: str, repository: str) -> None:
    """Go from the marketplace to the form, make a mistake, mend it, and send it."""
    page.goto("/assets")
    page.click(f".result-name[href$='/assets/demo/{name}'], a[href$='/assets/demo/{name}']")
    page.locator("a", has_text="Request an environment").first.click()
    page.fill("#field-repository", "/there/is/none")
    page.fill("#field-pull-request", "7")
    page.fill("#field-inputs-greeting", "Ahoy")
    page.click("button:has-text('Request the environment')")
    expect(page.locator("main")).to_contain_text("There is no Git repository at /there/is/none")
    expect(page.locator("#field-inputs-greeting")).to_have_value("Ahoy")
    page.fill("#field-repository", repository)
    page.click("button:has-text('Request the environment')")
    expect(page.locator("h1")).to_contain_text("-pr-7")


def test_the_main_job_with_live_progress(
    browser: Browser, slipway: Installation, new_repository: Callable[..., Any]
) -> None:
    repository = new_repository("browsed")
    with signed_in(browser, slipway) as (page, complaints):
        for curated in ("Web preview", "Python library pipeline", "Baseline"):
            expect(page.locator("main")).to_contain_text(curated)
        publish(page, "browsed")
        complaints.clear()  # the refused archive was answered with 422, which Chromium writes to its console
        ask_for(page, "browsed", str(repository.path))
        complaints.clear()
        environment_id = page.url.rpartition("/")[2]
        # Nobody reloads from here on: the stream brings every change.
        expect(page.locator("#environment-status")).to_contain_text(READY, timeout=SECONDS)
        application = page.locator("#environment-status a", has_text="Open the application")
        address = application.get_attribute("href")
        assert address
        visited = page.context.new_page()
        visited.goto(address)
        expect(visited.locator("body")).to_contain_text("one")
        visited.close()

        newer = repository.commit("two")
        expect(page.locator("main")).to_contain_text(newer[:10], timeout=SECONDS)
        slipway.wait_for_phase(environment_id, "ready")
        expect(page.locator("#environment-status")).to_contain_text(READY, timeout=SECONDS)

        page.click("button:has-text('Extend')")
        expect(page.locator("#toasts")).to_be_visible()
        page.click("text=Destroy…")
        page.click("button:has-text('Destroy it')")
        expect(page.locator("#environment-status")).to_contain_text(DESTROYED, timeout=SECONDS)
        gone = slipway.look(environment_id)
        assert slipway.left_of(gone) == []
        assert complaints == []


def test_the_main_job_without_javascript(
    browser: Browser, slipway: Installation, new_repository: Callable[..., Any]
) -> None:
    repository = new_repository("plain")
    with signed_in(browser, slipway, javascript=False) as (page, _complaints):
        publish(page, "plain")
        ask_for(page, "plain", str(repository.path))
        environment_id = page.url.rpartition("/")[2]
        slipway.wait_for_phase(environment_id, "ready")
        page.reload()
        expect(page.locator("#environment-status")).to_contain_text(READY)
        page.click("text=Destroy…")
        page.click("button:has-text('Destroy it')")
        slipway.wait_for_phase(environment_id, "destroyed")
        page.reload()
        expect(page.locator("#environment-status")).to_contain_text(DESTROYED)


def test_every_page_fits_a_phone_and_the_keyboard(browser: Browser, slipway: Installation) -> None:
    with signed_in(browser, slipway) as (page, complaints):
        page.set_viewport_size(PHONE)
        paths = ["/assets", "/assets/slipway/preview-web", "/uploads/new", "/environments", "/environments/new"]
        for path in [*paths, "/tenants/tokens", "/operations/dead-letters", "/api/docs"]:
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.getAttribute('href')") == "#main", path
        assert complaints == []
