"""Forms that open and close as they are filled in, in a real browser with its script and without."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, expect, sync_playwright
from pydantic import SecretStr

from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal, Role
from catalog.tenants.service import TenantService
from tests.portal.pages.test_forms_over_http import archive

CHROMIUM = "/usr/bin/chromium"
PLACE = "/environments/new?blueprint=acme/forms"
pytestmark = pytest.mark.browser


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with a master key, so that forms can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture(params=[True, False], ids=["with-script", "without-script"])
def tab(request: pytest.FixtureRequest, served: Settings, database: Database, acme: Principal) -> Iterator[Page]:
    with database.tenant_session(acme.tenant_id) as session:
        service = TenantService(session)
        secret = service.create_sign_in_link(service.add_member(acme.tenant_id, "Ann", "ann@example.com", Role.ADMIN))
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=served.base_url, java_script_enabled=request.param)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda each: complaints.append(each.text) if "Content Security" in each.text else None)
        page.goto(f"/sign-in/{secret}")
        page.goto("/uploads/new")
        file: FilePayload = {"name": "forms.slipway.tar.gz", "mimeType": "application/gzip", "buffer": archive()}
        page.set_input_files("#field-archive", file)
        page.click("text=Check and publish")
        expect(page.locator("h1")).to_contain_text("is published")
        yield page
        browser.close()
    assert complaints == []


def follow(tab: Page) -> None:
    """Ask for the fields that follow, where no script does."""
    button = tab.locator("button[value=refresh]")
    if button.is_visible():
        button.click()


def test_a_form_opens_fields_keeps_what_was_typed_and_has_rows(tab: Page) -> None:
    tab.goto(PLACE)
    seats, token = tab.locator("#field-inputs-seats"), tab.locator("#field-inputs-token")
    expect(seats).to_have_count(0)
    token.fill("very-secret-token")
    tab.select_option("#field-inputs-plan", "pro")
    follow(tab)
    seats.fill("1")
    tab.select_option("#field-inputs-store-kind", "s3")
    follow(tab)
    expect(tab.locator("#field-inputs-seats-error")).to_have_text("This must be at least 2.")
    expect(tab.locator("#field-inputs-store-bucket")).to_be_visible()
    expect(tab.locator("#inputs")).to_contain_text("Kept from before")
    seats.fill("7")
    tab.select_option("#field-inputs-plan", "free")
    follow(tab)
    expect(seats).to_have_count(0)
    tab.select_option("#field-inputs-plan", "pro")
    follow(tab)
    expect(seats).to_have_value("7")

    tab.click("button[value='add:inputs/hosts']")
    tab.fill("#field-inputs-hosts-0-name", "a.example")
    tab.click("button[value='add:inputs/hosts']")
    tab.fill("#field-inputs-hosts-1-name", "b.example")
    tab.click("button[value='up:inputs/hosts:1']")
    expect(tab.locator("#field-inputs-hosts-0-name")).to_have_value("b.example")
    tab.click("button[value='remove:inputs/hosts:0']")
    expect(tab.locator("#field-inputs-hosts-0-name")).to_have_value("a.example")
    expect(tab.locator("#field-inputs-hosts-1-name")).to_have_count(0)
    expect(tab).to_have_url("/environments" if not has_script(tab) else PLACE)


def test_the_enter_key_sends_the_form_and_presses_no_button_of_a_row(tab: Page) -> None:
    tab.goto(PLACE)
    tab.click("button[value='add:inputs/hosts']")
    name = tab.locator("#field-inputs-hosts-0-name")
    name.fill("a.example")
    tab.fill("#field-repository", "/none")
    tab.fill("#field-pull-request", "42")
    name.press("Enter")
    expect(tab.locator("#error-summary")).to_be_visible()
    expect(name).to_have_value("a.example")


def has_script(tab: Page) -> bool:
    return not tab.locator("button[value=refresh]").is_visible()
