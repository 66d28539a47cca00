"""Markdown of publishers as safe HTML: nothing runs, nothing is loaded from elsewhere."""

from collections.abc import Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "td": {"align"}, "th": {"align"}}
_SCHEMES = {"http", "https", "mailto"}


def _image(_renderer: object, tokens: Sequence[Token], index: int, _options: object, _environment: object) -> str:
    """Show an image as a link: the policy of the pages lets no picture of another site in."""
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    text = token.content or source
    return f'<a href="{escape(source)}">{escape(text)}</a>' if source.startswith("http") else str(escape(text))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image)
    return parser


_PARSER = _parser()


def render_markdown(text: str, title: str = "") -> Markup:
    """Return ``text`` as HTML with its headings one level lower; a first heading that repeats ``title`` is left out."""
    tokens = _PARSER.parse(text)
    if _is_title(tokens, title):
        tokens = tokens[3:]
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
    options: Any = _PARSER.options
    html = _PARSER.renderer.render(tokens, options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener nofollow ugc",
    )
    return Markup(clean)  # noqa: S704  # cleaned by nh3 on the line above


def _is_title(tokens: Sequence[Token], title: str) -> bool:
    is_heading = len(tokens) >= 3 and tokens[0].type == "heading_open" and tokens[0].tag == "h1"
    return is_heading and tokens[1].content.strip().casefold() == title.strip().casefold()
