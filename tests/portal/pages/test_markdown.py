"""Markdown of strangers: formatted, and nothing in it runs or loads."""

from html.parser import HTMLParser

import pytest

from portal.pages.markdown import render_markdown


class Elements(HTMLParser):
    """The elements of a piece of HTML with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_headings_move_down_and_a_repeated_title_goes() -> None:
    assert render_markdown("# My asset\n\n## Use\n", "my asset") == "<h3>Use</h3>\n"
    assert render_markdown("# Other\n", "my asset") == "<h2>Other</h2>\n"


def test_tables_and_code_are_kept() -> None:
    html = render_markdown("| a |\n|---|\n| `b` |\n\n```py\nx = 1 < 2\n```\n")
    assert "<td><code>b</code></td>" in html
    assert "x = 1 &lt; 2" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[a](javascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "![a](javascript:alert(1))",
        '![x](https://example.com/a.png" onerror="alert(1))',
        "<style>*{display:none}</style>",
        '<a href="#" style="position:fixed">a</a>',
        '<form action="https://example.com"><input></form>',
    ],
)
def test_nothing_active_survives(text: str) -> None:
    for tag, attributes in Elements(render_markdown(text)).found:
        assert tag in {"p", "a"}
        assert set(attributes) <= {"href", "rel", "title"}
        assert attributes.get("href", "https://").startswith("https://")


def test_pictures_become_links() -> None:
    html = render_markdown("![Diagram](https://example.com/a.png) ![Local](docs/a.png)")
    assert 'href="https://example.com/a.png"' in html
    assert ">Diagram</a> Local" in html
    assert 'rel="noopener nofollow ugc"' in html
