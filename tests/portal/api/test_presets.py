"""Presets: the examples of a version, offered by name to programs and on the forms that ask for something."""

import json

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.examples import ExampleShelf
from catalog.assets.skeletons import skeleton

Client = TestClient[Litestar]
EXAMPLES = {"strict": {"greeting": "Stand back"}, "mild": {"greeting": "Come <in>"}, "default": {}}


@pytest.fixture
def published(api: Client) -> str:
    """Publish a blueprint with three examples; return its name."""
    begun = skeleton("deployment-blueprint", "acme", "preview")
    files = {path: data for path, data in begun.items() if not path.startswith("examples/")}
    for name, inputs in EXAMPLES.items():
        files[f"examples/{name}/inputs.json"] = json.dumps(inputs).encode()
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    answer = api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert answer.status_code == 201, answer.text
    return "acme/preview"


def test_programs_read_them_by_name(api: Client, published: str) -> None:
    found = api.get(f"/api/v1/assets/{published}/versions/latest/examples").json()["items"]
    assert [each["name"] for each in found] == ["default", "mild", "strict"]
    assert {each["name"]: each["inputs"] for each in found} == EXAMPLES
    assert api.get(f"/api/v1/assets/{published}/versions/9.9.9/examples").status_code == 404


@pytest.mark.parametrize("form", ["/environments/new?blueprint=", "/installs/new?asset="])
def test_forms_offer_them_and_start_from_the_one_that_is_chosen(browser: Client, published: str, form: str) -> None:
    address = form + published
    plain = browser.get(address).text
    assert "Start from a preset" in plain
    assert "example=default" not in plain  # it is the form as it is
    assert 'aria-current="true">strict' not in plain
    chosen = browser.get(f"{address}&repository=/srv/shop&example=mild").text
    assert 'value="Come &lt;in&gt;"' in chosen
    assert 'aria-current="true">mild' in chosen
    assert "repository=%2Fsrv%2Fshop&amp;" in chosen, "what was given before goes along"
    assert 'value="Stand back"' in browser.get(f"{address}&example=strict").text
    unknown = browser.get(f"{address}&example=none")
    assert (unknown.status_code, "Start from a preset" in unknown.text) == (200, True)


def test_forms_that_are_sent_again_read_no_archive(
    browser: Client, api: Client, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/installs/new?asset={published}"
    assert "Start from a preset" in browser.get(address).text

    def read(_: object) -> None:
        raise AssertionError("an archive was read")

    monkeypatch.setattr("catalog.assets.examples.read_archive", read)
    for form in (address, f"/environments/new?blueprint={published}"):
        assert 'value="Come &lt;in&gt;"' in browser.get(f"{form}&example=mild").text
    assert len(api.get(f"/api/v1/assets/{published}/versions/latest/examples").json()["items"]) == len(EXAMPLES)


def test_what_is_kept_of_examples_is_bounded() -> None:
    files = {"examples/mild/inputs.json": PackageFile(b'{"text": "' + b"x" * 100 + b'"}')}
    archive = build_archive(files).data
    read: list[str] = []

    def look(shelf: ExampleShelf, digest: str) -> int:
        before = len(read)

        def content() -> bytes:
            read.append(digest)
            return archive

        assert [each.name for each in shelf.examples(digest, content)] == ["mild"]
        return len(read) - before

    shelf = ExampleShelf(400)
    assert [look(shelf, digest) for digest in ("a", "b", "a", "c", "a", "b")] == [1, 1, 0, 1, 0, 1]
    small = ExampleShelf(50)
    assert [look(small, "a") for _ in range(2)] == [1, 1], "what is larger than all of it is not kept"
