"""The whole way in a real browser, with JavaScript and without, on a small screen, and by keyboard alone."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Page, expect, sync_playwright

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton

# The classes of these fixtures live in conftest.py, which test files do not import.
Installation = Any
NewRepository = Callable[..., Any]
Visitor = Callable[..., Any]

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
# A page that refuses a form says so by its status, which the browser reports as well.
REFUSED = "Failed to load resource: the server responded with a status of 422"
PATIENCE_MS = 60_000
TABS = ("overview", "inputs", "versions", "changelog", "dependencies", "files", "security")
# What is wrong with the archive that is: each has to be told at once.
BROKEN = {
    "layout": 2,
    "path-parent": 1,
    "files-list": 1,
    "missing-field": 3,
    "unknown-kind": 1,
    "unknown-field": 1,
}

pytestmark = [pytest.mark.browser, pytest.mark.engine]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser, slipway: Installation) -> Visitor:
    """Return what opens somebody's browser; what its console reports, a breach of policy as well, fails the test."""

    @contextmanager
    def visit(**options: Any) -> Iterator[Page]:
        context = chromium.new_context(base_url=slipway.url, **options)
        context.set_default_timeout(PATIENCE_MS)
        complaints: list[str] = []
        context.on("console", lambda message: _note(complaints, message))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        yield context.new_page()
        context.close()
        assert complaints == []

    return visit


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"} and not message.text.startswith(REFUSED):
        complaints.append(f"{message.type}: {message.text} ({message.location['url']})")


def archive(name: str) -> FilePayload:
    """Return the archive of a blueprint."""
    files = skeleton("deployment-blueprint", "demo", name)
    built = build_archive({path: PackageFile(data) for path, data in files.items()})
    return {"name": f"{name}.slipway.tar.gz", "mimeType": "application/gzip", "buffer": built.data}


def broken_archive() -> FilePayload:
    """Return an archive with several things wrong at once."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in (("asset.yaml", "kind: nothing\nunknown: 1\n"), ("../escape", "x"), ("stray.txt", "x")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return {"name": "broken.slipway.tar.gz", "mimeType": "application/gzip", "buffer": stream.getvalue()}


def sign_in(page: Page, link: str) -> None:
    page.goto(link)
    expect(page).to_have_title("Marketplace · Slipway")


def upload(page: Page, file: FilePayload) -> None:
    page.goto("/uploads/new")
    page.set_input_files("#field-archive", file)
    page.click("button:has-text('Check and publish')")


def ask_for_environment(page: Page, repository: Path) -> None:
    """Ask from the asset's page: first wrongly, which keeps what was typed and names the field, then well."""
    page.click(".page-actions >> text=Request an environment")
    page.fill("#field-repository", str(repository))
    page.fill("#field-pull-request", "4711")
    page.fill("#field-inputs-greeting", "Ahoy")
    page.click("button:has-text('Request the environment')")
    expect(page.locator("#error-summary")).to_contain_text("Pull request")
    expect(page.locator("#field-pull-request")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#field-pull-request-error")).to_contain_text("4711")
    expect(page.locator("#field-repository")).to_have_value(str(repository))
    expect(page.locator("#field-inputs-greeting")).to_have_value("Ahoy")
    page.fill("#field-pull-request", "7")
    page.click("button:has-text('Request the environment')")
    expect(page.locator("h1")).to_have_text(f"{repository.name}-pr-7")


def extend_and_destroy(page: Page) -> None:
    expires = page.locator("#environment-facts dt:has-text('Expires') + dd time")
    before = expires.get_attribute("datetime")
    page.select_option("#extend-by", index=0)
    page.click("button:has-text('Extend')")
    expect(expires).not_to_have_attribute("datetime", before or "")
    page.click("text=Destroy…")
    expect(page.locator("h1")).to_contain_text("Destroy ")
    expect(page.locator(".confirm li")).to_have_count(3)
    page.click("text=Keep it")
    page.click("text=Destroy…")
    page.click("button:has-text('Destroy it')")
    expect(page.locator("#environment-status")).to_contain_text("Destroyed", timeout=PATIENCE_MS)


def environment_on(page: Page, slipway: Installation) -> Any:
    return slipway.look(page.url.rpartition("/")[2])


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_whole_way(
    slipway: Installation, visitor: Visitor, new_repository: NewRepository, *, scripts: bool
) -> None:
    name = "seen" if scripts else "plain"
    repository = new_repository(name, delay="1").path
    with visitor(java_script_enabled=scripts) as page:
        sign_in(page, slipway.new_link())
        for curated in ("slipway/preview-web", "slipway/library-pipeline", "slipway/baseline"):
            page.goto(f"/assets?q={curated.partition('/')[2]}")
            expect(page.locator(f".result-path:text-is('{curated}')")).to_be_visible()

        upload(page, broken_archive())
        findings = page.locator("#upload-findings")
        expect(findings.locator(".finding-rule")).to_have_count(sum(BROKEN.values()))
        for rule, count in BROKEN.items():
            expect(findings.locator(f".finding-rule:text-is('error: {rule}')")).to_have_count(count)
        upload(page, archive(name))
        expect(page.locator("h1")).to_contain_text("is published")
        page.click("text=See its page")
        expect(page.locator(".asset-path")).to_have_text(f"demo/{name}")

        ask_for_environment(page, repository)
        # Nobody reloads: the page follows by itself, by its stream or by asking again.
        status = page.locator("#environment-status")
        expect(status).to_contain_text("Ready", timeout=PATIENCE_MS)
        expect(status.locator(".step-succeeded")).to_have_count(4)
        environment = environment_on(page, slipway)
        with page.expect_popup() as opened:
            status.locator("text=Open the application").click()
        application = opened.value
        expect(application.locator("body")).to_have_text("one Ahoy")
        assert application.url == environment["url"]
        assert ".preview.localhost:" in application.url
        application.close()

        page.goto("/environments")
        page.click(f".environment-name:text-is('{name}-pr-7')")
        extend_and_destroy(page)
        page.goto("/environments?state=all")
        row = page.locator("tr", has_text=f"{name}-pr-7")
        expect(row).to_contain_text("Destroyed")
    assert slipway.left_of(environment) == []


def test_progress_is_seen_while_it_is_made(
    slipway: Installation, blueprints: None, visitor: Visitor, new_repository: NewRepository
) -> None:
    assert blueprints is None
    with visitor() as page:
        sign_in(page, slipway.new_link())
        accepted = slipway.request(new_repository("followed", delay="3"))
        page.goto(f"/environments/{accepted['id']}")
        page.evaluate("window.sameDocument = true")
        apply = page.locator(".step:has-text('Start the application')")
        expect(apply).to_have_class("step step-running", timeout=PATIENCE_MS)
        expect(page.locator(".step:has-text('Fetch the commit')")).to_have_class("step step-succeeded")
        expect(page.locator("#environment-status")).to_contain_text("Ready", timeout=PATIENCE_MS)
        expect(page.locator("#environment-log")).to_contain_text("starting")
        expect(page.locator("#environment-results")).to_contain_text("slipway:local:Process")
        assert page.evaluate("window.sameDocument") is True
    slipway.destroy(accepted["id"])


def test_every_page_fits_a_small_screen_and_refuses_nothing(
    slipway: Installation, blueprints: None, visitor: Visitor, new_repository: NewRepository
) -> None:
    assert blueprints is None
    accepted = slipway.request(new_repository("a-repository-with-quite-a-long-name-for-a-small-screen"))
    environment = slipway.wait_for_phase(accepted["id"], "ready")
    number = environment["id"]
    pages = [
        "/assets",
        "/assets?q=nothing-of-this-name",
        *(f"/assets/slipway/preview-web?tab={tab}" for tab in TABS),
        "/assets/slipway/baseline",
        "/uploads/new",
        "/environments",
        "/environments?state=all",
        "/environments/new",
        "/environments/new?blueprint=slipway/preview-web",
        f"/environments/new?from={number}",
        f"/environments/{number}",
        f"/environments/{number}/destroy",
        f"/operations/{environment['operation_id']}",
        "/operations/dead-letters",
        "/tenants/tokens",
        "/api/docs",
    ]
    with visitor(viewport={"width": 360, "height": 740}) as page:
        sign_in(page, slipway.new_link())
        too_wide = []
        for path in pages:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 360:
                too_wide.append((path, width))
        upload(page, broken_archive())
        expect(page.locator("#upload-findings")).to_be_visible()
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 360:
            too_wide.append(("findings", width))
    assert too_wide == []
    slipway.destroy(number)


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/assets", "Publish an asset"),
        ("/assets/slipway/preview-web", "Request an environment"),
        ("/uploads/new", "Check and publish"),
        ("/environments", "Request an environment"),
        ("/environments/new?blueprint=slipway/preview-web", "Request the environment"),
    ],
)
def test_the_keyboard_reaches_the_way_past_the_menu_and_the_primary_action(
    slipway: Installation, visitor: Visitor, path: str, action: str
) -> None:
    with visitor() as page:
        sign_in(page, slipway.new_link())
        page.goto(path)
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim()"))
            if reached[-1] == action:
                break
        assert reached[0] == "Skip to the content"
        assert reached[-1] == action, reached
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
