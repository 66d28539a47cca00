"""The served portal in a real browser: signing in, searching as one types, and a page that follows its environment."""

import shutil
import subprocess
from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import FilePayload, Page, expect, sync_playwright

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.environments.models import Environment, Phase
from catalog.operations.service import OperationService
from catalog.providers.scm.local_git import demo_repositories
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService

CHROMIUM = "/usr/bin/chromium"
GIT = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
pytestmark = pytest.mark.browser


@pytest.fixture
def tab(served: Settings, database: Database, acme: Principal) -> Iterator[Page]:
    """Return a browser that signed in with a one-time link; what its console complains of fails the test."""
    with database.tenant_session(acme.tenant_id) as session:
        service = TenantService(session)
        secret = service.create_sign_in_link(service.add_member(acme.tenant_id, "Ann", "ann@example.com", Role.ADMIN))
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=served.base_url)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda each: complaints.append(each.text) if "Content Security" in each.text else None)
        page.goto(f"/sign-in/{secret}")
        yield page
        browser.close()
    assert complaints == []


@pytest.fixture
def repository(settings: Settings) -> str:
    folder = demo_repositories(settings) / "hello"
    folder.mkdir(parents=True)
    (folder / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    git = shutil.which("git")
    assert git is not None
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        [*name, "commit", "--quiet", "-m", "Begin"],
        ["update-ref", "refs/pull/42/head", "HEAD"],
    ):
        subprocess.run([git, *command], cwd=folder, env=GIT, check=True)
    return str(folder)


def publish(tab: Page, name: str) -> None:
    files = skeleton("deployment-blueprint", "acme", name)
    archive = build_archive({path: PackageFile(content) for path, content in files.items()})
    tab.goto("/uploads/new")
    file: FilePayload = {"name": f"{name}.slipway.tar.gz", "mimeType": "application/gzip", "buffer": archive.data}
    tab.set_input_files("#field-archive", file)
    tab.click("text=Check and publish")
    expect(tab.locator("h1")).to_contain_text("is published")


def test_the_whole_way_in_a_browser(tab: Page, repository: str, database: Database, acme: Principal) -> None:
    expect(tab).to_have_title("Marketplace · Slipway")
    expect(tab.locator("#toasts")).to_contain_text("You are signed in.")
    publish(tab, "my-preview")
    publish(tab, "other")

    tab.goto("/assets")
    tab.fill("#search-field", "oth")
    expect(tab.locator(".result")).to_have_count(1)
    expect(tab).to_have_url("/assets?q=oth")
    tab.fill("#search-field", "")
    expect(tab.locator(".result")).to_have_count(2)
    tab.click(".facet >> text=Deployment blueprint")
    expect(tab.locator(".chip")).to_have_count(1)
    expect(tab).to_have_url("/assets?kind=deployment-blueprint")
    tab.go_back()
    expect(tab.locator(".chip")).to_have_count(0)

    tab.click(".result-name >> text=My preview")
    tab.click("text=Request an environment")
    tab.fill("#field-repository", repository)
    tab.fill("#field-pull-request", "42")
    tab.fill("#field-inputs-greeting", "Ahoy")
    tab.click("button:has-text('Request the environment')")
    expect(tab.locator("h1")).to_have_text("hello-pr-42")
    expect(tab.locator("#environment-status")).to_contain_text("Queued")

    environment_id = UUID(tab.url.rpartition("/")[2])
    address = "http://hello-pr-42.preview.localhost:8080/"
    with database.tenant_session(acme.tenant_id) as session:
        environment = session.get(Environment, environment_id)
        assert environment is not None
        assert environment.operation_id is not None
        environment.phase = Phase.READY
        environment.url = address
        environment.deployed_sha = environment.head_sha
        session.add(environment)
        OperationService(session).log(acme.tenant_id, environment.operation_id, ["ready"])
    # Nobody reloads: the stream brings it.
    expect(tab.locator("#environment-status")).to_contain_text("Ready")
    expect(tab.locator("#environment-status a")).to_have_attribute("href", address)

    tab.click("text=Destroy…")
    tab.click("button:has-text('Destroy it')")
    expect(tab.locator("#environment-status")).to_contain_text("Destroy")


def test_the_menu_and_the_colours(tab: Page) -> None:
    tab.goto("/environments")
    tab.click("details.menu > summary")
    expect(tab.locator("text=Access tokens")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("text=Access tokens")).to_be_hidden()
    tab.click("button:has-text('Dark')")
    expect(tab).to_have_url("/environments")
    expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
    tab.click("details.menu > summary")
    tab.click("text=Sign out")
    expect(tab.locator("h1")).to_have_text("Sign in to Slipway")
