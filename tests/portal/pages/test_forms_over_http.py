"""Forms that open and close as they are filled in, over HTTP as a browser without JavaScript sends them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.settings import Settings

Browser = TestClient[Litestar]
IS_PRO = {"properties": {"plan": {"const": "pro"}}, "required": ["plan"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "plan": {"enum": ["free", "pro"], "default": "free", "title": "Plan"},
        "token": {"type": "string", "writeOnly": True, "minLength": 8, "title": "Token"},
        "hosts": {
            "type": "array",
            "title": "Hosts",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "port": {"type": "integer", "minimum": 1}},
                "required": ["name"],
            },
        },
        "store": {
            "type": "object",
            "title": "Store",
            "oneOf": [
                {
                    "title": "Bucket",
                    "properties": {"kind": {"const": "s3"}, "bucket": {"type": "string"}},
                    "required": ["kind", "bucket"],
                },
                {
                    "title": "Folder",
                    "properties": {"kind": {"const": "disk"}, "path": {"type": "string"}},
                    "required": ["kind"],
                },
            ],
        },
    },
    "allOf": [
        {
            "if": IS_PRO,
            "then": {
                "properties": {"seats": {"type": "integer", "minimum": 2, "title": "Seats"}},
                "required": ["seats"],
            },
        }
    ],
    "unevaluatedProperties": False,
}


def archive() -> bytes:
    """Return a blueprint that asks for what ``SCHEMA`` says, beside what it begins with."""
    files = skeleton("deployment-blueprint", "acme", "forms")
    begun = json.loads(files["inputs.schema.json"])
    schema = {**SCHEMA, "properties": {**begun["properties"], **SCHEMA["properties"]}}
    files = {**files, "inputs.schema.json": json.dumps(schema).encode()}
    return build_archive({path: PackageFile(content) for path, content in files.items()}).data


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with a master key, so that forms can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def form(browser: Browser) -> Callable[..., Any]:
    sent = {"archive": ("acme-forms-0.1.0.slipway.tar.gz", archive(), "application/gzip")}
    published = browser.post("/uploads", files=sent, data={"visibility": ""})
    assert published.status_code == 201, published.text

    def send(**fields: str) -> Any:
        asked = {"blueprint": "acme/forms", "repository": "/none", "pull_request": "42", "version": ""}
        shown = {"inputs/greeting": "Ahoy", "inputs/health_path": "/", "inputs/token": "", "inputs/store/kind": ""}
        base = {**asked, **shown}
        return browser.post("/environments", data={**base, **fields}, follow_redirects=False)

    return send


def kept(page: Any) -> str:
    found = re.search(r'name="~kept" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


def test_a_form_shows_what_the_answers_ask_for_and_nothing_else(form: Callable[..., Any]) -> None:
    closed = form(do="refresh", **{"inputs/plan": "free"})
    assert closed.status_code == 200
    assert 'name="inputs/seats"' not in closed.text
    opened = form(do="refresh", **{"inputs/plan": "pro"})
    assert re.search(r'name="inputs/seats"[^>]* required', opened.text)
    assert 'data-news="New fields: Seats' in opened.text
    assert "field-error" not in opened.text


def test_what_is_filled_in_is_looked_at_before_the_form_is_sent_off(form: Callable[..., Any]) -> None:
    page = form(do="refresh", **{"inputs/plan": "pro", "inputs/seats": "1", "inputs/token": ""})
    assert page.status_code == 200
    assert re.search(r'id="field-inputs-seats"[^>]*aria-invalid="true"', page.text)
    assert "This must be at least 2." in page.text
    assert "This is not taken here." not in page.text


def test_fields_of_a_closed_branch_come_back_with_it(form: Callable[..., Any]) -> None:
    page = form(do="refresh", **{"inputs/plan": "free", "inputs/seats": "7"})
    assert 'name="inputs/seats"' not in page.text
    again = form(do="refresh", **{"inputs/plan": "pro", "~kept": kept(page)})
    assert re.search(r'name="inputs/seats" value="7"', again.text)


def test_a_secret_is_kept_sealed_and_never_sent_back(form: Callable[..., Any]) -> None:
    page = form(do="refresh", **{"inputs/token": "very-secret-token"})
    assert "very-secret-token" not in page.text
    assert "Kept from before" in page.text
    carried = kept(page)
    assert carried
    again = form(do="refresh", **{"inputs/token": "", "~kept": carried})
    assert "Kept from before" in again.text
    forgotten = form(do="refresh", **{"inputs/token": "", "inputs/token/~forget": "true", "~kept": carried})
    assert "Kept from before" not in forgotten.text
    short = form(do="refresh", **{"inputs/token": "short", "~kept": carried})
    assert "This must have at least 8 characters." in short.text
    forged = form(do="refresh", **{"inputs/token": "", "~kept": carried[:-4] + "AAAA"})
    assert "Kept from before" not in forged.text


def test_rows_are_added_moved_and_removed_by_buttons(form: Callable[..., Any]) -> None:
    one = form(do="add:inputs/hosts")
    assert 'name="inputs/hosts/0/name"' in one.text
    rows = {
        "inputs/hosts/~rows": "2",
        "inputs/hosts/0/name": "a.example",
        "inputs/hosts/0/port": "1",
        "inputs/hosts/1/name": "b.example",
        "inputs/hosts/1/port": "2",
    }
    moved = form(do="up:inputs/hosts:1", **rows)
    assert re.search(r'name="inputs/hosts/0/name" value="b.example"', moved.text)
    assert re.search(r'name="inputs/hosts/1/name" value="a.example"', moved.text)
    left = form(do="remove:inputs/hosts:0", **rows)
    assert re.search(r'name="inputs/hosts/0/name" value="b.example"', left.text)
    assert "a.example" not in left.text


def test_alternatives_open_their_own_fields(form: Callable[..., Any]) -> None:
    page = form(do="refresh", **{"inputs/store/kind": "s3"})
    assert 'name="inputs/store/bucket"' in page.text
    assert 'name="inputs/store/path"' not in page.text
    other = form(do="refresh", **{"inputs/store/kind": "disk", "inputs/store/bucket": "b", "~kept": kept(page)})
    assert 'name="inputs/store/path"' in other.text
    assert 'name="inputs/store/bucket"' not in other.text


def test_errors_stand_at_the_field_of_the_row_that_is_wrong(form: Callable[..., Any]) -> None:
    rows = {"inputs/hosts/~rows": "2", "inputs/hosts/0/name": "a", "inputs/hosts/0/port": "80"}
    page = form(do="refresh", **rows, **{"inputs/hosts/1/name": "b", "inputs/hosts/1/port": "0"})
    assert page.status_code == 200
    assert 'href="#field-inputs-hosts-1-port"' in page.text
    assert re.search(r'id="field-inputs-hosts-1-port"[^>]*aria-invalid="true"', page.text)
    assert not re.search(r'id="field-inputs-hosts-0-port"[^>]*aria-invalid="true"', page.text)
