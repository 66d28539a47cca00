"""Feeds as Atom, after RFC 4287: text is escaped, and what XML cannot hold is left out."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET  # it only writes here

from markupsafe import escape

from catalog.assets.feeds.models import Feed, FeedEntry
from portal.pages.presentation import look

MEDIA_TYPE = "application/atom+xml"
NAMESPACE = "http://www.w3.org/2005/Atom"
# The characters of XML 1.0 (production 2); everything else cannot be written, escaped or not.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_atom(feed: Feed, address: str, base_url: str) -> bytes:
    """Return a feed as an Atom document; ``address`` is its own, ``base_url`` that of the portal."""
    root = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": "en"})
    _text(root, "id", f"urn:uuid:{feed.id}")
    _text(root, "title", feed.title)
    _text(root, "updated", _moment(feed.updated))
    ET.SubElement(root, "link", {"rel": "self", "type": MEDIA_TYPE, "href": _clean(address)})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": _clean(base_url + feed.path)})
    _text(ET.SubElement(root, "author"), "name", "Slipway")
    _text(root, "generator", "Slipway")
    for each in feed.entries:
        _entry(ET.SubElement(root, "entry"), each, base_url)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _entry(element: ET.Element, entry: FeedEntry, base_url: str) -> None:
    path = f"{entry.namespace}/{entry.name}"
    word = "published" if entry.is_new else "restored" if entry.state == "published" else look_word(entry)
    _text(element, "id", f"urn:uuid:{entry.id}")
    _text(element, "title", f"{path} {entry.version} {word}")
    _text(element, "updated", _moment(entry.at))
    if entry.is_new:
        _text(element, "published", _moment(entry.at))
    href = f"{base_url}/assets/{path}?version={entry.version}"
    ET.SubElement(element, "link", {"rel": "alternate", "type": "text/html", "href": _clean(href)})
    _text(ET.SubElement(element, "author"), "name", entry.namespace)
    ET.SubElement(element, "category", {"term": str(entry.state), "label": look("version", entry.state).label})
    content = ET.SubElement(element, "content", {"type": "html"})
    content.text = _clean(_html(entry))


def look_word(entry: FeedEntry) -> str:
    """Return the state after a step as a word in a sentence."""
    return look("version", entry.state).label.lower()


def _html(entry: FeedEntry) -> str:
    items = "".join(f"<li><strong>{escape(word)}</strong> {escape(text)}</li>" for word, text in entry.details)
    return f"<p>{escape(entry.summary)}</p>" + (f"<ul>{items}</ul>" if items else "")


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _clean(text)


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("", text)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
