"""What does not have the right form is refused in words and by example, on pages and over the API alike."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.settings import Settings
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

Client = TestClient[Litestar]
NAME = "Write lower-case letters and digits, with dashes between them where you like: 63 characters at the most."
ZONE = r"^[a-z]{2}-[a-z]+-[0-9]$"
FIELDS: dict[str, Any] = {
    "told": {"type": "string", "pattern": ZONE, "errorMessage": {"pattern": "Name a zone\n of ours."}},
    "plain": {"type": "string", "pattern": ZONE, "minLength": 3, "errorMessage": "A zone, please."},
    "shown": {"type": "string", "pattern": ZONE, "examples": ["eu-west-1"], "errorMessage": {"minLength": "No."}},
    "begun": {"type": "string", "pattern": ZONE, "default": "eu-north-2"},
    "hidden": {"type": "string", "pattern": ZONE, "writeOnly": True, "examples": ["eu-west-1"]},
    "bare": {"type": "string", "pattern": ZONE, "errorMessage": ["no text"]},
}
WORDS = {
    "told": "Name a zone of ours.",
    "plain": "A zone, please.",
    "shown": "This does not have the form that is asked for. Write it as in eu-west-1",
    "begun": "This does not have the form that is asked for. Write it as in eu-north-2",
    "hidden": f"This does not have the form that is asked for: it must match the pattern {ZONE}",
    "bare": f"This does not have the form that is asked for: it must match the pattern {ZONE}",
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,)})


def test_a_schema_says_in_words_what_it_takes(api: Client, browser: Client, tmp_path: Path) -> None:
    files = skeleton("deployment-blueprint", "acme", "zones")
    begun = json.loads(files["inputs.schema.json"])
    schema = {**begun, "properties": {**begun["properties"], **FIELDS}}
    packed = build_archive(
        {
            path: PackageFile(json.dumps(schema).encode() if path == "inputs.schema.json" else data)
            for path, data in files.items()
        }
    )
    sent = api.post("/api/v1/assets", files={"archive": ("a.tar.gz", packed.data, "application/gzip")})
    assert sent.status_code == 201, sent.text
    repository = str(ensure_sample_repository(tmp_path, os.defpath)[0])
    asked = {"repository": repository, "pull_request": PULL_REQUEST, "branch": BRANCH, "blueprint": "acme/zones"}
    wrong = dict.fromkeys(FIELDS, "Nowhere")
    refused = api.post("/api/v1/environments/ephemeral", json={**asked, "inputs": wrong})
    assert refused.status_code == 422
    told = {each["pointer"].rpartition("/")[2]: each["detail"] for each in refused.json()["errors"]}
    assert told == WORDS
    assert "Nowhere" not in refused.text
    form = {**asked, "version": "", **{f"inputs/{name}": value for name, value in wrong.items()}}
    page = browser.post("/environments", data=form)
    assert page.status_code == 422
    for name, words in WORDS.items():
        shown = re.search(rf'id="field-inputs-{name}-error"[^>]*>(.*?)</p>', page.text, re.DOTALL)
        assert shown is not None, name
        assert words in shown[1], name


def test_fields_of_our_own_say_in_words_what_they_take(api: Client, browser: Client) -> None:
    form = {"way": "github-token", "name": "My Hub!", "base_url": "", "token": "github_pat_example"}
    page = browser.post("/scm/connections", data=form)
    assert page.status_code == 422
    assert NAME in page.text
    assert "My Hub!" in page.text
    release = {"service": "My Web", "version": "a b", "commit": "HEAD", "repository": "https://git.example.com/web"}
    refused = api.post("/api/v1/releases", json=release)
    assert refused.status_code == 422
    assert {each["pointer"]: each["detail"] for each in refused.json()["errors"]} == {
        "/service": NAME,
        "/version": "Write a version such as 1.4.0: letters, digits and . _ + - alone.",
        "/commit": "Write a commit id: 7 to 64 of the digits and the letters a to f.",
    }
    for answer in (page.text, refused.text):
        assert "pattern" not in answer.replace('pattern="', "")
