"""Every template parses, every fragment is one element, and every page renders from each sample."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from portal.pages.render import TEMPLATES, Page, Renderer
from portal.pages.shell import Shell

NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SINGULAR = {
    "notifications": "notification",
    "approvals": "approval",
    "assets": "asset",
    "campaigns": "campaign",
    "environments": "environment",
    "errors": "error",
    "operations": "operation",
    "policies": "policy",
    "installs": "install",
    "releases": "release",
    "sessions": "session",
    "shell": "shell",
    "agents": "agent",
    "proposals": "proposal",
    "tenants": "tenant",
    "uploads": "upload",
}


class Outline(HTMLParser):
    """The elements of a document: roots, ids, and what a strict Content-Security-Policy would refuse."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.roots: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self._open:
            self.roots.append((tag, given))
        self.elements.append((tag, given))
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith(("on", "hx-on"))]
        if (tag == "script" and "src" not in given) or tag == "style":
            self.inline.append(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        assert self._open or not data.strip() or not self.roots, f"text beside the root: {data!r}"

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get(attribute)) is not None]


def test_there_are_templates() -> None:
    assert len(NAMES) > 30


@pytest.mark.parametrize("name", NAMES)
def test_template_parses(templates: Environment, name: str) -> None:
    templates.get_template(name)


def test_every_fragment_is_named_after_its_place(sample_pages: dict[str, Page]) -> None:
    for page in sample_pages.values():
        for element_id, template in page.fragments.items():
            area, _, name = template.partition("/")
            assert name.startswith("_")
            stem = name.removeprefix("_").removesuffix(".html").replace("_", "-")
            assert element_id == f"{SINGULAR[area]}-{stem}"


def test_every_fragment_is_one_element_with_its_id(
    renderer: Renderer, sample_pages: dict[str, Page], shell: Shell
) -> None:
    seen = set()
    for name, page in sample_pages.items():
        for element_id in page.fragments:
            outline = Outline(renderer.fragment(page, shell, element_id))
            assert [attrs.get("id") for _, attrs in outline.roots] == [element_id], name
            seen.add(page.fragments[element_id])
    wanted = {name for name in NAMES if Path(name).name.startswith("_")}
    assert wanted == seen | {"shell/_oob_toasts.html"}


def test_every_page_of_an_area_has_a_sample(sample_pages: dict[str, Page]) -> None:
    pages = {name for name in NAMES if not Path(name).name.startswith("_")}
    parts = {name for name in pages if name.startswith(("components/", "shell/", "api/")) or name == "base.html"}
    assert pages - parts == {page.template for page in sample_pages.values()}


def test_every_sample_is_a_sound_document(renderer: Renderer, sample_pages: dict[str, Page], shell: Shell) -> None:
    for name, page in sample_pages.items():
        html = renderer.page(page, shell)
        outline = Outline(html.partition("<!doctype html>")[2])
        assert outline.inline == [], name
        assert html.count("<title>") == 1, name
        assert "<title> · Slipway" not in html, name
        tags = Counter(tag for tag, _ in outline.elements)
        assert (tags["main"], tags["h1"], tags["header"], tags["footer"]) == (1, 1, 1, 1), name
        ids = Counter(outline.values("id"))
        assert [each for each, count in ids.items() if count > 1] == [], name
        pointed_at = [*outline.values("for"), *" ".join(outline.values("aria-describedby")).split()]
        assert [each for each in pointed_at if each not in ids] == [], name
        anchors = [each.removeprefix("#") for each in outline.values("href") if each.startswith("#")]
        assert [each for each in anchors if each not in ids] == [], name


def test_every_control_has_a_name_for_people(renderer: Renderer, sample_pages: dict[str, Page], shell: Shell) -> None:
    for name, page in sample_pages.items():
        outline = Outline(renderer.page(page, shell).partition("<!doctype html>")[2])
        labelled = set(outline.values("for"))
        for tag, attrs in outline.elements:
            if tag in {"input", "select", "textarea"} and attrs.get("type") != "hidden":
                assert attrs.get("id") in labelled or attrs.get("aria-label"), (name, attrs)


def test_forms_that_change_something_are_posted(
    renderer: Renderer, sample_pages: dict[str, Page], shell: Shell
) -> None:
    for name, page in sample_pages.items():
        outline = Outline(renderer.page(page, shell).partition("<!doctype html>")[2])
        for tag, attrs in outline.elements:
            if tag == "form":
                assert attrs.get("method") == "post" or attrs.get("role") == "search", name
                assert str(attrs.get("action")).startswith("/"), name


def test_secrets_are_never_shown_again(renderer: Renderer, sample_pages: dict[str, Page], shell: Shell) -> None:
    assert "hunter2-secret" not in renderer.page(sample_pages["request-errors"], shell)


def test_text_of_others_is_escaped(renderer: Renderer, sample_pages: dict[str, Page], shell: Shell) -> None:
    html = renderer.page(sample_pages["asset-overview"], shell)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
