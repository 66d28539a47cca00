"""No form of a page loses what was filled in because one of its fields holds what cannot be: NUL, or far too much."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.settings import Settings
from catalog.tenancy import Principal

Browser = TestClient[Litestar]
HOSTILE = {"NUL": "a\0b", "overlong": "x" * 70_000}
WRITTEN = {"text", "search", "email", "url", "password"}
MASKED = {"token", "secret", "value", "private_key", "client_secret"}
"""Fields whose values are never sent back."""
PAGES = (
    *("/agents", "/approvals/rules", "/assets?kind=deployment-blueprint", "/attestations/keys", "/campaigns/new"),
    *("/attestations/trust-policy", "/catalog", "/environments/automations", "/policies/exemptions", "/policies/try"),
    *("/notifications/subscriptions", "/policies/bind", "/publishers", "/releases/new", "/sboms/registries"),
    *("/scm/connections", "/scm/connections?way=github-app", "/scm/connections?way=azure-principal", "/searches"),
    *("/secrets", "/tenants/tokens", "/uploads/drafts", "/assets/acme/preview/access"),
    *(f"/assets/acme/preview/versions/0.1.0/{verb}" for verb in ("deprecate", "quarantine", "revoke")),
    *("/environments/new?blueprint=acme/preview", "/installs/new?asset=acme/rules", "/installs/new?asset=acme/preview"),
)


@dataclass
class Form:
    """A form of a page: where it goes, its fields with their values, and which of them are written by hand."""

    action: str
    fields: dict[str, str]
    written: list[str]


class Forms(HTMLParser):
    """Reads those forms of a page that are sent with POST and have something to write."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_sent = given.get("method", "").lower() == "post" and "multipart" not in given.get("enctype", "")
            self._open = Form(given.get("action", ""), {}, []) if is_sent else None
        name, type_ = given.get("name", ""), given.get("type", "text")
        if self._open is None or not name:
            return
        is_written = tag == "textarea" or (tag == "input" and type_ in WRITTEN)
        if is_written:
            self._open.written.append(name)
        if is_written or tag == "select" or (tag == "input" and (type_ == "hidden" or "checked" in given)):
            self._open.fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open is not None:
            self.found += [self._open] if self._open.written else []
            self._open = None


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with a master key, by which secrets are sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a key for tests")})


def shown_values(page: str) -> set[str]:
    """Return what the fields of a page hold."""
    values = re.findall(r'value="([^"]*)"', page) + re.findall(r"<textarea[^>]*>\n?([^<]*)</textarea>", page)
    return {unescape(each).strip() for each in values}


def problems_of(browser: Browser, form: Form, field: str, hostile: str) -> list[str]:
    """Send a form with one hostile field, and say what went wrong beside the refusal."""
    words = {each: f"keptword{number}" for number, each in enumerate(form.written)}
    sent = {**form.fields, **words, field: hostile}
    answer = browser.post(form.action, data=sent, follow_redirects=False)
    if answer.status_code in {201, 303}:
        return []
    if answer.status_code != 422:
        return [f"answers {answer.status_code}"]
    if f'action="{form.action}"' not in answer.text:
        return ["loses the form"]
    shown = shown_values(answer.text)
    return [f"loses {each}" for each in form.written if each not in {field, *MASKED} and words[each] not in shown]


def test_a_form_keeps_what_was_filled_in_beside_what_cannot_be(
    browser: Browser, archive: bytes, publish_policy: Callable[..., str], acme: Principal
) -> None:
    sent = {"archive": ("a.tar.gz", archive, "application/gzip")}
    assert browser.post("/uploads", files=sent, data={"visibility": ""}).status_code == 201
    publish_policy(acme, "rules", "deny contains v if { false; v := {} }")
    found: list[str] = []
    tried = set()
    for page in PAGES:
        answer = browser.get(page)
        assert answer.status_code == 200, page
        reader = Forms()
        reader.feed(answer.text)
        forms = [each for each in reader.found if (each.action, *each.written) not in tried]
        for form in forms:
            tried.add((form.action, *form.written))
            for field in form.written:
                for label, hostile in HOSTILE.items():
                    problems = problems_of(browser, form, field, hostile)
                    found += [f"{page}: {form.action} with {label} in {field} {each}" for each in problems]
    assert found == []
    assert len(tried) > len(PAGES) / 2, "there is a form on most of the pages"


def test_a_secret_that_no_process_can_be_given_is_refused(browser: Browser, api: Browser) -> None:
    refused = browser.post("/secrets", data={"name": "TOKEN", "value": "a\0b", "blueprints": "slipway/preview-*"})
    assert refused.status_code == 422
    assert "cannot be given a NUL character" in refused.text
    assert {"TOKEN", "slipway/preview-*"} <= shown_values(refused.text)
    for wrong, pointer in (({"value": "a\0b"}, "/value"), ({"value": "ab", "blueprints": ["a\0b"]}, "/blueprints")):
        answer = api.put("/api/v1/secrets/TOKEN", json=wrong)
        assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    assert api.get("/api/v1/secrets").json()["items"] == []
